"""What a model of events does with a score: it goes on where the score ends, and writes some of its bars anew."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from conjure.artifact import Artifact
from conjure.core.config import nearest
from conjure.core.errors import ConfigError, DataError
from conjure.core.rng import generator
from conjure.domains.music.events import ASKING, Events
from conjure.domains.music.piece import LENGTH, PART, PITCH, START, TICKS, Part, Piece, bar_lines, piece
from conjure.domains.music.rules import Rules
from conjure.models.decoding import Choice

DRAFTS = 4  # of which one is kept
BAR = 256  # events of one bar at most
TEMPERATURE = 0.95
OWN = ("length", "prompt")  # words that the score itself settles


@dataclass(frozen=True)
class Hand:
    """How an artifact writes here: its layout, and which tokens it may draw, bool (V,): no end, and of the instruments
    those asked for, else the score's own.
    """

    artifact: Artifact
    form: Events
    given: dict[str, Any]
    allow: Tensor
    rng: torch.Generator


@torch.no_grad()
def go_on(artifact: Artifact, one: Piece, bars: int, given: dict[str, Any] | None = None, seed: int = 0) -> Piece:
    """The piece, note for note, and so many bars more; what is written may fill up its last bar as well."""
    if not 1 <= bars <= 1_000:
        raise ConfigError(f"bars is {bars}; a model of events goes on for 1 to 1,000")
    hand = _hand(artifact, one, given, seed)
    known = hand.form.tokens(one)
    drafts = _written(hand, np.append(hand.form.end, known), DRAFTS, bars)
    made = [_joined(hand, one, known, draft, bars) for draft in drafts]
    return _chosen(hand, made, one)


@torch.no_grad()
def vary(
    artifact: Artifact, one: Piece, share: float = 0.5, given: dict[str, Any] | None = None, seed: int = 0
) -> Piece:
    """The piece with about a share of its bars written anew, at least one; the notes that begin in others stay.

    A bar is written from what stands before it. Of several drafts one is drawn by how likely each makes the bar after
    it (sampling importance resampling, Rubin 1988), so that it leads there.
    """
    if not 0 < share <= 1:
        raise ConfigError(f"share is {share:g}; it should be above 0 and at most 1")
    hand = _hand(artifact, one, given, seed)
    parts = hand.form.bars(hand.form.tokens(one))
    picker = np.random.default_rng(seed)
    anew = picker.random(len(parts)) < share
    anew[picker.integers(len(parts))] |= not anew.any()
    for bar in np.flatnonzero(anew):
        before = np.concatenate([[hand.form.end], *parts[:bar]])
        head = hand.form.head(parts[bar])
        drafts = [np.append(head, rest) for rest in _written(hand, np.append(before, head), DRAFTS, 0)]
        after = parts[bar + 1] if bar + 1 < len(parts) else np.array([hand.form.end])
        worth = torch.tensor([_leading(hand, before, draft, after) for draft in drafts])
        parts[bar] = drafts[int(torch.multinomial(worth.softmax(0), 1, generator=hand.rng))]
    whole = hand.form.decode(torch.from_numpy(np.concatenate(parts))[None])[0]
    lines = np.array([start for start, _ in bar_lines(whole, max(whole.end, one.end))])
    written, kept = (anew[_bar(lines, notes.notes[:, START], len(anew))] for notes in (whole, one))
    made = _together(one, one.notes[~kept], whole, whole.notes[written])
    made = replace(made, certificate={"bars": f"{int(anew.sum())} of {len(anew)} written anew"})
    return _chosen(hand, [_certified(hand, made, whole, written)], one)


def _hand(artifact: Artifact, one: Piece, given: dict[str, Any] | None, seed: int) -> Hand:
    """ConfigError for words that a score and a verb leave no room for, DataError for a score without notes."""
    if not len(one.notes):
        raise DataError(f"{one.name or 'the piece'} holds no note to go on from")
    form, told = artifact.codec.form, dict(given or {})  # type: ignore[attr-defined]
    known = [word for word in (*ASKING, "copies") if word not in OWN]
    for word in told:
        if word in OWN:
            raise ConfigError(f"--given {word} and the piece contradict each other: leave it out")
        if word not in known:
            raise ConfigError(f"a model of events takes no --given {word!r} here: {nearest(word, known)}")
    artifact.codec.condition(told, 1)  # refuses what cannot be promised
    allow = artifact.codec.limits(told, 1).get("allow")  # type: ignore[attr-defined]
    if allow is None:  # of an artifact that notes no programs, any
        allow = form.playing(played) if (played := form.played(one)) else torch.ones(form.vocab, dtype=torch.bool)
    allow[form.end] = False
    return Hand(artifact, form, told, allow.to(artifact.model.device), generator(seed, "improvise"))


def _written(hand: Hand, before: np.ndarray, n: int, bars: int) -> list[np.ndarray]:
    """n times what follows tokens (T,), drawn until so many bars are written and the next one would begin.

    With 0 bars the one under way is written to its end, in its metre. A draft that finds no end is cut off.
    """
    model: Any = hand.artifact.model
    starts, meters = (t.to(hand.allow.device) for t in (hand.form.starts, hand.form.meters))
    allow = hand.allow & ~(meters & ~starts) if not bars else hand.allow
    choice, rows = Choice(TEMPERATURE), [[] for _ in range(n)]
    begun = torch.zeros(n, dtype=torch.long, device=allow.device)
    reading = model.begin(n, None)
    logits = model.read(torch.from_numpy(before).long().to(allow.device).expand(n, -1), reading)
    for _ in range(BAR * (bars + 1)):
        token = choice.draw(logits.masked_fill(~allow, -torch.inf), hand.rng)
        begun += starts[token]
        for row, (drawn, count) in enumerate(zip(token.tolist(), begun.tolist())):
            if count <= bars:
                rows[row].append(drawn)
        if bool((begun > bars).all()):
            break
        logits = model.read(token[:, None], reading)
    return [np.array(row, np.int64) for row in rows]


def _leading(hand: Hand, before: np.ndarray, draft: np.ndarray, after: np.ndarray) -> float:
    """log P in nats of a bar's tokens after others, as far as the model sees."""
    room = hand.artifact.model.space.length  # type: ignore[union-attr]
    after = after[: room // 2]
    x = torch.from_numpy(np.concatenate([before, draft, after])[-room - 1 :]).long()[None]
    mask = torch.zeros(x.shape, dtype=torch.bool)
    mask[:, -len(after) :] = True
    device = hand.artifact.model.device
    return float(hand.artifact.model.log_prob(x.to(device), mask=mask.to(device))[0])  # type: ignore[operator]


def _joined(hand: Hand, one: Piece, known: np.ndarray, draft: np.ndarray, bars: int) -> Piece:
    """The piece with what a draft adds after its last onset, up to the last of so many bars."""
    form = hand.form
    whole = form.decode(torch.from_numpy(np.append(known, draft))[None])[0]
    last = int(form.decode(torch.from_numpy(known)[None])[0].notes[:, START].max())
    had, have = len(form.bars(known)), len(form.bars(np.append(known, draft)))
    lines = bar_lines(whole, whole.end + 4 * TICKS * (had + bars + 2))
    stop = lines[min(had + bars, len(lines) - 1)][0]
    new = (whole.notes[:, START] > last) & (whole.notes[:, START] < stop)
    rows = whole.notes[new]
    rows[:, LENGTH] = np.minimum(rows[:, LENGTH], stop - rows[:, START])
    made = _together(one, one.notes, whole, rows, (last, stop))
    told = f"holds: {bars} more"
    if not len(rows) or have < had + bars:
        told = f"does not hold: {f'it came to bar {have - had} of them' if len(rows) else 'nothing plays in them'}"
    made = replace(made, certificate={"bars": told})
    return _certified(hand, made, whole, new)


def _bar(lines: np.ndarray, starts: np.ndarray, count: int) -> np.ndarray:
    """Which bar each start lies in, from 0."""
    return (np.searchsorted(lines, starts, side="right") - 1).clip(0, count - 1)


def _together(one: Piece, kept: np.ndarray, whole: Piece, new: np.ndarray, added: tuple[int, int] = (0, 0)) -> Piece:
    """Notes of a piece and of what was written, each of these in the part of its instrument that lies nearest; metres
    and tempos of what was written hold between two ticks.
    """
    parts, rows = list(one.parts), new.copy()
    heights = [float(v[:, PITCH].mean()) if len(v := one.voice(k)) else 60.0 for k in range(len(parts))]
    for row in rows:
        own = whole.parts[row[PART]]
        alike = [k for k, p in enumerate(parts) if _sound(p) == _sound(own)]
        if not alike:
            parts, heights, alike = [*parts, own], [*heights, float(row[PITCH])], [len(parts)]
        row[PART] = min(alike, key=lambda k: abs(heights[k] - row[PITCH]))
    meters, tempos = (
        (*old, *(c for c in made if added[0] < c[0] < added[1] and c[1:] != old[-1][1:]))
        for old, made in ((one.meters, whole.meters), (one.tempos, whole.tempos))
    )
    facts = {"meters": meters, "tempos": tempos, "symbols": one.symbols, "name": one.name, "label": one.label}
    return piece(np.concatenate([kept, rows]), tuple(parts), **facts)


def _sound(part: Part) -> tuple[bool, int]:
    """What plays a part: drums are one kit, whatever their program."""
    return part.drums, 0 if part.drums else part.program


def _certified(hand: Hand, made: Piece, whole: Piece, new: np.ndarray) -> Piece:
    """With whether what was written has the instruments asked for, and no others."""
    if "instrument" not in hand.given:
        return made
    used = np.unique(whole.notes[new][:, PART])
    told = hand.form.certified(replace(whole, parts=tuple(whole.parts[k] for k in used)), hand.given).certificate
    return replace(made, certificate={**made.certificate, **told})


def _chosen(hand: Hand, made: list[Piece], one: Piece) -> Piece:
    """The first piece that breaks the fewest promises, with what its certificate says of copies."""
    asked = Rules.of(hand.given).copies
    compared = [hand.artifact.codec.compared(piece_, asked, one) for piece_ in made]  # type: ignore[attr-defined]
    return min(compared, key=lambda p: sum(text.startswith("does not") for text in p.certificate.values()))
