"""What training pieces (nearly) never do: how often each fault of voice leading stands in them, which they avoid."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np

from conjure.domains.music import leading
from conjure.domains.music.piece import START, Piece

RARE = 1.0  # faults per 100 chords, below which pieces are said to avoid a fault
DOUBT = 3  # faults added to those counted: the upper 95 % bound where none was seen (Hanley and Lippman-Hand 1983)
RULES = {"parallel fifths": "parallels", "parallel octaves": "parallels", "crossing": "crossing", "leap": "leaps"}
CHORDS, PAIRS = "chords", "chords of several"


def counted(pieces: Iterable[Piece]) -> dict[str, int]:
    """How often each fault stands in pieces, and their chords: moments at which a note begins, of any and of several
    parts.
    """
    found: Counter[str] = Counter(dict.fromkeys([CHORDS, PAIRS, *RULES], 0))
    for one in pieces:
        found.update(fault.kind for fault in leading.faults(one))
        found[CHORDS] += len(np.unique(one.notes[:, START]))
        found[PAIRS] += int(((leading.sounding(one)[1] >= 0).sum(1) > 1).sum())
    return dict(found)


def rates(counts: dict[str, int]) -> dict[str, float]:
    """Faults per 100 chords, of kinds that could have been met."""
    places = {kind: counts.get(CHORDS if kind == "leap" else PAIRS, 0) for kind in RULES}
    return {kind: 100 * counts[kind] / n for kind, n in places.items() if n}


def avoided(counts: dict[str, int]) -> dict[str, float]:
    """The faults that pieces avoid, with their rates: with 95 % confidence rarer than RARE."""
    doubt = {kind: 100 * DOUBT / counts[CHORDS if kind == "leap" else PAIRS] for kind in rates(counts)}
    return {kind: rate for kind, rate in rates(counts).items() if rate + doubt[kind] <= RARE}


def told(counts: dict[str, int]) -> str:
    """In a sentence what samples are kept from, "" where it is nothing."""
    if not (found := avoided(counts)):
        return ""
    rates_ = ", ".join(f"{kind} ({rate:.2g} per 100 chords)" for kind, rate in found.items())
    words = ", ".join(f"{name}=yes" for name in dict.fromkeys(RULES[kind] for kind in found))
    return f"what the training pieces avoid is not drawn: {rates_}; --given {words} lets it be"
