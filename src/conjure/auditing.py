"""An audit of a privacy claim: plant canaries, see which are found again, and bound epsilon from below."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from conjure import catalog, evaluation, fitting, sampling, scoring
from conjure.artifact import Artifact
from conjure.core.errors import ConfigError, DataError
from conjure.core.rng import derive
from conjure.metrics.attacks import membership
from conjure.metrics.attacks.tables import Tables
from conjure.metrics.frames import kinds, side_by_side
from conjure.recipe import Recipe

if TYPE_CHECKING:
    import pandas as pd

CONFIDENCE = 0.95
MADE = 10_000  # samples to look for canaries among
FEWEST = 20  # canaries: with fewer, even a perfect guesser shows little


@dataclass(frozen=True)
class Audit:
    """What guessing showed: with 95 % confidence the run is not (epsilon, delta)-private for any epsilon below `lower`.

    `lower` above `claimed` says that the claim is false. Far below it says little: a stronger attack may exist.
    """

    claimed: float
    delta: float
    lower: float
    right: int
    guesses: int
    canaries: int

    @property
    def broken(self) -> bool:
        return self.lower > self.claimed

    def facts(self) -> dict[str, Any]:
        return asdict(self)

    def describe(self) -> str:
        """The claim with the bound beside it."""
        verdict = "the claim is FALSE" if self.broken else "which does not contradict the claim"
        return (
            f"claimed epsilon {self.claimed:g} (delta {self.delta:g}); audited: at least {self.lower:.3f} with "
            f"{CONFIDENCE:.0%} confidence, {self.right} of {self.guesses} guesses right, {verdict}"
        )


def audit(recipe: Recipe, data: Any, *, canaries: int = 500, seed: int = 0) -> Audit:
    """Fit once on the data with about half of some canaries among its rows, and guess which half it was.

    Canaries are rows whose cells are dealt from other rows, so that nothing but their presence makes them probable; the
    guess is by log-probability over that of independent columns, of a family without one by how near the nearest of
    many samples is. The fit is an extra one that nobody else should see.
    ConfigError for a recipe without a budget, DataError for a table too small.
    """
    budget = recipe.budget
    if budget is None:
        raise ConfigError("there is no claim to audit: give a privacy budget, --epsilon 1")
    if canaries < FEWEST:
        raise ConfigError(f"{canaries} canaries show nothing; {FEWEST} is the least, 500 is usual")
    frame, _ = catalog.part(recipe.domain, "corpus").read(data)
    if len(frame) < 2 * canaries:
        raise DataError(f"the table has {len(frame)} rows; {canaries} canaries take at least {2 * canaries}")
    rng = np.random.default_rng(derive(seed, "audit"))
    planted = frame.iloc[rng.integers(len(frame), size=canaries)].reset_index(drop=True)
    for name in planted.columns:
        planted[name] = frame[name].to_numpy()[rng.integers(len(frame), size=canaries)]
    inside = rng.random(canaries) < 0.5
    fitted = fitting.fit(recipe, _together(frame, planted[inside]))
    right, guesses = _guess(_scores(fitted, planted), inside)
    lower = lower_bound(right, guesses, canaries, budget.delta)
    return Audit(budget.epsilon, budget.delta, lower, right, guesses, canaries)


def lower_bound(right: int, guesses: int, canaries: int, delta: float) -> float:
    """The largest epsilon that so many right guesses refute (Steinke, Nasr and Jagielski 2023, theorem 5.2)."""
    low, high = 0.0, 20.0
    if _p_value(right, guesses, canaries, (low, delta)) > 1 - CONFIDENCE:
        return 0.0
    for _ in range(50):
        middle = (low + high) / 2
        refuted = _p_value(right, guesses, canaries, (middle, delta)) <= 1 - CONFIDENCE
        low, high = (middle, high) if refuted else (low, middle)
    return low


def _p_value(right: int, guesses: int, canaries: int, claim: tuple[float, float]) -> float:
    """The most that (epsilon, delta)-privacy leaves to the chance of so many right guesses."""
    from scipy.stats import binom

    epsilon, delta = claim
    q = 1 / (1 + np.exp(-epsilon))
    sums = np.cumsum(binom.pmf(right - np.arange(1, right + 1), guesses, q)) if right else np.zeros(1)
    worst = float((sums / np.arange(1, len(sums) + 1)).max())
    return float(binom.sf(right - 1, guesses, q)) + 2 * canaries * delta * worst


def _guess(scores: np.ndarray, inside: np.ndarray) -> tuple[int, int]:
    """(right, made) of guesses that the upper third of scores was inside and the lower third outside."""
    third = max(1, len(scores) // 3)
    order = np.argsort(scores)
    return int((~inside[order[:third]]).sum() + inside[order[-third:]].sum()), 2 * third


def _scores(fitted: Artifact, rows: pd.DataFrame) -> np.ndarray:
    """What speaks for each row's having been seen, (rows,)."""
    if not fitted.score_kind:
        made = sampling.sample(fitted, MADE, seed=0)
        facts = evaluation.facts_of(fitted.codec)
        grids = side_by_side([rows, rows, made], kinds(rows, facts["kinds"]), facts["forms"])
        return membership.by_distance(Tables(*grids))[: len(rows)]  # type: ignore[arg-type]
    codec: Any = fitted.codec
    known = codec.adapt(rows)
    alone = codec.independent_log_prob(codec.encode(known).x).double().numpy() + codec.log_density(known)
    return scoring.score(fitted, known) - alone


def _together(frame: pd.DataFrame, planted: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    return pd.concat([frame, planted], ignore_index=True)
