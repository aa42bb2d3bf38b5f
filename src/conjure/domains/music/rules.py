"""Hard rules: masks while notes are drawn, and a certificate of what was written, found without the masks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from conjure.core.config import nearest
from conjure.core.errors import ConfigError
from conjure.domains.music import habits, leading, masks
from conjure.domains.music.grids import HOLD, LOWEST
from conjure.domains.music.instruments import name_of
from conjure.domains.music.piece import LENGTH, PART, PITCH, START, Piece, bar_lines, key_name

if TYPE_CHECKING:
    from conjure.domains.music.voices import Plan, Voices

WORDS = {  # what can be asked, and how
    "end": "tonic: the last chord is that of the key",
    "parallels": "no: no parallel fifths or octaves; yes: as they come",
    "range": "voices, or pitches such as 48-79",
    "scale": "key: only its notes",
    "crossing": "no: no voice above the one before it; yes: as they come",
    "leaps": "no: no step wider than an octave; yes: as they come",
    "copies": "no: no run of 16 notes of a training piece",
}
RULES = ("range", "scale", "parallels", "crossing", "leaps", "end", "copies")
LED = ("parallels", "crossing", "leaps")  # rules of voice leading: where training pieces keep them, so do samples
SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 9, 10, 11))  # minor with the raised sixth and seventh
TRIADS = ((0, 4, 7), (0, 3, 4, 7))  # minor pieces may end in major


@dataclass(frozen=True)
class Rules:
    """range: "voices" (those of the training pieces) or LOW-HIGH for all voices; scale: only notes of the key;
    parallels: which of fifths (7) and octaves (0) are not to be; crossing: no voice above the one before; leaps: no
    step wider than an octave; end: on the tonic's triad, its root in the lowest voice; copies: no run of 16 notes of a
    training piece (looked at afterwards, see `copies.py`). unasked: what is said of rules that nobody asked for or
    against, by name; let: rules that are switched off.
    """

    range: str = ""
    scale: bool = False
    parallels: tuple[int, ...] = ()
    crossing: bool = False
    leaps: bool = False
    end: bool = False
    copies: bool = False
    unasked: tuple[tuple[str, str], ...] = ()
    let: tuple[str, ...] = ()

    @classmethod
    def of(cls, given: dict[str, Any], faults: dict[str, int] | None = None) -> Rules:
        """From words: range=voices or 48-79, scale=key, end=tonic, copies=no; parallels, crossing, leaps=no or yes.

        faults: those of the training pieces (`habits.counted`). What these avoid is a rule where nothing is asked.
        ConfigError for another word.
        """
        wanted = {"scale": ["key"], "end": ["tonic"], "copies": ["no"], **{name: ["no", "yes"] for name in LED}}
        for name, known in wanted.items():
            if name in given and str(given[name]) not in known:
                raise ConfigError(f"{name} is {given[name]!r}: {nearest(str(given[name]), known)}")
        span = str(given.get("range", ""))
        if span and span != "voices" and _span(span) is None:
            raise ConfigError(f"range is {span!r}; it should be 'voices', or pitches such as 48-79")
        held: dict[str, Any] = {name: name in given for name in wanted if name not in LED}
        usual = habits.avoided(faults or {})
        kinds = [k for k in habits.RULES if k in usual or given.get(habits.RULES[k]) == "no"]
        kinds = [k for k in kinds if given.get(habits.RULES[k]) != "yes"]
        found = {name: [k for k in kinds if habits.RULES[k] == name] for name in LED}
        held |= {name: bool(found[name]) for name in ("crossing", "leaps")}
        held["parallels"] = tuple(p for p, kind in leading.KINDS.items() if kind in found["parallels"])
        said = [
            (name, " and ".join(f"{usual[k]:.2g} {k}" for k in some))
            for name, some in found.items()
            if some and name not in given
        ]
        let = tuple(name for name in LED if given.get(name) == "yes")
        return cls(span, unasked=tuple(said), let=let, **held)

    @property
    def any(self) -> bool:
        """Whether notes are masked while they are drawn."""
        return replace(self, copies=False, unasked=(), let=()) != Rules()

    @property
    def asked(self) -> bool:
        """Whether somebody asked for a rule that a draw may break."""
        return any(getattr(self, name) for name in RULES if name not in dict(self.unasked))

    def allow(self, form: Voices, plans: list[Plan], known: Tensor | None = None) -> Callable[[Any], list[Tensor]]:
        """What `models/chords.py` asks before each note. known: tokens (N, T, V) given, -1 elsewhere.

        ConfigError where two rules leave a voice no pitch at all.
        """
        fixed = [self._static(form, plan) for plan in plans]
        ranges, keys, ends = (torch.stack([m[k] for m in fixed]) for k in range(3))  # (N, V, vocab)
        lasts = masks.endings(form, plans)
        forms = any(plan.form for plan in plans)
        sounds = None if known is None else masks.given_sounds(known)

        def allow(at: Any) -> list[Tensor]:
            rows = slice(at.first, at.first + len(at.x))
            found, v = [], at.voice
            before = at.before[:, v]
            if forms:
                found.append(masks.repeating(plans[rows], at, form.vocab))
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
                found.append(~masks.parallel(at, others, self.parallels, form.vocab))
            if self.crossing:
                found.append(~masks.crossed(before, v, others, form.vocab))
            if self.leaps:
                found.append(~masks.leapt(before, form.vocab))
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
        unasked = dict(self.unasked)
        for name in RULES:
            if getattr(self, name) and name != "copies":
                faults = getattr(self, f"_check_{name}")(one, plan)
                text = "holds" if not faults else f"does not hold: {_first(faults)}{_why(one, faults, given)}"
                usual = (
                    f"unasked, as the training pieces have {unasked[name]} per 100 chords: " if name in unasked else ""
                )
                found[name] = usual + text
            elif name in self.let:
                found[name] = f"as they come: {name}=yes"
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
        return [fault for fault in leading.parallels(one) if fault.kind in [leading.KINDS[p] for p in self.parallels]]

    def _check_crossing(self, one: Piece, plan: Plan) -> list[leading.Fault]:
        return leading.crossings(one)

    def _check_leaps(self, one: Piece, plan: Plan) -> list[leading.Fault]:
        return leading.leaps(one)

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
