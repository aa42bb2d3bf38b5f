"""What a musician asks of a model of scores: go on, harmonise, fill in, vary, go from one piece to another.

Voices are written here; what a model of events does of all this is in `improvising.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from conjure import improvising
from conjure.artifact import Artifact
from conjure.core.config import nearest
from conjure.core.errors import ConfigError, DataError
from conjure.core.rng import generator
from conjure.domains.music import harmony, leading, words
from conjure.domains.music.events import Events
from conjure.domains.music.grids import SILENT
from conjure.domains.music.piece import PART, TICKS, Part, Piece, piece
from conjure.domains.music.separation import separate
from conjure.domains.music.voices import Plan, Voices
from conjure.models.decoding import Choice

DRAFTS = 8, 0.9  # a piece is chosen from: that with the fewest faults of what was asked; their temperature
HARMONIES = 32, 0.7  # of a melody, from which its chords are heard
NOTES_ONLY = ("parallels", "crossing", "leaps", "range", "instrument")  # what is said of voices, not of chord symbols
VERBS = {Voices: ("harmonize", "continue", "fill", "vary", "interpolate"), Events: ("continue", "vary")}
ELSE = {  # what the models of other layouts are for
    "events": "writes all instruments in one stream from left to right and knows no voices: it can continue and vary",
    "melodies": "knows passages by their codes: `conjure interpolate` leads from one to another",
    "rolls": "makes whole pictures of four bars: `conjure sample` draws them",
    "sets": "knows which keys sound and not whose they are: `conjure sample` and `conjure score` are for it",
}
_OWN = {"bars": "bars stand", "meter": "meter stands", "form": "form stands"}


@dataclass(frozen=True)
class Sketch:
    """A piece in the making: its plan, and its tokens (T, V), -1 where they are to be drawn."""

    plan: Plan
    tokens: np.ndarray
    given: Piece | None = None


def verbs(artifact: Artifact) -> tuple[str, ...]:
    """What can be asked of an artifact here, by the names of the command line."""
    return next((known for form, known in VERBS.items() if isinstance(getattr(artifact.codec, "form", None), form)), ())


def go_on(artifact: Artifact, one: Piece, bars: int, given: dict[str, Any] | None = None, seed: int = 0) -> Piece:
    """The piece with so many more bars, by a model of voices in its last metre."""
    if isinstance(getattr(artifact.codec, "form", None), Events):
        return improvising.go_on(artifact, one, bars, given, seed)
    form = _form(artifact)
    known = _whole(form, one)
    size = one.meters[-1][1] * 4 * form.step // one.meters[-1][2]
    start = one.meters[-1][0] * form.step // TICKS
    filled = start + -(-(len(known) - start) // size) * size
    frames = filled + bars * size
    if bars < 1 or frames > form.facts.frames:
        room = max(0, (form.facts.frames - filled) // size)
        raise ConfigError(f"bars is {bars}; after these {filled // size} bars the model can write 1 to {room} more")
    tokens = np.full((frames, form.voices), -1)
    tokens[: len(known)] = known
    return write(artifact, Sketch(_plan(form, one, frames, given), tokens, one), given, seed)


def fill(
    artifact: Artifact, one: Piece, voices: list[str], given: dict[str, Any] | None = None, seed: int = 0
) -> Piece:
    """The piece with some voices written anew, whether or not it has them; the others stay note for note."""
    return write(artifact, _hidden(artifact, one, voices, given), given, seed)


def harmonize(artifact: Artifact, one: Piece, given: dict[str, Any] | None = None, seed: int = 0) -> Piece:
    """All other voices to a melody: to the piece's first voice, or its only one."""
    sketch, moved = _under(artifact, one, given)
    made = write(artifact, sketch, given, seed)
    if moved:
        note = f"the melody was moved by {moved:+d} semitones into the range of {name_of(_form(artifact), 0)}"
        made = replace(made, certificate={**made.certificate, "octave": note})
    return made


def lead_sheet(
    artifact: Artifact, one: Piece, every: str = "half", given: dict[str, Any] | None = None, seed: int = 0
) -> Piece:
    """A piece's first voice with chord symbols: those that the voices written to it sound.

    every: "beat", "half" (a bar) or "bar": how often the chord may change. The symbols are those that many harmonies,
    drawn by a model of voices or of lead sheets, agree on best (see `harmony.agreed`).
    """
    if every not in harmony.EVERY:
        raise ConfigError(f"every is {every!r}: {nearest(every, harmony.EVERY)}")
    if odd := [name for name in NOTES_ONLY if name in (given or {})]:
        raise ConfigError(f"--given {odd[0]} is said of voices, and chords are asked for: leave it out")
    some = drafts(artifact, _under(artifact, one, given)[0], given, seed, HARMONIES)
    made, named = some[0], [replace(part, name=name_of(_form(artifact), v)) for v, part in enumerate(some[0].parts)]
    heard = [harmony.sounding(replace(draft, parts=tuple(named))) for draft in some]
    melody = replace(_melody(one), symbols=harmony.agreed(heard, every), tempos=made.tempos)
    names = dict.fromkeys(harmony.spell(s, made.key) for s in melody.symbols)
    told = {k: v for k, v in made.certificate.items() if k in ("bars", "meter", "key", "scale")}
    share = harmony.agreement(melody)
    told["chords"] = (
        f"{len(melody.symbols)} symbols, {len(names)} kinds; the melody is on their tones {share:.0%} of its time"
    )
    if "end" in (given or {}) and melody.symbols:
        key = words.plans(_form(artifact), {"key": given["key"]}, 1)[0].key if "key" in (given or {}) else one.key  # type: ignore[index]
        last, tonic = melody.symbols[-1], key[0] if key else 0
        home = last.root == last.bass == tonic
        told["end"] = "holds" if home else f"does not hold: the last chord is {harmony.spell(last, one.key)}"
    return replace(melody, certificate=told)


