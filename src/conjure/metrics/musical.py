"""The judge of music: how pieces compare with real ones in statistics and voice leading, and what they copied."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from conjure.core.rng import derive
from conjure.metrics import likelihood
from conjure.metrics.bootstrap import Interval, interval, mean_interval
from conjure.metrics.figure import Figure, Report, Table
from conjure.metrics.judged import Judged, Metric
from conjure.metrics.words import summary

Runs = Callable[[Any, int], Iterable[tuple[bytes, int]]]  # (piece, notes) -> runs with their ticks
RUN = 16  # notes of one part in a row that count as a copy, in any key
BINS = 20
FAULTS = ("parallel fifths", "parallel octaves", "crossing", "leap")
LAGS = (1, 2, 4, 8, 16)
FRAME = Metric("nats a frame", "what a frame of a held-out piece costs under the model", (0.0, math.inf), "down")
COPIED = Metric(
    "pieces with a copied run",
    f"share of pieces in which a part has {RUN} notes in a row, pitches in any key and times alike, that a training "
    "piece has; the ceiling is how often real held-out pieces do",
    direction="down",
    guard=True,
)
SHARED = Metric(
    "copied runs",
    f"share of all runs of {RUN} notes that stand in the training pieces, in any key; the ceiling as above",
    direction="down",
    guard=True,
)
SELF = Metric(
    "self-BLEU ratio",
    "how alike samples are to each other over how alike held-out pieces are to each other: BLEU-4 of the parts' steps; "
    "above 1 the model repeats itself",
    (0.0, math.inf),
    "down",
)


def judge(judged: Judged) -> Report:
    """Overlap of MusPy's statistics, voice-leading faults, copies and variety, of pieces by index.

    judged.facts are functions of one piece: measures (numbers by name), faults, runs (runs of so many notes with the
    ticks where they begin), place (a tick in words), bars (what stands in each), heard (the piece as a model writes
    it), and frames (how many) where it has some; kept says in a sentence what samples are kept from. Ceilings are
    training pieces in the place of samples; of copies, held-out ones.
    """
    rng = np.random.default_rng(derive(judged.seed, "metrics", "music"))
    report = Report(judged.title, likelihood.nats(judged) + _nats_a_frame(judged), notes=list(judged.notes))
    sides = {"ours": judged.synthetic, "real": judged.held_out, "train": judged.train, "baseline": judged.baseline}
    found = {who: _measured(pieces, judged.facts["measures"]) for who, pieces in sides.items() if pieces is not None}
    for name in found["real"]:
        report.figures.append(_overlap(name, found, rng))
    report.figures += _faults(sides, judged.facts["faults"], rng)
    if judged.train is None:
        report.notes.append("Not measured: copies (training pieces not found).")
    else:
        figures, nearest = _copies(judged)
        report.figures += figures
        report.tables.append(nearest)
    alike = [self_bleu(side, judged.facts["runs"], rng) for side in (judged.synthetic, judged.held_out)]
    report.figures.append(SELF.figure(alike[0] / max(1e-9, alike[1])))
    report.tables += [_means(found), _lags(sides, judged.facts["bars"])]
    report.notes.append(
        "Overlap: the area two histograms of a statistic over pieces share, 20 bins. Faults are per 100 chords: "
        "moments at which a note begins; real pieces have their own rate, beside which ours is to be read. Repetition: "
        "the share of bars that stand earlier in their piece, notes in any key or onsets alone."
    )
    if "kept" in judged.facts and (kept := judged.facts["kept"]()):
        report.notes.append(f"Of samples and voice leading: {kept}.")
    report.summary = summary(report.figures)
    return report


def _nats_a_frame(judged: Judged) -> list[Figure]:
    """What a frame of held-out pieces costs, where there are frames."""
    if judged.scores is None or "frames" not in judged.facts:
        return []
    frames = sum(judged.facts["frames"](one) for one in judged.held_out)
    ours = mean_interval(judged.scores).scaled(-len(judged.scores) / max(1, frames))
    return [FRAME.figure(ours, kind=judged.score_kind)]


def _lags(sides: dict[str, Any], bars: Callable[[Any], list[bytes]]) -> Table:
    """How often a bar is the one so many bars before, in any key: the structure of pieces."""
    names = {"ours": "made", "baseline": "baseline", "real": "held out", "train": "training"}
    found = {who: [bars(one) for one in pieces] for who, pieces in sides.items() if pieces is not None}
    rows = []
    for lag in LAGS:
        row = [str(lag)]
        for who in names:
            pairs = [p for piece in found.get(who, ()) for p in zip(piece, piece[lag:]) if p[1]]
            row.append(f"{np.mean([a == b for a, b in pairs]):.3f}" if pairs else "-")
        rows.append(tuple(row))
    return Table("Share of bars that are the bar so many before, in any key", ("bars before", *names.values()), rows)


def _measured(pieces: Sequence[Any], measures: Callable[[Any], dict[str, float]]) -> dict[str, np.ndarray]:
    rows = [measures(one) for one in pieces]
    return {name: np.array([row[name] for row in rows]) for name in rows[0]} if rows else {}


def overlap(one: np.ndarray, other: np.ndarray, weights: np.ndarray | None = None) -> float:
    """The area that two histograms over the same 20 bins share, in [0, 1]; values that are not numbers do not count."""
    kept = np.isfinite(one)
    weights = (np.ones(len(one)) if weights is None else weights)[kept]
    one, other = one[kept], other[np.isfinite(other)]
    if not len(one) or not len(other) or not weights.sum():
        return math.nan
    low, high = min(one.min(), other.min()), max(one.max(), other.max())
    edges = np.linspace(low, high if high > low else low + 1, BINS + 1)
    a, b = np.histogram(one, edges, weights=weights)[0], np.histogram(other, edges)[0]
    return float(np.minimum(a / a.sum(), b / b.sum()).sum())


def _overlap(name: str, found: dict[str, dict[str, np.ndarray]], rng: np.random.Generator) -> Figure:
    metric = Metric(f"overlap of {name}", f"area shared by the histograms of {name} of made and held-out pieces")
    real, ours = found["real"][name], found["ours"][name]
    value = interval(lambda w: overlap(ours, real, w), len(ours), rng, (0.0, 1.0))
    others = (overlap(found[who][name], real) if who in found else None for who in ("baseline", "train"))
    return metric.figure(value, *others)


def _faults(sides: dict[str, Any], faults: Callable[[Any], list[Any]], rng: np.random.Generator) -> list[Figure]:
    """Faults per 100 chords; the ceiling is the rate of held-out pieces."""
    there = [who for who in ("ours", "real", "baseline") if sides[who] is not None]
    counts = {who: [_counted(one, faults) for one in sides[who]] for who in there}
    figures = []
    for kind in FAULTS:
        metric = Metric(f"{kind} per 100 chords", "see the notes", (0.0, math.inf), "down", guard=True)

        def rate(who: str, weights: np.ndarray | float = 1.0, kind: str = kind) -> float:
            faults, chords = (np.array([c[k] for c in counts[who]]) for k in (kind, "chords"))
            return float(100 * (weights * faults).sum() / max(1.0, float((weights * chords).sum())))

        ours = interval(lambda w, rate=rate: rate("ours", w), len(counts["ours"]), rng, (0.0, math.inf))
        figures.append(metric.figure(ours, rate("baseline") if "baseline" in counts else None, rate("real")))
    return figures


def _counted(one: Any, faults: Callable[[Any], list[Any]]) -> Counter[str]:
    counts = Counter(f.kind for f in faults(one))
    counts["chords"] = len(np.unique(one.notes[:, 0]))
    return counts


class Passages:
    """Runs of notes of pieces, by length, in no key -> (which piece, the tick where it begins)."""

    def __init__(self, pieces: Sequence[Any], runs: Runs):
        self.pieces, self.find = pieces, runs
        self.runs: dict[int, dict[bytes, tuple[int, int]]] = {}

    def of(self, length: int) -> dict[bytes, tuple[int, int]]:
        if length not in self.runs:
            self.runs[length] = {}
            for number, one in enumerate(self.pieces):
                for run, tick in self.find(one, length):
                    self.runs[length].setdefault(run, (number, tick))
        return self.runs[length]

    def shared(self, one: Any, length: int) -> tuple[int, int, int] | None:
        """(tick in the piece, which of ours, tick there) of a run that both have, None where there is none."""
        known = self.of(length)
        return next(((tick, *known[run]) for run, tick in self.find(one, length) if run in known), None)

    def longest(self, one: Any) -> tuple[int, tuple[int, int, int] | None]:
        """The most notes in a row that a piece shares with any of ours, and where, by bisection."""
        low, high, best = 1, 2, None
        while (found := self.shared(one, high)) is not None:
            best, low, high = found, high, high * 2
        while high - low > 1:
            middle = (low + high) // 2
            if (found := self.shared(one, middle)) is not None:
                best, low = found, middle
            else:
                high = middle
        return (low, best) if best else (0, None)


def _copies(judged: Judged) -> tuple[list[Figure], Table]:
    """How much of samples, of held-out pieces and of the baseline stands in the training pieces; and where."""
    find, place, heard = (judged.facts[name] for name in ("runs", "place", "heard"))
    train = [heard(one) for one in judged.train]
    passages = Passages(train, find)
    known = passages.of(RUN)
    rates: dict[str, tuple[Interval, Interval]] = {}
    for who in ("synthetic", "held_out", "baseline"):
        if (pieces := getattr(judged, who)) is None:
            continue
        pieces = [heard(one) for one in pieces] if who == "held_out" else pieces
        runs = [{run for run, _ in find(one, RUN)} for one in pieces]
        copied = [sum(run in known for run in found) for found in runs]
        hit = np.array([c > 0 for c in copied], float)
        share = np.array([c / max(1, len(found)) for c, found in zip(copied, runs)])
        rates[who] = mean_interval(hit, (0.0, 1.0)), mean_interval(share, (0.0, 1.0))
    figures = []
    for at, metric in enumerate((COPIED, SHARED)):
        others = (rates[who][at].value if who in rates else None for who in ("baseline", "held_out"))
        figures.append(metric.figure(rates["synthetic"][at], *others))
    rows: list[tuple[Any, ...]] = []
    for number, one in enumerate(judged.synthetic):
        length, where = passages.longest(one)
        if where is None:
            rows.append((number, 0, "-", "-", "-"))
            continue
        other = judged.train[where[1]]
        there = place(train[where[1]], where[2])
        rows.append((number, length, place(one, where[0]), other.name or str(where[1]), there))
    header = ("sample", "longest run, notes", "where in it", "training piece", "where there")
    return figures, Table("The nearest training passage of every sample", header, rows)


def self_bleu(pieces: Sequence[Any], runs: Runs, rng: np.random.Generator, most: int = 60) -> float:
    """The mean BLEU-4 of each piece against all others (Zhu et al. 2018), of steps between the notes of a part."""
    chosen = [pieces[int(r)] for r in rng.permutation(len(pieces))[:most]]
    grams = [[Counter(run for run, _ in runs(one, n + 1)) for n in range(1, 5)] for one in chosen]
    scores = []
    for at, mine in enumerate(grams):
        logs = []
        for n in range(4):
            most_: Counter[bytes] = Counter()
            for other, theirs in enumerate(grams):
                if other != at:
                    most_ |= theirs[n]
            hits = sum(min(c, most_[g]) for g, c in mine[n].items())
            logs.append(math.log(max(hits, 1e-9) / max(1, sum(mine[n].values()))))
        scores.append(math.exp(sum(logs) / 4))
    return float(np.mean(scores)) if scores else math.nan


def _means(found: dict[str, dict[str, np.ndarray]]) -> Table:
    names = {"ours": "made", "baseline": "baseline", "real": "held out", "train": "training"}
    rows = [
        (name, *(f"{np.nanmean(found[who][name]):.3f}" if who in found else "-" for who in names))
        for name in found["real"]
    ]
    return Table("Means over pieces (MusPy's definitions, and repetition)", ("statistic", *names.values()), rows)
