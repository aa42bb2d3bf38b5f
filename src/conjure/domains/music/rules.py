"""Hard rules: masks while notes are drawn, and a certificate of what was written, found without the masks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from conjure.core.config import nearest
from conjure.core.errors import ConfigError
from conjure.domains.music import leading
from conjure.domains.music.grids import HOLD, LOWEST, SILENT
from conjure.domains.music.instruments import name_of
from conjure.domains.music.piece import LENGTH, PART, PITCH, START, TICKS, Piece, bar_lines, key_name

if TYPE_CHECKING:
    from conjure.domains.music.voices import Plan, Voices

WORDS = {  # what can be asked, and how
    "end": "tonic: the last chord is that of the key",
    "parallels": "no: no parallel fifths or octaves",
    "range": "voices, or pitches such as 48-79",
    "scale": "key: only its notes",
    "crossing": "no: no voice above the one before it",
    "copies": "no: no run of 16 notes of a training piece",
}
RULES = ("range", "scale", "parallels", "crossing", "end", "copies")
SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 9, 10, 11))  # minor with the raised sixth and seventh
TRIADS = ((0, 4, 7), (0, 3, 4, 7))  # minor pieces may end in major
LAST = TICKS  # the last quarter note is where the end is looked at


@dataclass(frozen=True)
class Rules:
    """range: "voices" (those of the training pieces) or LOW-HIGH for all voices; scale: only notes of the key;
    parallels: no parallel fifths and octaves; crossing: no voice above the one before; end: on the tonic's triad, its
    root in the lowest voice; copies: no run of 16 notes of a training piece (looked at afterwards, see `copies.py`).
    """

    range: str = ""
    scale: bool = False
    parallels: bool = False
    crossing: bool = False
    end: bool = False
    copies: bool = False

    @classmethod
    def of(cls, given: dict[str, Any]) -> Rules:
        """From words: range=voices or 48-79, scale=key, parallels, crossing, copies=no, end=tonic; else ConfigError."""
        wanted = {"scale": "key", "parallels": "no", "crossing": "no", "end": "tonic", "copies": "no"}
        for name, word in wanted.items():
            if name in given and str(given[name]) != word:
                raise ConfigError(f"{name} is {given[name]!r}: {nearest(str(given[name]), [word])}")
        span = str(given.get("range", ""))
        if span and span != "voices" and _span(span) is None:
            raise ConfigError(f"range is {span!r}; it should be 'voices', or pitches such as 48-79")
        return cls(span, **{name: name in given for name in wanted})

    @property
    def any(self) -> bool:
        """Whether notes are masked while they are drawn."""
        return replace(self, copies=False) != Rules()

    def allow(self, form: Voices, plans: list[Plan], known: Tensor | None = None) -> Callable[[Any], list[Tensor]]:
        """What `models/chords.py` asks before each note. known: tokens (N, T, V) given, -1 elsewhere.

        ConfigError where two rules leave a voice no pitch at all.
        """
        masks = [self._static(form, plan) for plan in plans]
        ranges, keys, ends = (torch.stack([m[k] for m in masks]) for k in range(3))  # (N, V, vocab)
        lasts = _last_frames(form, plans)
        forms = any(plan.form for plan in plans)
        sounds = None if known is None else _sounding(known)

        def allow(at: Any) -> list[Tensor]:
            rows = slice(at.first, at.first + len(at.x))
            found, v = [], at.voice
            before = at.before[:, v]
            if forms:
                found.append(_repeats(plans[rows], at, form.vocab))
            if self.range:
                found.append(ranges[rows, v])
            if self.end:
                late = lasts[rows, at.frame][:, None]
                here = ends[rows, v].clone()
                here[:, HOLD] = here.gather(1, before[:, None]).squeeze(1) & (before >= LOWEST)
                found.append(here | ~late)
            if self.scale:
                found.append(keys[rows, v])
            others = [(u, at.now[:, u]) for u in range(v)]
            if sounds is not None:
                others += [(u, sounds[rows, at.frame, u]) for u in range(v + 1, form.voices)]
            if self.parallels:
                found.append(~_parallel(before, at.before, others, form.vocab))
            if self.crossing:
                found.append(~_crossed(before, v, others, form.vocab))
            return found

        return allow

    def certified(self, one: Piece, plan: Plan, given: Piece | None = None) -> Piece:
        """The piece with what is true of it: every rule asked for, its bars, metre and key, and what was given."""
        found: dict[str, str] = {}
        bars = len(bar_lines(one, max(1, plan.frames_ticks)))
        beats = f"{plan.meters[0][1]}/{plan.meters[0][2]}"
        found["bars"] = "holds" if one.end <= plan.frames_ticks else f"does not hold: notes go on after bar {bars}"
        found["meter"] = f"holds: {bars} bars of {beats}" + (" with an upbeat" if plan.meters[0][0] < 0 else "")
        if plan.key is not None:
            heard = one.key
            same = heard == plan.key
            found["key"] = (
                f"holds: {key_name(heard)}" if same else f"sounds like {key_name(heard)}, not {key_name(plan.key)}"
            )
        if plan.form:
            found["form"] = plan.form.certificate(one, plan.step)
        if plan.programs:
            found["instrument"] = "holds: " + ", ".join(dict.fromkeys(name_of(p.program) for p in one.parts))
        for name in RULES:
            if getattr(self, name) and name != "copies":
                faults = getattr(self, f"_check_{name}")(one, plan)
                found[name] = "holds" if not faults else f"does not hold: {_first(faults)}{_why(one, faults, given)}"
        return replace(one, certificate=found)

    def _static(self, form: Voices, plan: Plan) -> tuple[Tensor, Tensor, Tensor]:
        """Masks (V, vocab) of range, key and end that do not change while writing."""
        pitches = torch.arange(form.vocab) - LOWEST + form.facts.low
        sounds = torch.arange(form.vocab) >= LOWEST
        spans = [self._span_of(form, v) for v in range(form.voices)]
        ranges = torch.stack([~sounds | ((pitches >= low) & (pitches <= high)) for low, high in spans])
        scale = end = torch.ones_like(ranges)
        if plan.key is not None:
            tonic, mode = plan.key
            degrees = (pitches - tonic) % 12
            scale = (~sounds | torch.isin(degrees, torch.tensor(SCALES[mode]))).expand(form.voices, -1)
            triad = sounds & torch.isin(degrees, torch.tensor(TRIADS[mode]))
            end = triad.repeat(form.voices, 1)
            end[-1] = sounds & (degrees == 0)
        for v, (low, high) in enumerate(spans):
            name = form.facts.parts[v][0] or f"voice {v + 1}"
            for word, mask in (("scale=key", scale if self.scale else None), ("end=tonic", end if self.end else None)):
                if self.range and mask is not None and not (ranges[v] & mask[v] & sounds).any():
                    raise ConfigError(
                        f"range={low}-{high} and {word} leave {name} no pitch: widen the range or drop {word}"
                    )
            if self.range and not (ranges[v] & sounds).any():
                raise ConfigError(
                    f"range={low}-{high} and the pitches this model knows, {form.facts.low}-{form.facts.high}, "
                    f"leave {name} no pitch"
                )
        return ranges, scale, end

    def _span_of(self, form: Voices, voice: int) -> tuple[int, int]:
        return _span(self.range) or tuple(form.facts.ranges[voice])  # type: ignore[return-value]

    def _check_range(self, one: Piece, plan: Plan) -> list[leading.Fault]:
        found = []
        for note in one.notes:
            low, high = _span(self.range) or plan.ranges[int(note[PART])]
            if not low <= note[PITCH] <= high:
                found.append(
                    leading.Fault(f"pitch {note[PITCH]} outside {low}-{high}", int(note[START]), (int(note[PART]),))
                )
        return found

    def _check_scale(self, one: Piece, plan: Plan) -> list[leading.Fault]:
        if plan.key is None:
            return []
        scale = [(plan.key[0] + d) % 12 for d in SCALES[plan.key[1]]]
        return [
            leading.Fault(f"a note outside {key_name(plan.key)}", int(n[START]), (int(n[PART]),))
            for n in one.notes
            if n[PITCH] % 12 not in scale
        ]

    def _check_parallels(self, one: Piece, plan: Plan) -> list[leading.Fault]:
        return leading.parallels(one)

    def _check_crossing(self, one: Piece, plan: Plan) -> list[leading.Fault]:
        return leading.crossings(one)

    def _check_end(self, one: Piece, plan: Plan) -> list[leading.Fault]:
        if plan.key is None:
            return []
        tick = plan.frames_ticks - 1
        ends = one.notes[(one.notes[:, START] <= tick) & (one.notes[:, START] + one.notes[:, LENGTH] > tick)]
        if not len(ends):
            return [leading.Fault("silence at the end", tick, ())]
        tonic, mode = plan.key
        lowest = ends[ends[:, PART] == len(one.parts) - 1]
        if not len(lowest) or (lowest[0, PITCH] - tonic) % 12:
            return [leading.Fault("the lowest voice does not end on the tonic", tick, (len(one.parts) - 1,))]
        odd = [n for n in ends if (n[PITCH] - tonic) % 12 not in TRIADS[mode]]
        return [leading.Fault("a last note outside the tonic's triad", tick, (int(n[PART]),)) for n in odd]


def _last_frames(form: Voices, plans: list[Plan]) -> Tensor:
    """Where the end is (N, T): the last quarter note of each plan, and the frames that it repeats."""
    found = torch.zeros(len(plans), form.facts.frames, dtype=torch.bool)
    for row, plan in enumerate(plans):
        found[row, max(0, plan.frames - LAST * form.step // TICKS) : plan.frames] = True
        for frame in found[row].nonzero().flatten().tolist() if plan.form else ():
            if (source := plan.form.sources[frame]) >= 0:  # type: ignore[union-attr]
                found[row, source] = True
    return found


def _repeats(plans: list[Plan], at: Any, vocab: int) -> Tensor:
    """What a form leaves of the tokens of this frame (N, vocab)."""
    found, x = np.ones((len(plans), vocab), bool), at.x.numpy()
    for row, plan in enumerate(plans):
        if plan.form:
            found[row] = plan.form.allowed(at.frame, at.voice, x[row : row + 1], vocab)[0]
    return torch.from_numpy(found)


def _span(text: str) -> tuple[int, int] | None:
    low, sign, high = text.partition("-")
    if sign and low.isdecimal() and high.isdecimal() and int(low) <= int(high) <= 127:
        return int(low), int(high)
    return None


def _first(faults: list[leading.Fault]) -> str:
    more = f" and {len(faults) - 1} more" if len(faults) > 1 else ""
    return f"{faults[0].kind} at tick {faults[0].tick}{more}"


def _why(one: Piece, faults: list[leading.Fault], given: Piece | None) -> str:
    """Where the first fault is, in a reader's words, and whether its notes were given."""
    fault = faults[0]
    names = " and ".join(one.parts[p].name or f"part {p + 1}" for p in fault.parts)
    where = f" ({leading.place(one, fault.tick)}{', ' + names if names else ''})"
    if given is not None and fault.parts:
        fixed = [p for p in fault.parts if _sounds(given, p, fault.tick)]
        if len(fixed) == len(fault.parts):
            return where + "; those notes were given"
        if fixed:
            return where + "; one of the notes was given and left no other choice that met the rules before it"
    return where