def vary(
    artifact: Artifact, one: Piece, share: float = 0.5, given: dict[str, Any] | None = None, seed: int = 0
) -> Piece:
    """The piece with about a share of its beats written anew, all voices of a beat together; the others stay.

    A model of events writes whole bars.
    """
    if isinstance(getattr(artifact.codec, "form", None), Events):
        return improvising.vary(artifact, one, share, given, seed)
    if not 0 < share <= 1:
        raise ConfigError(f"share is {share:g}; it should be above 0 and at most 1")
    form = _form(artifact)
    known = _whole(form, one)
    beats = -(-len(known) // form.step)
    chosen = np.random.default_rng(seed).random(beats) < share
    anew = np.repeat(chosen, form.step)[: len(known)]
    tokens = np.where(anew[:, None], -1, known)
    return write(artifact, Sketch(_plan(form, one, len(known), given), tokens, None), given, seed)


def between(
    artifact: Artifact, one: Piece, other: Piece, bars: int = 4, given: dict[str, Any] | None = None, seed: int = 0
) -> Piece:
    """The first piece, a passage of so many bars that leads over, and the second, in the first one's metre."""
    form = _form(artifact)
    first, last = _whole(form, one), _whole(form, other)
    size = one.meters[-1][1] * 4 * form.step // one.meters[-1][2]
    start = one.meters[-1][0] * form.step // TICKS
    filled = start + -(-(len(first) - start) // size) * size
    upbeat = (-other.meters[0][0] * form.step // TICKS) % size
    at = filled + bars * size - (size - upbeat if upbeat else 0)
    if at + len(last) > form.facts.frames or bars < 1:
        raise ConfigError(
            f"both pieces and {bars} bars are {at + len(last)} frames; the longest piece this model learnt "
            f"has {form.facts.frames}: give shorter ones"
        )
    tokens = np.full((at + len(last), form.voices), -1)
    tokens[: len(first)], tokens[at:] = first, last
    return write(artifact, Sketch(_plan(form, one, len(tokens), given), tokens, None), given, seed)


def write(artifact: Artifact, sketch: Sketch, given: dict[str, Any] | None, seed: int) -> Piece:
    """A sketch with what it lacks: of several drafts the one that meets the rules best, with its certificate."""
    made, rules = drafts(artifact, sketch, given, seed), artifact.codec.rules(given or {})  # type: ignore[attr-defined]
    prints, given_ = artifact.codec.prints, sketch.given  # type: ignore[attr-defined]
    copied = [prints is not None and prints.copied(one, given_) for one in made]
    order = [(_broken(one), taken, len(leading.faults(one))) for one, taken in zip(made, copied)]
    best = artifact.codec.compared(made[order.index(min(order))], rules.copies, given_)  # type: ignore[attr-defined]
    labels = tuple(replace(part, name=name_of(_form(artifact), v)) for v, part in enumerate(best.parts))
    return harmony.collected(replace(best, parts=labels))


@torch.no_grad()
def drafts(
    artifact: Artifact, sketch: Sketch, given: dict[str, Any] | None, seed: int, how: tuple[int, float] = DRAFTS
) -> list[Piece]:
    """Ways to write what a sketch lacks, each with its certificate. how: how many, and the temperature."""
    form, rules = _form(artifact), artifact.codec.rules(given or {})  # type: ignore[attr-defined]
    count, temperature = how
    plans, known = [sketch.plan] * count, [sketch.tokens] * count
    condition = form.frame(plans, known)
    cells = condition[..., -form.voices :] - 1
    limits = {"allow": rules.allow(form, plans, cells)} if rules.any else {}
    rng = generator(seed, "compose")
    x = artifact.model.sample(count, given=condition, rng=rng, choice=Choice(temperature), **limits)
    return [rules.certified(one, sketch.plan, sketch.given) for one in form.decode(x, plans)]


def _hidden(artifact: Artifact, one: Piece, voices: list[str], given: dict[str, Any] | None) -> Sketch:
    """A piece with some voices to be written."""
    form = _form(artifact)
    places = [voice_number(form, v) for v in voices]
    if len(set(places)) == form.voices:
        raise ConfigError("all voices are to be written, so nothing of the piece would stay: use `conjure sample`")
    tokens = _whole(form, one, missing=places)
    tokens[:, places] = -1
    return Sketch(_plan(form, one, len(tokens), given), tokens, _without(form, one, places))


def _under(artifact: Artifact, one: Piece, given: dict[str, Any] | None) -> tuple[Sketch, int]:
    """The melody of a piece with all other voices to be written, and by how many semitones it was moved."""
    form = _form(artifact)
    if form.voices < 2:
        raise ConfigError("this model knows one voice only, so it cannot harmonise: fit it with pieces of several")
    top = _melody(one)
    low, high = form.facts.ranges[0]
    middle = float(np.median(top.notes[:, 2]))
    moved = 12 * round(((low + high) / 2 - middle) / 12) if not low <= middle <= high else 0
    others = [name_of(form, v) for v in range(1, form.voices)]
    return _hidden(artifact, top.transposed(int(moved)), others, given), int(moved)


def _melody(one: Piece) -> Piece:
    """The first voice of a piece, without chords."""
    melody = separate(replace(one, symbols=()), 0)
    return replace(melody, notes=melody.voice(0), parts=(melody.parts[0],))


def voice_number(form: Voices, name: str) -> int:
    """Which voice a name or a number, counted from 1, stands for."""
    names = [name_of(form, v) for v in range(form.voices)]
    if name.isdecimal() and 1 <= int(name) <= form.voices:
        return int(name) - 1
    lower = [n.lower() for n in names]
    if name.lower() not in lower:
        raise ConfigError(f"no voice is called {name!r}: {nearest(name.lower(), lower)}, or a number from 1")
    return lower.index(name.lower())


def name_of(form: Voices, voice: int) -> str:
    """A voice's name, or its number."""
    return form.facts.parts[voice][0] or f"Voice {voice + 1}"


def _form(artifact: Artifact) -> Voices:
    form = getattr(artifact.codec, "form", None)
    if not isinstance(form, Voices) or artifact.model.given is None:
        layout = getattr(artifact.codec.config, "layout", "")  # type: ignore[attr-defined]
        why = f"a model of {layout} {ELSE[layout]}; for the rest " if layout in ELSE else ""
        raise ConfigError(f"{why}this needs a model of voices: conjure fit music DIR -o OUT, with its default recipe")
    return form


def _whole(form: Voices, one: Piece, missing: list[int] | None = None) -> np.ndarray:
    """Tokens (T, V) of a piece, its parts put to the model's voices by name, else in order."""
    found = separate(one, form.voices)
    places = _places(form, found, missing or [])
    tokens = form.tokens(found)
    if len(tokens) > form.facts.frames:
        raise DataError(
            f"{one.name or 'the piece'} has {len(tokens)} frames; the longest piece this model learnt has "
            f"{form.facts.frames}: cut it"
        )
    whole = np.full((len(tokens), form.voices), SILENT)
    for part, voice in enumerate(places):
        whole[:, voice] = tokens[:, part]
    return whole


def _places(form: Voices, one: Piece, missing: list[int]) -> list[int]:
    """The voice of each part of a piece: by name where all have one, else in order, with those it lacks passed over."""
    names = [name_of(form, v).lower() for v in range(form.voices)]
    own = [part.name.lower() for part in one.parts]
    if len(set(own)) == len(own) and all(name in names for name in own):
        return [names.index(name) for name in own]
    rest = [v for v in range(form.voices) if v not in missing]
    free = rest if len(one.parts) <= len(rest) else list(range(form.voices))
    if len(one.parts) > len(free):
        raise DataError(f"{one.name or 'the piece'} has {len(one.parts)} voices; this model knows {form.voices}")
    return free[: len(one.parts)]


def _without(form: Voices, one: Piece, missing: list[int]) -> Piece:
    """The piece as what was given: its notes in the model's voices, those that are written anew left out."""
    found = separate(one, form.voices)
    places = np.array(_places(form, found, missing))
    rows = np.column_stack([found.notes[:, :PART], places[found.notes[:, PART]]])
    parts = tuple(Part(name_of(form, v)) for v in range(form.voices))
    return piece(rows[~np.isin(rows[:, PART], missing)], parts, meters=one.meters)


def _plan(form: Voices, one: Piece, frames: int, given: dict[str, Any] | None) -> Plan:
    """The plan of a piece that is there: its metre, key, tempo; key and tempo may be asked for otherwise."""
    told = {k: v for k, v in (given or {}).items() if k not in ("bars", "meter", "form")}
    if taken := [k for k in ("bars", "meter", "form") if k in (given or {})]:
        raise ConfigError(f"--given {taken[0]} and the piece contradict each other: its own {_OWN[taken[0]]}")
    asked = words.plans(form, told, 1)[0]
    key = asked.key if "key" in told else one.key
    tempo = asked.tempo if "tempo" in told else one.tempos[0][1]
    label = asked.label if "label" in told else ""
    return replace(asked, frames=frames, meters=one.meters, key=key, tempo=tempo, label=label)


def _broken(one: Piece) -> int:
    return sum(text.startswith("does not") for text in one.certificate.values())
