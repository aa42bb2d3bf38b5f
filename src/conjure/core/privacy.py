"""Differential privacy: a budget, the ledger that spends it, and noise from the operating system's random source.

Two tables are neighbours when one has a row that the other lacks. Everything that a private run looks at goes
through a `Ledger`: counts with Gaussian noise, whose composition is exact in mu (Dong, Roth and Su 2022, cor. 3.3),
and then perhaps steps down noisy gradients, which `core/accountant.py` adds up.
"""

from __future__ import annotations

import hashlib
import math
import os
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Any

import numpy as np

from conjure.core import accountant
from conjure.core.errors import ConfigError, PrivacyError

LOOSE = 10.0  # above this epsilon the promise says little: a row may change the odds of anything 22,000-fold
USUAL_DELTA = 1e-5
THRESHOLDS = 0.1  # of delta: the chance that a value which one row alone has is released


@dataclass(frozen=True)
class Budget:
    """All that a run may tell of any one row: P(out | with) <= e^epsilon P(out | without) + delta."""

    epsilon: float
    delta: float = USUAL_DELTA

    def __post_init__(self) -> None:
        if not (self.epsilon > 0 and math.isfinite(self.epsilon)):
            raise ConfigError(f"epsilon is {self.epsilon:g}; a privacy budget is a finite number above zero, such as 1")
        if not 0 < self.delta < 1:
            raise ConfigError(f"delta is {self.delta:g}; it should lie between 0 and 1, far below one over the rows")

    def warnings(self) -> list[str]:
        """What is odd about the budget, in sentences."""
        said = []
        if self.epsilon > LOOSE:
            said.append(
                f"epsilon {self.epsilon:g} promises next to nothing: one row may change the odds of any result "
                f"{math.exp(min(self.epsilon, 700)):,.0f}-fold; up to 1 is strong, up to {LOOSE:g} is usual"
            )
        if self.delta > 1e-3:
            said.append(f"delta {self.delta:g} lets one row in {1 / self.delta:,.0f} be published whole")
        return said


def delta_of(mu: float, epsilon: float) -> float:
    """The delta that mu-Gaussian privacy gives at an epsilon (Dong, Roth and Su 2022, cor. 2.13)."""
    return _below(-epsilon / mu + mu / 2) - math.exp(epsilon) * _below(-epsilon / mu - mu / 2)


def mu_of(epsilon: float, delta: float) -> float:
    """The largest mu whose Gaussian privacy is within (epsilon, delta): the inverse of `delta_of`, by bisection."""
    return _bisected(lambda mu: delta_of(mu, epsilon) > delta, 1e-6, 2 * math.sqrt(2 * epsilon) + 20)


def epsilon_of(mu: float, delta: float) -> float:
    """The epsilon of mu-Gaussian privacy at a delta."""
    if mu <= 0 or delta_of(mu, 0.0) <= delta:
        return 0.0
    return _bisected(lambda epsilon: delta_of(mu, epsilon) <= delta, 0.0, mu * mu / 2 + 10 * mu + 1)


def _below(x: float) -> float:
    """Phi(x), right in its far tail too."""
    return 0.5 * math.erfc(-x / math.sqrt(2))


def _bisected(beyond: Any, low: float, high: float) -> float:
    """Where a condition that is false at low and true at high turns, from the side of low."""
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (low, middle) if beyond(middle) else (middle, high)
    return low


