"""The judge of text."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from conjure.core.rng import derive
from conjure.metrics import likelihood
from conjure.metrics.bootstrap import Interval, mean_interval
from conjure.metrics.figure import Figure, Report, Table
from conjure.metrics.judged import Judged, Metric
from conjure.metrics.words import summary

PIECE = 50  # characters of a stretch that is looked for in the training text
WORDS = 2
SHOWN, SHORT = 5, 400
COPIED = Metric(
    "copied text",
    f"share of stretches of {PIECE} characters that stand word for word in the training text; the ceiling says "
    "how often real text does so",
    direction="down",
)
LONGEST = Metric(
    "longest copy",
    "characters of the longest stretch of one text that stands in the training text",
    (0.0, math.inf),
    "down",
)
DISTINCT = Metric("distinct-2", "different pairs of neighbouring words over all pairs, in as many words of each text")


def judge(judged: Judged) -> Report:
    """Bits per byte beside n-grams, and what samples say: variety and copies.

    Objects are lists of documents. How hard real text is to predict nobody knows, so bits per byte have no
    ceiling; the others have held-out text as theirs.
    """
    size = sum(len(d.encode("utf-8", "surrogatepass")) for d in judged.held_out)
    report = Report(judged.title, likelihood.bits_per_byte(judged, size), notes=list(judged.notes))
    report.notes.append("Baseline: n-grams with Kneser-Ney smoothing. Ceiling: held-out text in the place of samples.")
    report.notes.append("Bits per byte have no ceiling: the entropy of text is unknown.")
    texts = [judged.synthetic, judged.baseline, judged.held_out]
    report.figures += _variety(texts, np.random.default_rng(derive(judged.seed, "metrics", "text")))
    if judged.train is None:
        report.notes.append("Not measured: copies and the baseline (training text not found).")
    else:
        report.figures += _copies(texts, judged.train)
    rows = [(text[:SHORT] + ("..." if len(text) > SHORT else ""),) for text in judged.synthetic[:SHOWN]]
    report.tables.append(Table("Samples", ("the first few",), rows))
    report.summary = summary(report.figures)
    return report


def distinct(words: Sequence[str], n: int = WORDS) -> float:
    """Different n-grams over all n-grams of a list of words (Li et al. 2016, sec. 4.2)."""
    grams = list(zip(*(words[k:] for k in range(n))))
    return len(set(grams)) / len(grams) if grams else math.nan


def found(pieces: str, text: str, length: int = PIECE) -> np.ndarray:
    """For each stretch of `length` characters, whether it stands in a text; bool (len(pieces) - length + 1,)."""
    here, there = (_fingerprints(s, length) for s in (pieces, text))
    return np.isin(here, there)


def longest(document: str, text: str) -> int:
    """The longest stretch of a document that stands in a text: if one of length L does, so does one of L - 1."""
    low, high = 0, len(document)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if found(document, text, middle).any() else (low, middle - 1)
    return low


def _variety(texts: list[list[str] | None], rng: np.random.Generator) -> list[Figure]:
    """Distinct-2 of the texts cut to one number of words, for it falls with length."""
    words = [None if t is None else "\n".join(t).split() for t in texts]
    n = min(len(w) for w in words if w is not None)
    if n <= WORDS:
        return []
    ours, baseline, real = (None if w is None else distinct(w[:n]) for w in words)
    parts = [distinct(part.tolist()) for part in np.array_split(np.array(words[0][:n], object), min(10, n // 4 or 1))]  # type: ignore[index]
    spread = 1.96 * float(np.std(parts)) / len(parts) ** 0.5
    return [DISTINCT.figure(Interval(ours, max(0, ours - spread), min(1, ours + spread)), baseline, real)]  # type: ignore[operator]


def _copies(texts: list[list[str] | None], train: list[str]) -> list[Figure]:
    text = "\0".join(train)
    shares, longests = [], []
    for documents in texts:
        if documents is None:
            shares.append(None)
            longests.append(None)
            continue
        parts = [found(d, text).mean() for d in documents for d in _cut(d) if len(d) >= PIECE]
        shares.append(mean_interval(np.array(parts), (0, 1)) if parts else None)
        # A long held-out text has more chances than a sample, so all are looked at in pieces of one size.
        longests.append(max(longest(piece, text) for d in documents[:SHOWN] for piece in _cut(d)[:SHOWN]))
    made = []
    if shares[0] is not None:
        made.append(COPIED.figure(shares[0], *(s.value if s else None for s in shares[1:])))
    ours, *others = (None if v is None else float(v) for v in longests)
    return [*made, LONGEST.figure(Interval(ours, ours, ours), *others)]  # type: ignore[arg-type]


def _cut(document: str, length: int = 512) -> list[str]:
    return [document[k : k + length] for k in range(0, len(document), length)]


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
