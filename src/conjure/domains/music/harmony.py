"""Chord symbols of lead sheets: read from words, heard in voices, written out as block chords and as words again."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from conjure.domains.music.barred import sharps, spelt
from conjure.domains.music.piece import LENGTH, LOUD, PITCH, START, TICKS, Key, Part, Piece, Symbol, bar_lines, piece

# Kind as it is written after the root -> semitones above it, and MusicXML's name.
KINDS = {
    "": ((0, 4, 7), "major"),
    "m": ((0, 3, 7), "minor"),
    "7": ((0, 4, 7, 10), "dominant"),
    "m7": ((0, 3, 7, 10), "minor-seventh"),
    "maj7": ((0, 4, 7, 11), "major-seventh"),
    "dim": ((0, 3, 6), "diminished"),
    "m7b5": ((0, 3, 6, 10), "half-diminished"),
    "dim7": ((0, 3, 6, 9), "diminished-seventh"),
    "aug": ((0, 4, 8), "augmented"),
    "sus4": ((0, 5, 7), "suspended-fourth"),
    "sus2": ((0, 2, 7), "suspended-second"),
    "6": ((0, 4, 7, 9), "major-sixth"),
    "m6": ((0, 3, 7, 9), "minor-sixth"),
}
NAMES = tuple(KINDS)
OTHERS = {  # other ways to write a kind
    "maj": "", "M": "", "major": "", "min": "m", "mi": "m", "-": "m", "minor": "m", "dom7": "7", "min7": "m7",
    "mi7": "m7", "-7": "m7", "M7": "maj7", "Maj7": "maj7", "ma7": "maj7", "o": "dim", "°": "dim", "o7": "dim7",
    "°7": "dim7", "ø": "m7b5", "ø7": "m7b5", "+": "aug", "sus": "sus4", "7sus4": "sus4", "min6": "m6", "add9": "",
    "9": "7", "11": "7", "13": "7", "m9": "m7", "m11": "m7", "maj9": "maj7", "M9": "maj7", "7b9": "7", "7#9": "7",
    "5": "",
}  # fmt: skip
VOICES = ("Chord top", "Chord middle", "Chord low", "Chord bass")
PART = Part("Chords")
MIXED = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "G#", "A", "Bb", "B")
EVERY = ("beat", "half", "bar")
PRIOR = np.array([0.0, 0.0, 0.12, 0.12, 0.2, 0.12, 0.15, 0.2, 0.3, 0.3, 0.35, 0.3, 0.3])  # what a rarer kind costs
CHANGE = 0.08  # what a change of chord costs, of the time a chord lasts
TABLE = np.array([[(pc - root) % 12 in KINDS[kind][0] for pc in range(12)] for kind in NAMES for root in range(12)])


def parse(text: str, tick: int = 0) -> Symbol | None:
    """A chord symbol such as Am7, F#dim, Bb/D; None for what is none (N.C., a remark over the notes).

    A kind that is not known is taken for the longest known one it begins with.
    """
    found = re.fullmatch(r"\s*([A-G])([#b♯♭]?)([^/\s]*)(?:/([A-G])([#b♯♭]?))?\s*", text)
    if not found:
        return None
    root = _class(found[1], found[2])
    whole = kind = found[3].strip("()").replace("♭", "b").replace("♯", "#")
    while kind not in KINDS and kind not in OTHERS:
        kind = kind[:-1]
    if not re.fullmatch(r"(?:[\d#b+\-(),]|alt|add|sus|maj|no|omit)*", whole[len(kind) :]):
        return None
    bass = _class(found[4], found[5]) if found[4] else root
    return Symbol(tick, root, OTHERS.get(kind, kind), bass)


def spell(symbol: Symbol, key: Key = (0, 0)) -> str:
    """The symbol in words, sharps or flats as in the key."""
    root, bass = ("".join(letter(pc, key)) for pc in (symbol.root, symbol.bass))
    return root + symbol.kind + ("" if symbol.bass == symbol.root else f"/{bass}")


def letter(pc: int, key: Key) -> tuple[str, str]:
    """(letter, "#", "b" or "") of a pitch class; where the key has neither sharps nor flats, what is used most."""
    if not sharps(key):
        return MIXED[pc][0], MIXED[pc][1:]
    name, raised, _ = spelt(pc, key)
    return name, {0: "", 1: "#", -1: "b"}[raised]


def tones(symbol: Symbol) -> tuple[int, ...]:
    """Its pitch classes."""
    return tuple((symbol.root + step) % 12 for step in KINDS[symbol.kind][0])


def voicing(symbol: Symbol) -> tuple[int, int, int, int]:
    """Four pitches from the top down: the bass in C2-B2, and three tones close together from F3 up.

    Of four tones the root is left to the bass, where it is the bass.
    """
    steps = KINDS[symbol.kind][0]
    kept = steps[1:] if len(steps) == 4 and symbol.bass == symbol.root else steps[:3]
    upper = sorted((53 + (symbol.root + step - 53) % 12 for step in kept), reverse=True)
    return (*upper, 36 + symbol.bass % 12)  # type: ignore[return-value]


def realised(one: Piece, apart: bool = False) -> Piece:
    """A piece whose chord symbols are notes: one more part of block chords, or (apart) four voices."""
    if not one.symbols:
        return one
    stops = [s.tick for s in one.symbols[1:]] + [max(one.end, one.symbols[-1].tick + TICKS)]
    rows, first = [one.notes], len(one.parts)
    for symbol, stop in zip(one.symbols, stops):
        start = max(0, symbol.tick)
        if symbol.kind in KINDS and stop > start:
            pitches = enumerate(voicing(symbol))
            rows.append([(start, stop - start, p, LOUD - 16, first + (v if apart else 0)) for v, p in pitches])  # type: ignore[arg-type]
    parts = tuple(Part(name) for name in VOICES) if apart else (PART,)
    facts = {"meters": one.meters, "tempos": one.tempos, "name": one.name, "label": one.label, "remarks": one.remarks}
    notes = np.concatenate([np.asarray(r, np.int32).reshape(-1, 5) for r in rows])
    return piece(notes, (*one.parts, *parts), certificate=one.certificate, **facts)


def collected(one: Piece) -> Piece:
    """The inverse of `realised` with voices apart: voices of chords become symbols again."""
    names = [part.name for part in one.parts]
    if not all(name in names for name in VOICES):
        return one
    places = [names.index(name) for name in VOICES]
    chords = np.isin(one.notes[:, 4], places)
    melody = [at for at in range(len(names)) if at not in places]
    order = np.full(len(names), -1)
    order[melody] = np.arange(len(melody))
    rows = one.notes[~chords].copy()
    rows[:, 4] = order[rows[:, 4]]
    heard = replace(one, notes=one.notes[chords])
    return replace(one, notes=rows, parts=tuple(one.parts[at] for at in melody), symbols=heard_in(heard, "beat"))


def sounding(one: Piece) -> Piece:
    """What of a piece its chords are heard in: its voices of chords, where it has some, else all of it."""
    names = [part.name for part in one.parts]
    places = [names.index(name) for name in VOICES if name in names]
    return replace(one, notes=one.notes[np.isin(one.notes[:, 4], places)]) if len(places) == len(VOICES) else one


def heard_in(one: Piece, every: str = "half") -> tuple[Symbol, ...]:
    """The chords that the voices of a piece sound, one a beat, half bar or bar at most.

    Each stretch of time is given the kind whose tones sound in it most and others least, changes costing a little, by
    the best path (Viterbi) over all stretches. The first quarter note of a stretch counts twice; its lowest
    pitch is the bass.
    """
    edges = _edges(one, every)
    return _written(*_states(one, edges), edges)


def agreed(pieces: Sequence[Piece], every: str = "half") -> tuple[Symbol, ...]:
    """The chords that most of several harmonies of one melody sound: of each stretch of time the commonest root, of
    those with it the commonest kind and bass.

    Of draws from P(harmony | melody) this is the answer that is most often right, where a single draw is as often right
    as two draws agree (a vote for least Bayes risk, Kumar and Byrne 2004).
    """
    edges = _edges(max(pieces, key=lambda one: one.end), every)
    states, bass = (np.stack(some) for some in zip(*(_states(one, edges) for one in pieces)))  # (pieces, n)
    chosen, under = np.full(len(edges) - 1, -1), np.full(len(edges) - 1, -1)
    for at in np.flatnonzero((states >= 0).any(0)):
        found, low = states[states[:, at] >= 0, at], bass[states[:, at] >= 0, at]
        root = np.bincount(found % 12).argmax()
        low, found = low[found % 12 == root], found[found % 12 == root]
        chosen[at] = np.bincount(found).argmax()
        under[at] = np.bincount(low[found == chosen[at]] + 1).argmax() - 1
    return _written(chosen, under, edges)


def _states(one: Piece, edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of each stretch of time its chord, 12 kind + root, -1 for silence, and its bass; each (n,)."""
    weights, bass = _heard(one, edges)
    path = np.array(_best_path(_costs(weights, bass)))
    return np.where(weights.any(1), path, -1), np.array(bass)