class SystemNoise:
    """Normal and uniform numbers from os.urandom, never from a seed: whoever knew it could subtract the noise."""

    def uniform(self, *shape: int) -> np.ndarray:
        """In (0, 1), 53 bits each."""
        bits = np.frombuffer(self.bytes(8 * math.prod(shape)), np.uint64) >> np.uint64(11)
        return ((bits.astype(np.float64) + 0.5) * 2.0**-53).reshape(shape)

    def normal(self, *shape: int) -> np.ndarray:
        """By Box and Muller's transform of two uniform numbers."""
        count = math.prod(shape)
        radius, angle = np.sqrt(-2 * np.log(self.uniform(-(-count // 2)))), 2 * math.pi * self.uniform(-(-count // 2))
        return np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])[:count].reshape(shape)

    def bytes(self, count: int) -> bytes:
        """Fresh ones."""
        return os.urandom(count)


class KeyedNoise(SystemNoise):
    """The same of a secret key and a name, by SHAKE-256: as good while the key is secret, and a stopped run that
    kept its key goes on with the noise it would have had. The key comes from os.urandom, not from the run's seed.
    """

    def __init__(self, key: bytes, *names: str | int):
        self.source = key + "/".join(map(str, names)).encode()
        self.drawn = 0

    def bytes(self, count: int) -> bytes:
        self.drawn += 1
        return hashlib.shake_256(self.source + f"#{self.drawn}".encode()).digest(count)

    def seed(self) -> int:
        """63 bits for a generator whose draws are as secret as the key."""
        return int.from_bytes(self.bytes(8), "big") >> 1


@dataclass
class Ledger:
    """What a run has spent of its budget, entry by entry. `noise` and `key` are replaced in tests alone."""

    budget: Budget
    noise: Any = field(default_factory=SystemNoise)
    entries: list[dict[str, Any]] = field(default_factory=list)
    descent: dict[str, Any] | None = None  # of training by noisy gradients: batch, rate, noise, steps, clip
    key: bytes = field(default_factory=lambda: os.urandom(32))  # of the noise of gradients and of who is in a batch
    notes: list[str] = field(default_factory=list)  # what the user should know

    def __post_init__(self) -> None:
        self.spare = self.budget.delta * THRESHOLDS  # for thresholds
        self.mu = mu_of(self.budget.epsilon, self.budget.delta - self.spare)
        self.notes += self.budget.warnings()

    @property
    def spent(self) -> float:
        """mu of all entries together."""
        return math.sqrt(sum(e["mu"] ** 2 for e in self.entries))

    def part(self, share: float) -> float:
        """The mu that a share of the whole budget is worth."""
        return self.mu * math.sqrt(share)

    def counts(self, what: str, exact: np.ndarray, mu: float, times: int = 1) -> tuple[np.ndarray, float]:
        """Counts with Gaussian noise of scale 1 / mu, in whole numbers; and that scale.

        A row adds one to at most `times` counts, which costs mu for each. Rounding whole counts plus noise is rounding
        the noise alone, so that no stray digits of floating point tell the count (Mironov 2012).
        """
        scale = 1 / mu
        self.spend({"what": what, "mu": mu * math.sqrt(times), "scale": scale})
        return np.rint(exact) + np.rint(scale * self.noise.normal(*exact.shape)), scale

    def threshold(self, scale: float, questions: int) -> float:
        """Above which a noisy count shows more than one row, but for a chance of `spare` over all questions."""
        return 1 + scale * NormalDist().inv_cdf(1 - self.spare / questions)

    def spend(self, entry: dict[str, Any]) -> None:
        """Write an entry; PrivacyError where the budget does not reach."""
        if self.descent:
            raise PrivacyError(f"the rest of the budget is promised to gradients: {entry['what']} comes too late")
        if math.hypot(self.spent, entry["mu"]) > self.mu * (1 + 1e-9):
            raise PrivacyError(
                f"the privacy budget is spent: {entry['what']} would exceed epsilon {self.budget.epsilon:g}"
            )
        self.entries.append(entry)

    def descend(self, rows: float, batch: int, steps: int, clip: float) -> None:
        """Spend all that is left on so many steps down the noisy mean of clipped gradients (Abadi et al. 2016, alg. 1).

        Each of about `rows` rows is in a step's batch by itself, so that `batch` are on average; `descent["noise"]`
        times `clip` is the scale of the noise on their sum.
        """
        rate = min(1.0, batch / rows)
        noise = accountant.noise_for(self.spent, (rate, steps), self.budget.epsilon, self.budget.delta - self.spare)
        self.descent = {"batch": batch, "rate": rate, "noise": noise, "steps": steps, "clip": clip}

    def certificate(self) -> dict[str, Any]:
        """The claim and how it comes about, for machines."""
        delta = self.budget.delta - self.spare
        exact = "Gaussian differential privacy, exact composition (Dong, Roth and Su 2022)"
        if d := self.descent:
            looks = [(1 / self.spent, 1.0, 1)] * bool(self.spent) + [(d["noise"], d["rate"], d["steps"])]
            spent, by = accountant.epsilon_of(looks, delta), f"{exact}; with the gradients by {accountant.name()}"
        else:
            spent, by = epsilon_of(self.spent, delta), exact
        return {
            "epsilon": self.budget.epsilon,
            "delta": self.budget.delta,
            "neighbours": "one row more or less",
            "accountant": by,
            "mu": self.mu,
            "mu_spent": self.spent,
            "delta_of_thresholds": self.spare,
            "epsilon_spent": spent,
            "entries": self.entries,
            **({"descent": d} if d else {}),
            "noise": "os.urandom, never reused; whole counts, rounded"
            + "; gradients by SHAKE-256 of such a key" * bool(d),
            "public": "names and order of columns, and what the schema declares",
            "private": "kinds, ranges, categories, bins, number of rows, and all that the model learnt",
        }
