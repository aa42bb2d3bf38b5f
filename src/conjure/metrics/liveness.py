"""The report on a detector of presentation attacks: error rates per species, at its threshold and on species unseen."""

from __future__ import annotations

import numpy as np

from conjure.core.errors import DataError
from conjure.metrics import plots
from conjure.metrics.attacks.outcome import Rate
from conjure.metrics.bootstrap import Interval
from conjure.metrics.extra import needs
from conjure.metrics.figure import Figure, Report, Table
from conjure.metrics.presentation import BONA_FIDE, Detection, detect, equal_error

COIN = 0.5  # of a detector that guesses
FEW = 100  # attacks of a species below which its error rate is hardly known
Found = dict[str, Detection]


def judge(
    scores: np.ndarray,
    species: np.ndarray,
    *,
    threshold: float | None = None,
    left_out: np.ndarray | None = None,
    title: str = "Presentation attack detection",
) -> Report:
    """APCER per species, BPCER, ACER, D-EER, and each species left out, with 95 % intervals.

    scores (N,): higher is more surely bona fide; species (N,): "bona fide" or a kind of attack. threshold: from which
    on a presentation is let in; without it that of the equal error. left_out (N,): the species that the detector
    behind a score had not seen, "" for one that saw all; without it only the threshold is chosen without a species.
    """
    needs("matplotlib")
    whole = np.ones(len(scores), bool) if left_out is None else left_out == ""
    if not whole.any():
        raise DataError("every score is of a detector that lacks a species; those of one that saw all are needed too")
    scores, species, apart = np.asarray(scores, float), np.asarray(species), left_out
    found, kinds = _whole(scores[whole], species[whole], threshold)
    eer = _equal(scores[whole], species[whole])
    unseen = _thresholds_apart(scores, species) if apart is None else _detectors_apart(scores, species, apart)
    figures = [
        Figure("D-EER", "error where the worst species' APCER meets BPCER", *eer, baseline=COIN, direction="down"),
        Figure("ACER", "mean of the worst species' APCER and BPCER", *_acer(found), baseline=COIN, direction="down"),
        _rated("BPCER", "bona fide presentations turned away", found.bpcer),
        *(_rated(f"APCER, {k}", f"presentations of {k} let in", r) for k, r in found.apcer.items()),
        *(_rated(f"APCER, {k} left out", _meaning(k, apart), d.apcer[k]) for k, d in unseen.items()),
    ]
    header = ("species", "let in", "of", "APCER", "from", "to")
    rows = [(k, r.hits, r.trials, r.value, *r.interval) for k, r in found.apcer.items()]
    notes = [
        "APCER, BPCER: ISO/IEC 30107-3; a detector is judged by its worst species. Intervals: Wilson's, of D-EER by "
        "resampling presentations of each species.",
        f"Threshold {found.threshold:.6g}"
        + (": where errors are equal, on these very scores" if threshold is None else ""),
    ]
    if few := [k for k, r in found.apcer.items() if r.trials < FEW]:
        notes.append(f"Fewer than {FEW} presentations: {', '.join(few)}. Their error rates are hardly known.")
    said = [
        f"Worst species: {found.worst}, {found.apcer[found.worst].value:.1%} let in where {found.bpcer.value:.1%} of "
        f"bona fide presentations are turned away. D-EER {eer.value:.1%} ({eer.low:.1%} to {eer.high:.1%})."
    ]
    if unseen and (hardest := max(unseen, key=lambda k: unseen[k].apcer[k].value)):
        said.append(f"Hardest when left out: {hardest}, {unseen[hardest].apcer[hardest].value:.1%} let in.")
    return Report(
        title, figures, said, _drawn(scores[whole], species[whole], kinds), [Table("Species", header, rows)], notes
    )


def _whole(scores: np.ndarray, species: np.ndarray, threshold: float | None) -> tuple[Detection, list[str]]:
    found = equal_error(scores, species)[1] if threshold is None else detect(scores, species, threshold)
    return found, sorted(found.apcer)


