"""Presentation attack detection judged as ISO/IEC 30107-3 says: error rates per species of attack, and of bona fide.

A species is one way to attack: prints, replays, masks. Scores say how likely a presentation is
bona fide; higher is more so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from conjure.core.errors import DataError
from conjure.metrics.attacks.outcome import Rate

BONA_FIDE = "bona fide"


@dataclass(frozen=True)
class Detection:
    """A detector at one threshold: `apcer` the attacks of each species let in, `bpcer` the bona fide turned away.

    ISO/IEC 30107-3 judges a detector by its worst species; a mean over species would hide the one that works.
    """

    threshold: float
    apcer: dict[str, Rate]
    bpcer: Rate

    @property
    def worst(self) -> str:
        """The species that is let in most often."""
        return max(self.apcer, key=lambda species: self.apcer[species].value)

    @property
    def acer(self) -> float:
        """Mean of the worst species' APCER and of BPCER."""
        return (self.apcer[self.worst].value + self.bpcer.value) / 2


def detect(scores: np.ndarray, species: np.ndarray, threshold: float) -> Detection:
    """Errors where presentations (N,) of score >= threshold enter; species holds "bona fide" or a kind of attack.

    DataError without a bona fide presentation, without an attack, or for scores that are not numbers.
    """
    scores, species = _checked(scores, species)
    let_in = scores >= threshold
    kinds = sorted(set(species.tolist()) - {BONA_FIDE})
    apcer = {k: Rate(int(let_in[species == k].sum()), int((species == k).sum())) for k in kinds}
    genuine = species == BONA_FIDE
    return Detection(float(threshold), apcer, Rate(int((~let_in[genuine]).sum()), int(genuine.sum())))


def equal_error(scores: np.ndarray, species: np.ndarray) -> tuple[float, Detection]:
    """The detection equal error rate (D-EER), and the threshold where the worst APCER comes nearest to BPCER.

    The rate is the mean of the two there, for with few presentations they need not meet.
    """
    scores, species = _checked(scores, species)
    places = np.unique(np.append(scores, np.nextafter(scores.max(), np.inf)))
    genuine = np.sort(scores[species == BONA_FIDE])
    turned_away = np.searchsorted(genuine, places, "left") / len(genuine)
    worst = np.zeros(len(places))
    for kind in set(species.tolist()) - {BONA_FIDE}:
        attacks = np.sort(scores[species == kind])
        worst = np.maximum(worst, 1 - np.searchsorted(attacks, places, "left") / len(attacks))
    gaps = np.round(np.abs(worst - turned_away), 12)
    at = int(np.lexsort((worst + turned_away, gaps))[0])  # of equally near meetings the one with fewer errors
    return float((worst[at] + turned_away[at]) / 2), detect(scores, species, float(places[at]))


def leave_one_out(
    fit: Callable[[np.ndarray, np.ndarray], Callable[[np.ndarray], np.ndarray]],
    x: np.ndarray,
    species: np.ndarray,
    held_out: np.ndarray,
) -> dict[str, Detection]:
    """For each species: a detector that never saw it, at its own equal-error threshold, judged on what was held out.

    `fit(x, bona_fide)` gives a function from presentations (N, ...) to scores (N,). `held_out` (N,) bool marks what no
    detector is fitted on; bona fide presentations stand on both sides. DataError where a side lacks a species.
    """
    found = {}
    for kind in sorted(set(species.tolist()) - {BONA_FIDE}):
        known = ~held_out & (species != kind)
        judged = held_out & ((species == kind) | (species == BONA_FIDE))
        score = fit(x[known], species[known] == BONA_FIDE)
        _, there = equal_error(score(x[known]), species[known])
        found[kind] = detect(score(x[judged]), species[judged], there.threshold)
    return found


def _checked(scores: np.ndarray, species: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    scores, species = np.asarray(scores, np.float64), np.asarray(species)
    if len(scores) != len(species):
        raise DataError(f"there are {len(scores)} scores and {len(species)} species: one of each a presentation")
    if len(bad := np.flatnonzero(~np.isfinite(scores))):
        raise DataError(f"the score of presentation {int(bad[0]) + 1} is not a number")
    if not (species == BONA_FIDE).any():
        raise DataError(f"no presentation is {BONA_FIDE!r}: without any there is no BPCER")
    if (species == BONA_FIDE).all():
        raise DataError("no presentation is an attack: without any there is no APCER")
    return scores, species
