"""Fingerprints of the training pieces, which travel with a model, and what of a made piece stands in them, in any key.

A fingerprint is a hash of GRAM notes of a part, as intervals and the times between them. A run of 16 notes that two
pieces share is a row of neighbouring fingerprints that both have, so one table tells shared runs of any length from
GRAM notes on. They tell no key, no chord and no rhythm at sight; but whoever holds them can test whether a piece, or
eight notes, were among the training pieces.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from conjure.domains.music.checks import steps
from conjure.domains.music.harmony import VOICES
from conjure.domains.music.leading import bar_of
from conjure.domains.music.piece import LENGTH, PART, PITCH, START, Piece

GRAM = 8  # notes of a fingerprint: shorter runs are nobody's
RUN = 16  # notes of a part in a row that count as a copy
ROOM = 4_000_000  # fingerprints kept, some 30 MB; what is beyond is said to be left out
_ODD = np.random.default_rng(20031).integers(1, 2**62, (GRAM - 1, 2), np.int64).astype(np.uint64) * 2 + 1


@dataclass(frozen=True)
class Passage:
    """What a made piece shares with a training piece: notes in a row of a part, from tick to tick, and where there."""

    notes: int
    part: int
    start: int
    end: int
    name: str
    bar: int


@dataclass(frozen=True)
class Prints:
    """names: of the training pieces. rows: (piece, fingerprints) of each of their parts. grams: hashes (N,), part after
    part. bars: in which each begins (N,). left_out: pieces for which there was no room.
    """

    names: tuple[str, ...]
    rows: tuple[tuple[int, int], ...]
    grams: np.ndarray
    bars: np.ndarray
    left_out: int = 0

    @classmethod
    def of(cls, pieces: Iterable[Piece], heard: Callable[[Piece], Piece]) -> Prints:
        """The fingerprints of pieces as a model would write them: heard gives each in the model's own grid."""
        names: list[str] = []
        rows: list[tuple[int, int]] = []
        grams: list[np.ndarray] = []
        bars: list[np.ndarray] = []
        count = left = 0
        for number, one in enumerate(pieces):
            if count > ROOM:
                left += 1
                continue
            names.append(one.name or f"training piece {number + 1}")
            written = heard(one)
            for part in lines(written):
                found = fingerprints(written, part)
                if not len(found):
                    continue
                rows.append((number, len(found)))
                grams.append(found)
                starts = written.voice(part)[: len(found), START]
                bars.append(np.clip(bar_of(written, starts), 0, 65_535).astype(np.uint16))
                count += len(found)
        blank = np.zeros(0, np.uint32), np.zeros(0, np.uint16)
        return cls(
            tuple(names), tuple(rows), np.concatenate([blank[0], *grams]), np.concatenate([blank[1], *bars]), left
        )

    def passages(self, one: Piece, least: int = GRAM) -> list[Passage]:
        """What a piece shares with training pieces, at least so many notes in a row; the longest first."""
        found = [p for part in lines(one) for p in self._of_part(one, part) if p.notes >= least]
        return sorted(found, key=lambda p: -p.notes)

    def certified(self, one: Piece, asked: bool, given: Piece | None = None) -> Piece:
        """The piece with what its certificate says of copies; asked: that it should hold none."""
        found = self.passages(one)
        copied = [p for p in found if p.notes >= RUN]
        against = f" (compared with {len(self.names)} of {len(self.names) + self.left_out})" if self.left_out else ""
        if not copied:
            near = f"; nearest: {found[0].notes} notes, {_where(one, found[0])}" if found else ""
            text = f"holds: no run of {RUN} notes of any training piece, in any key{near}"
        else:
            own = given is not None and all(_given(given, p) for p in copied)
            text = ("does not hold: " if asked and not own else "") + _where(one, copied[0], "are those of")
            more = len(copied) - 1
            text += f" ({copied[0].notes} notes)" + (f", and {more} more run{'s' * (more > 1)}" if more else "")
            text += "; those notes were given" if own else ""
        return replace(one, certificate={**one.certificate, "copies": text + against})

    def copied(self, one: Piece, given: Piece | None = None) -> bool:
        """Whether a part has a run of RUN notes that a training piece has, and that was not given."""
        return any(given is None or not _given(given, p) for p in self.passages(one, RUN))

    def state(self) -> dict[str, Any]:
        """As JSON; `from_state` is the inverse."""
        packed = {n: base64.b64encode(getattr(self, n).tobytes()).decode() for n in ("grams", "bars")}
        return {"names": self.names, "rows": self.rows, **packed, "left_out": self.left_out}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Prints:
        grams, bars = (
            np.frombuffer(base64.b64decode(state[name]), kind)
            for name, kind in (("grams", np.uint32), ("bars", np.uint16))
        )
        rows = tuple((int(piece), int(count)) for piece, count in state["rows"])
        if sum(count for _, count in rows) != len(grams) or len(bars) != len(grams):
            raise ValueError("the fingerprints of the training pieces are damaged")
        return cls(tuple(state["names"]), rows, grams, bars, int(state["left_out"]))

    @cached_property
    def _sorted(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(places in order of their hash, the hashes in that order, the row of each place)."""
        order = np.argsort(self.grams, kind="stable")
        row = np.repeat(np.arange(len(self.rows)), [count for _, count in self.rows])
        return order, self.grams[order], row

    def _of_part(self, one: Piece, part: int) -> list[Passage]:
        """The runs that one part shares: pairs of places with one hash, neighbours of which are joined."""
        mine = fingerprints(one, part)
        order, hashes, row = self._sorted
        low, high = np.searchsorted(hashes, mine), np.searchsorted(hashes, mine, side="right")
        here = np.repeat(np.arange(len(mine)), high - low)
        if not len(here):
            return []
        first = np.repeat(low - np.concatenate([[0], (high - low).cumsum()[:-1]]), high - low)
        there = order[first + np.arange(len(here))]
        by = np.lexsort((here, there - here))
        here, there = here[by], there[by]
        joined = (np.diff(here) == 1) & (np.diff(there) == 1) & (row[there[1:]] == row[there[:-1]])
        begins = np.flatnonzero(np.concatenate([[True], ~joined]))
        counts = np.diff(np.append(begins, len(here)))
        notes = one.voice(part)
        found: dict[int, Passage] = {}  # the longest from each place on
        for at, count in zip(begins[np.argsort(-counts)].tolist(), sorted(counts.tolist(), reverse=True)):
            start, last = int(here[at]), notes[int(here[at]) + count + GRAM - 2]
            name = self.names[self.rows[int(row[there[at]])][0]]
            where = int(notes[start, START]), int(last[START] + last[LENGTH])
            found.setdefault(start, Passage(count + GRAM - 1, part, *where, name, int(self.bars[there[at]])))
        return list(found.values())


def lines(one: Piece) -> list[int]:
    """The parts that are looked at: those with pitches, but for the block chords of a lead sheet, which all share."""
    return [at for at, part in enumerate(one.parts) if not part.drums and part.name not in VOICES]


def fingerprints(one: Piece, part: int) -> np.ndarray:
    """A hash of every GRAM notes in a row of a part, uint32 (n,): of intervals and times, so in no key."""
    moves = steps(one, part).astype(np.int64).astype(np.uint64)
    count = len(moves) - GRAM + 2
    if count < 1:
        return np.zeros(0, np.uint32)
    found = np.zeros(count, np.uint64)
    for k in range(GRAM - 1):
        found += moves[k : k + count, 0] * _ODD[k, 0] + moves[k : k + count, 1] * _ODD[k, 1]
    found ^= found >> np.uint64(29)
    return ((found * np.uint64(0xBF58476D1CE4E5B9)) >> np.uint64(32)).astype(np.uint32)


def _where(one: Piece, p: Passage, verb: str = "as in") -> str:
    first, last = bar_of(one, np.array([p.start, p.end - 1])).tolist()
    bars = f"bars {first}-{last}" if last > first else f"bar {first}"
    voice = one.parts[p.part].name or f"part {p.part + 1}"
    return f"{bars} of {voice} {verb} {p.name} from bar {p.bar} on"


def _given(given: Piece, p: Passage) -> bool:
    """Whether all notes of a passage were given in that part."""
    notes = given.notes[(given.notes[:, PART] == p.part) & (given.notes[:, PITCH] >= 0)]
    inside = (notes[:, START] >= p.start) & (notes[:, START] < p.end)
    return int(inside.sum()) >= p.notes
