"""How an attack did on people in the training data and on people outside it, and whether the difference is chance."""

from __future__ import annotations

import math
from dataclasses import dataclass

Z = 1.96  # of a 95 % interval


@dataclass(frozen=True)
class Rate:
    """`hits` of `trials`, with Wilson's 95 % interval (Wilson 1927), which holds near 0 and 1 too."""

    hits: int
    trials: int

    @property
    def value(self) -> float:
        return self.hits / self.trials if self.trials else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        if not self.trials:
            return 0.0, 1.0
        n, p, z = self.trials, self.value, Z**2 / self.trials
        middle, half = p + z / 2, Z * math.sqrt(p * (1 - p) / n + z / (4 * n))
        return max(0.0, (middle - half) / (1 + z)), min(1.0, (middle + half) / (1 + z))


@dataclass(frozen=True)
class Outcome:
    """One attack: its success on training rows beside control rows.

    `risk` is the part of what could still go wrong, once the population is known, that does: (members - controls) /
    (1 - controls), with its 95 % interval (Giomi et al. 2023, eq. 5). `p` is the chance of so great a difference, or
    a greater one, if training rows were no easier a prey than controls; `chance` is that of an attack's own test.
    """

    name: str
    meaning: str
    members: Rate
    controls: Rate
    chance: float | None = None

    @property
    def risk(self) -> float:
        return self._over(self.members.value - self.controls.value)

    @property
    def interval(self) -> tuple[float, float]:
        """By adding the two rates' own uncertainties (Newcombe 1998, method 10)."""
        (low, high), (below, above) = self.members.interval, self.controls.interval
        a, b = self.members.value, self.controls.value
        gap = a - b
        down, up = math.hypot(a - low, above - b), math.hypot(high - a, b - below)
        return self._over(gap - down), self._over(gap + up)

    @property
    def p(self) -> float:
        """Fisher's exact test, one-sided, unless the attack brought its own."""
        if self.chance is not None:
            return self.chance
        from scipy.stats import hypergeom

        hits = self.members.hits + self.controls.hits
        trials = self.members.trials + self.controls.trials
        return float(hypergeom.sf(self.members.hits - 1, trials, hits, self.members.trials))

    def _over(self, gap: float) -> float:
        left = 1 - self.controls.value
        return max(-1.0, min(1.0, gap / left)) if left > 0 else 0.0
