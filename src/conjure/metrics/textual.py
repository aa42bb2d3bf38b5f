"""The judge of text."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from conjure.metrics import likelihood
from conjure.metrics.bootstrap import Interval, mean_interval
from conjure.metrics.figure import Figure, Report, Table
from conjure.metrics.judged import Judged, Metric
from conjure.metrics.words import summary

PIECE, LONG = 50, 512  # characters of a stretch looked for in the training text, and of the pieces texts are cut to
WORDS = 2
SHOWN, SHORT = 5, 400
PIECES = 200  # of each text that are looked at
COPIED = Metric(
    "copied text",
    f"share of stretches of {PIECE} characters that stand word for word in the training text; the ceiling says "
    "how often real text does so",
    direction="down",
    guard=True,
)
LONGEST = Metric(
    "longest copy",
    f"characters of the longest stretch, up to {LONG}, that stands in the training text",
    (0.0, math.inf),
    "down",
    guard=True,
)
DISTINCT = Metric(
    "distinct-2 gap",
    "how far samples are from held-out text in variety: different pairs of neighbouring words over all pairs",
    direction="down",
)


def judge(judged: Judged) -> Report:
    """Bits per byte beside n-grams, and what samples say: variety and copies.

    Objects are lists of documents. How hard real text is to predict nobody knows, so bits per byte have no
    ceiling; the others have real text as theirs.
    """
    size = sum(len(d.encode("utf-8", "surrogatepass")) for d in judged.held_out)
    report = Report(judged.title, likelihood.bits_per_byte(judged, size), notes=list(judged.notes))
    report.notes.append("Baseline: n-grams with Kneser-Ney smoothing. Ceiling: real text in the place of samples.")
    report.notes.append("Bits per byte have no ceiling: the entropy of text is unknown.")
    report.figures += _variety([judged.held_out, judged.synthetic, judged.baseline, judged.train])
    if judged.train is None:
        report.notes.append("Not measured: copies and the baseline (training text not found).")
    else:
        report.figures += _copies([judged.synthetic, judged.baseline, judged.held_out], judged.train)
    rows = [(text[:SHORT] + ("..." if len(text) > SHORT else ""),) for text in judged.synthetic[:SHOWN]]
    report.tables.append(Table("Samples", ("the first few",), rows))
    report.summary = summary(report.figures)
    return report


def distinct(words: Sequence[str], n: int = WORDS) -> float:
    """Different n-grams over all n-grams of a list of words (Li et al. 2016, sec. 4.2)."""
    grams = list(zip(*(words[k:] for k in range(n))))
    return len(set(grams)) / len(grams) if grams else math.nan


class Stretches:
    """Every stretch of a text, by length, as sorted fingerprints."""

    def __init__(self, text: str):
        self.text = text
        self.known: dict[int, np.ndarray] = {}

    def found(self, piece: str, length: int = PIECE) -> np.ndarray:
        """For each stretch of `length` characters, whether it stands in the text; (len(piece) - length + 1,) bool."""
        if length not in self.known:
            self.known[length] = np.unique(_fingerprints(self.text, length))
        known, wanted = self.known[length], _fingerprints(piece, length)
        if not len(known):
            return np.zeros(len(wanted), bool)
        return known[np.searchsorted(known, wanted).clip(max=len(known) - 1)] == wanted

    def longest(self, pieces: list[str]) -> int:
        """The longest stretch of any piece in the text: where one of length L stands, so does one of L - 1."""
        low, high = 0, max(map(len, pieces), default=0)
        while low < high:
            middle = (low + high + 1) // 2
            known = any(self.found(piece, middle).any() for piece in pieces)
            low, high = (middle, high) if known else (low, middle - 1)
        return low


def _variety(texts: list[list[str] | None]) -> list[Figure]:
    """How far distinct-2 of samples, baseline and training text is from held-out text's.

    All are cut to one number of words, for it falls with length.
    """
    words = [None if t is None else "\n".join(t).split() for t in texts]
    n = min(len(w) for w in words if w is not None)
    if n < 2 * WORDS:
        return []
    real = distinct(words[0][:n])  # type: ignore[index]
    ours, *others = (None if w is None else abs(distinct(w[:n]) - real) for w in words[1:])
    parts = [distinct(part.tolist()) for part in np.array_split(np.array(words[1][:n], object), min(10, n // 4))]  # type: ignore[index]
    spread = 1.96 * float(np.std(parts)) / len(parts) ** 0.5
    return [DISTINCT.figure(Interval(ours, max(0, ours - spread), min(1, ours + spread)), *others)]  # type: ignore[operator]


def _copies(texts: list[list[str] | None], train: list[str]) -> list[Figure]:
    """Copied stretches of samples, baseline and held-out text, all cut into pieces of one size."""
    stretches = Stretches("\0".join(train))
    shares: list[Interval | None] = []
    longest: list[float | None] = []
    for documents in texts:
        pieces = [d[k : k + LONG] for d in documents or () for k in range(0, len(d), LONG)]
        pieces = pieces[:: max(1, len(pieces) // PIECES)]
        parts = [stretches.found(p).mean() for p in pieces if len(p) >= PIECE]
        shares.append(mean_interval(np.array(parts), (0, 1)) if parts else None)
        longest.append(float(stretches.longest(pieces)) if pieces else None)
    made = [] if shares[0] is None else [COPIED.figure(shares[0], *(s and s.value for s in shares[1:]))]
    return [*made, LONGEST.figure(*longest)]


def _fingerprints(text: str, length: int) -> np.ndarray:
    """A 64-bit number for every stretch of `length` characters, equal for equal stretches.

    Stretches of 1, 2, 4, ... are hashed from two halves; one of any length from two that overlap.
    """
    if len(text) < length or length < 1:
        return np.zeros(0, np.uint64)
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.uint64)
    with np.errstate(over="ignore"):
        marks, size = _mixed(codes), 1
        while 2 * size <= length:
            marks, size = _mixed(marks[:-size] * np.uint64(0x9E3779B97F4A7C15) + marks[size:]), 2 * size
        if size < length:
            last = marks[length - size :]
            marks = _mixed(marks[: len(last)] * np.uint64(0xC2B2AE3D27D4EB4F) + last)
    return marks


def _mixed(x: np.ndarray) -> np.ndarray:
    """Every bit in, every bit out (the finaliser of SplitMix64: Steele et al. 2014)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