def _sounds(one: Piece, part: int, tick: int) -> bool:
    notes = one.voice(part)
    return bool(((notes[:, START] <= tick) & (notes[:, START] + notes[:, LENGTH] > tick)).any())


def _sounding(known: Tensor) -> Tensor:
    """What given voices sound (N, T, V): a pitch's token, or SILENT where nothing is given."""
    at = torch.arange(known.shape[1])[:, None]
    begun = torch.where(known == HOLD, -1, at).cummax(1).values
    return torch.where(begun < 0, SILENT, known.gather(1, begun.clamp(min=0))).clamp(min=SILENT)


def _parallel(before: Tensor, all_before: Tensor, others: list[tuple[int, Tensor]], vocab: int) -> Tensor:
    """Which tokens (N, vocab) would make parallel fifths or octaves with a voice already written."""
    tokens = torch.arange(vocab)
    moved = (tokens >= LOWEST) & (tokens != before[:, None]) & (before >= LOWEST)[:, None]
    bad = torch.zeros_like(moved)
    for u, now in others:
        was = all_before[:, u]
        there = (was >= LOWEST) & (now >= LOWEST) & (now != was)
        first = (was - before) % 12
        perfect = there & ((first == 0) | (first == 7))
        same = ((now[:, None] - tokens) % 12 == first[:, None]) & ((tokens > before[:, None]) == (now > was)[:, None])
        bad |= moved & same & perfect[:, None]
    return bad


def _crossed(before: Tensor, voice: int, others: list[tuple[int, Tensor]], vocab: int) -> Tensor:
    """Which tokens (N, vocab) would put a voice above one before it, or below one after it."""
    tokens = torch.arange(vocab).expand(len(before), -1).clone()
    tokens[:, HOLD] = before
    bad = torch.zeros(tokens.shape, dtype=torch.bool)
    for u, now in others:
        there = ((now >= LOWEST)[:, None]) & (tokens >= LOWEST)
        bad |= there & ((tokens > now[:, None]) if u < voice else (tokens < now[:, None]))
    return bad