def _written(states: np.ndarray, bass: np.ndarray, edges: np.ndarray) -> tuple[Symbol, ...]:
    """Symbols of chords, one where they change."""
    found: list[Symbol] = []
    for at in np.flatnonzero(states >= 0).tolist():
        kind, root, low = NAMES[states[at] // 12], int(states[at] % 12), int(bass[at])
        under = low if low in tones(Symbol(0, root, kind, root)) else root
        symbol = Symbol(int(max(0, edges[at])), root, kind, under)
        if not found or (symbol.root, symbol.kind, symbol.bass) != (found[-1].root, found[-1].kind, found[-1].bass):
            found.append(symbol)
    return tuple(found)


def _heard(one: Piece, edges: np.ndarray) -> tuple[np.ndarray, list[int]]:
    """Of each stretch of time the share that each pitch class sounds (n, 12), and the bass."""
    weights, low = np.zeros((len(edges) - 1, 12)), np.zeros((len(edges) - 1, 128))
    drums = np.array([p.drums for p in one.parts], bool)
    for start, length, pitch, _, part in one.notes.tolist():
        if drums[part]:
            continue
        for at in range(max(0, np.searchsorted(edges, start, "right") - 1), len(edges) - 1):
            shared = min(start + length, edges[at + 1]) - max(start, edges[at])
            if shared <= 0:
                break
            first = max(0, min(start + length, edges[at] + TICKS) - max(start, edges[at]))
            weights[at, pitch % 12] += shared + first
            low[at, pitch] += first
    return weights / np.maximum(1, weights.sum(1, keepdims=True)), [_bass(row) for row in low]


def agreement(one: Piece) -> float:
    """The share of a melody's sounding time in which its note is one of the chord's."""
    within = total = 0
    ticks = np.array([s.tick for s in one.symbols])
    for start, length, pitch in one.notes[:, [START, LENGTH, PITCH]].tolist():
        for at in range(max(0, int(np.searchsorted(ticks, start, "right")) - 1), len(ticks)):
            stop = int(ticks[at + 1]) if at + 1 < len(ticks) else start + length
            shared = min(start + length, stop) - max(start, int(ticks[at]))
            if shared <= 0:
                break
            total += shared
            within += shared * (pitch % 12 in tones(one.symbols[at]))
    return within / max(1, total)


def _class(letter: str, sign: str) -> int:
    return (
        {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}[letter] + {"": 0, "#": 1, "♯": 1}.get(sign, -1)
    ) % 12


def _edges(one: Piece, every: str) -> np.ndarray:
    """Ticks at which a chord may change."""
    found: list[int] = []
    for start, size in bar_lines(one):
        value = next(m[2] for m in reversed(one.meters) if m[0] <= start)
        beat = 96 // value if value < 8 or size % 36 else 36  # three eighths are a beat where they fill bars
        step = size if every == "bar" else beat if every == "beat" else size // 2 if size % (2 * beat) == 0 else size
        found += range(start, start + size, step)
    return np.array([*found, max(one.end, found[-1] + 1)])


def _bass(sounds: np.ndarray) -> int:
    """The pitch class of the lowest pitch that sounds for a third of a quarter note, else of the lowest; -1: none."""
    for least in (TICKS / 3 - 1, 0):
        heard = np.flatnonzero(sounds > least)
        if len(heard):
            return int(heard[0]) % 12
    return -1


def _costs(weights: np.ndarray, bass: list[int]) -> np.ndarray:
    """What each chord (156: kinds by roots) costs in each stretch: time of other tones, tones that are missing."""
    outside = weights @ (~TABLE).T.astype(float)
    present = (weights > 0.05).astype(float)
    missing = (TABLE.sum(1) - present @ TABLE.T.astype(float)) / TABLE.sum(1)
    root = np.tile(np.arange(12), len(NAMES))
    under = np.array([[0.0 if b in (-1, r) else 1.0 for r in root] for b in bass])
    return outside + 0.25 * missing + 0.12 * under + np.repeat(PRIOR, 12) * 0.5


def _best_path(costs: np.ndarray) -> list[int]:
    best, came = costs[0], []
    for row in costs[1:]:
        cheapest = int(best.argmin())
        stay = best <= best[cheapest] + CHANGE
        came.append(np.where(stay, np.arange(len(best)), cheapest))
        best = np.where(stay, best, best[cheapest] + CHANGE) + row
    path = [int(best.argmin())]
    for back in reversed(came):
        path.append(int(back[path[-1]]))
    return path[::-1]