def _equal(scores: np.ndarray, species: np.ndarray) -> Interval:
    """D-EER, its interval by drawing presentations of each species anew."""
    rng, groups = np.random.default_rng(0), [np.flatnonzero(species == k) for k in np.unique(species)]

    def once(weights: np.ndarray | None = None) -> float:
        rows = np.concatenate([g if weights is None else rng.choice(g, len(g)) for g in groups])
        return equal_error(scores[rows], species[rows])[0]

    value = once()
    spread = 1.96 * float(np.std([once(scores) for _ in range(100)]))
    return Interval(value, max(0.0, value - spread), min(1.0, value + spread))


def _acer(found: Detection) -> Interval:
    """ACER, its interval from those of its two rates (Newcombe's way)."""
    worst = found.apcer[found.worst]
    (a, b), (c, d) = worst.interval, found.bpcer.interval
    down = np.hypot(worst.value - a, found.bpcer.value - c) / 2
    up = np.hypot(b - worst.value, d - found.bpcer.value) / 2
    return Interval(found.acer, max(0.0, found.acer - float(down)), min(1.0, found.acer + float(up)))


def _thresholds_apart(scores: np.ndarray, species: np.ndarray) -> Found:
    """Each species at the equal-error threshold of all others; nothing where there is but one."""
    kinds = sorted(set(species.tolist()) - {BONA_FIDE})
    found = {}
    for kind in kinds if len(kinds) > 1 else ():
        others = species != kind
        at = equal_error(scores[others], species[others])[1].threshold
        rows = (species == kind) | (species == BONA_FIDE)
        found[kind] = detect(scores[rows], species[rows], at)
    return found


def _detectors_apart(scores: np.ndarray, species: np.ndarray, left_out: np.ndarray) -> Found:
    """Each species by the detector that never saw it, at that detector's threshold on the species it did see."""
    found = {}
    for kind in sorted(set(left_out.tolist()) - {""}):
        rows = left_out == kind
        if not (species[rows] == kind).any():
            raise DataError(f"no score of the detector without {kind!r} is of a presentation of {kind!r}")
        others = rows & (species != kind)
        if set(species[others].tolist()) <= {BONA_FIDE}:
            raise DataError(f"the detector without {kind!r} needs scores of other species too, to set its threshold by")
        at = equal_error(scores[others], species[others])[1].threshold
        judged = rows & ((species == kind) | (species == BONA_FIDE))
        found[kind] = detect(scores[judged], species[judged], at)
    return found


def _meaning(kind: str, left_out: np.ndarray | None) -> str:
    if left_out is None:
        return f"presentations of {kind} let in at the threshold that all other species set"
    return f"presentations of {kind} let in by a detector that never saw it"


def _rated(name: str, meaning: str, rate: Rate) -> Figure:
    return Figure(name, meaning, rate.value, *rate.interval, direction="down")


def _drawn(scores: np.ndarray, species: np.ndarray, kinds: list[str]) -> list[plots.Plot]:
    """The trade-off of each species, and where the scores of each lie."""
    places = np.unique(np.append(scores, np.nextafter(scores.max(), np.inf)))
    genuine = np.sort(scores[species == BONA_FIDE])
    away = np.searchsorted(genuine, places, "left") / len(genuine)
    lines = {}
    for kind in kinds:
        own = np.sort(scores[species == kind])
        lines[kind] = (away, 1 - np.searchsorted(own, places, "left") / len(own))
    caption = "Every threshold: bona fide presentations turned away, and presentations of each species let in."
    trade = plots.curves(lines, ("BPCER", "APCER"), "The trade-off", caption)
    spans = [(k, *np.quantile(scores[species == k], [0.5, 0.05, 0.95])) for k in (BONA_FIDE, *kinds)]
    said = "Median of each species' scores, and where nine in ten of them lie."
    return [trade, plots.intervals(spans, "Scores", said)]
