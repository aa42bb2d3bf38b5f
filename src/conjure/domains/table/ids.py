"""Identifiers: never learnt, made anew in the pattern of the training data."""

from __future__ import annotations

import string
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

CLASSES = (string.digits, "0123456789abcdef", "0123456789ABCDEF", string.ascii_lowercase, string.ascii_uppercase)
WIDEST = string.digits + string.ascii_uppercase + string.ascii_lowercase


def learn(series: pd.Series) -> dict[str, Any]:
    """What new ids of this column look like: a first number to count from, a range, or characters place by place."""
    present = series.dropna()
    if series.dtype.kind in "iu":
        low, high = int(present.min()), int(present.max())
        return {"first": low} if high - low + 1 <= 2 * len(present) else {"low": low, "high": high}
    words = present.astype(str)
    length = int(words.str.len().mode().iloc[0])
    grid = np.array([list(w) for w in words[words.str.len() == length].iloc[:5000]])
    return {"places": [_characters(grid[:, k]) for k in range(length)]}


def make(pattern: dict[str, Any], n: int, rng: np.random.Generator) -> pd.Series:
    """n ids that differ from each other; where the pattern has too few, they get longer or run past its range."""
    import pandas as pd

    if "first" in pattern:
        return pd.Series(pattern["first"] + np.arange(n, dtype=np.int64))
    if "low" in pattern:
        return pd.Series(pattern["low"] + _distinct(pattern["high"] - pattern["low"] + 1, n, rng))
    places = list(pattern["places"])
    free = [k for k, characters in enumerate(places) if len(characters) > 1]
    while _room(places) < 2 * n:
        places.append(string.digits)
        free.append(len(places) - 1)
    # As many of the last places as needed count through distinct numbers; the others are drawn freely.
    counting: list[int] = []
    while _room([places[k] for k in counting]) < 2 * n:
        counting.insert(0, free.pop())
    number = _distinct(_room([places[k] for k in counting]), n, rng)
    drawn = np.empty((n, len(places)), dtype="U1")
    for k in reversed(range(len(places))):
        alphabet = np.array(list(places[k]))
        if k in counting:
            number, digit = np.divmod(number, len(alphabet))
        else:
            digit = rng.integers(len(alphabet), size=n)
        drawn[:, k] = alphabet[digit]
    return pd.Series(drawn.view(f"U{len(places)}").ravel(), dtype="str")


def _characters(seen: np.ndarray) -> str:
    """The characters that may stand at one place: the one always seen, or the smallest class that holds all seen."""
    found = set(seen.tolist())
    if len(found) == 1:
        return found.pop()
    fitting = [c for c in CLASSES if found <= set(c)]
    return fitting[0] if fitting else "".join(sorted(found | (set(WIDEST) if found & set(WIDEST) else set())))


def _room(places: list[str]) -> int:
    room = 1
    for characters in places:
        room *= len(characters)
    return room


def _distinct(room: int, n: int, rng: np.random.Generator) -> np.ndarray:
    """n distinct whole numbers from 0, below `room` where there are so many; in random order."""
    room = max(room, n)
    if room <= 4 * n:
        return rng.permutation(room)[:n]
    found = np.unique(rng.integers(room, size=n + n // 2 + 8))
    while len(found) < n:
        found = np.unique(np.concatenate([found, rng.integers(room, size=n)]))
    return rng.permutation(found)[:n]
