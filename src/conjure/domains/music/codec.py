"""Scores as tensors, in one of several layouts: voices on a grid, sets of keys, events, piano rolls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from conjure.core.config import fill
from conjure.core.errors import ConfigError
from conjure.core.space import Dense, Space, Tokens
from conjure.domains.music import checks, features, leading, rules, words
from conjure.domains.music.events import EventFacts, Events
from conjure.domains.music.passages import Melodies, Rolls, Span
from conjure.domains.music.piece import TICKS, Pieces
from conjure.domains.music.rules import Rules
from conjure.domains.music.sets import SetFacts, Sets
from conjure.domains.music.voices import CHANNELS, Facts, Plan, Voices
from conjure.domains.protocol import Encoded

Form = Voices | Sets | Events | Melodies | Rolls
PASSAGES: dict[str, type[Melodies] | type[Rolls]] = {"melodies": Melodies, "rolls": Rolls}


class MusicCodec:
    """Pieces to tensors and back; what a layout does is in a file of its own (`voices.py`, `events.py` ...)."""

    @dataclass(frozen=True)
    class Config:
        """layout: "voices" on a grid; "sets" of keys that sound (the literature's frame-wise piano roll); "events" of
        all instruments; passages of `frames` frames as "melodies" (the highest voice) or "rolls" (pictures).

        step: frames to a quarter note. voices: 0 takes as many as the pieces have, at most 8. frames: of the longest
        section; longer pieces are cut where a bar begins. transpose: training shows every piece in all keys. upwards: a
        set is written from its lowest note. Events are `vocab` tokens (BPE; 0: none joined), seen `context` at a time,
        `length` of them a sample.
        """

        layout: Literal["voices", "sets", "events", "melodies", "rolls"] = "voices"
        step: int = 4
        voices: int = 0
        frames: int = 640
        transpose: bool = True
        upwards: bool = False
        vocab: int = 0
        context: int = 256
        length: int = 512

        def __post_init__(self) -> None:
            if self.step < 1 or TICKS % self.step:
                raise ConfigError(f"codec.step is {self.step}; it should divide {TICKS}: 1, 2, 3, 4, 6, 8, 12 or 24")
            if not 0 <= self.voices <= 8 or self.frames < 4:
                raise ConfigError("codec.voices is 0 to 8, codec.frames at least 4")
            if self.context < 2 or self.length < 1:
                raise ConfigError("codec.context is at least 2, codec.length at least 1")

    FILES = ("prompt",)  # words of a condition that name files

    def __init__(self, config: MusicCodec.Config, form: Form, notes: tuple[str, ...] = ()):
        self.config, self.form, self.notes = config, form, list(notes)
        self.given_space: Tokens | None = None
        self.space: Space
        if isinstance(form, Voices):
            self.space = Tokens(form.vocab, (form.facts.frames, form.voices))
            self.given_space = Tokens(form.size, (form.facts.frames, CHANNELS + form.voices))
        elif isinstance(form, Events):
            self.space = Tokens(form.vocab, (config.context,), stream=True)
        elif isinstance(form, Melodies):
            self.space = Tokens(form.vocab, (form.facts.frames,))
        elif isinstance(form, Rolls):
            self.space = Dense((1, form.facts.frames, form.facts.high - form.facts.low + 1), -1.0, 1.0)
        else:
            self.space = Tokens(form.vocab, (form.facts.frames, form.facts.notes))

    @classmethod
    def learn(cls, pieces: Pieces, config: MusicCodec.Config) -> MusicCodec:
        """What the layout needs to know of training pieces; DataError where they do not suit it."""
        if config.layout == "sets":
            return cls(config, Sets.learn(pieces, config.step, config.transpose, config.upwards), pieces.notes)
        if config.layout == "events":
            return cls(config, Events.learn(pieces, config.vocab, config.context, config.transpose), pieces.notes)
        if config.layout in PASSAGES:
            form = PASSAGES[config.layout].learn(pieces, config.step, config.frames, config.transpose)
            return cls(config, form, pieces.notes)
        form = Voices.learn(pieces, config.step, config.voices, config.frames, config.transpose)
        return cls(config, form, pieces.notes)

    @property
    def judging(self) -> dict[str, Callable[..., Any]]:
        """What a judge asks of single pieces."""
        return {
            "measures": features.measures,
            "faults": leading.faults,
            "runs": checks.runs,
            "place": leading.place,
        }

    def describe(self) -> str:
        """What was learnt, in one line."""
        return self.form.describe()

    def encode(self, pieces: Pieces) -> Encoded:
        """A row a piece (a section of a long one), with its mask and condition."""
        return self.form.encode(pieces)

    def encode_training(self, pieces: Pieces) -> Encoded:
        """Every piece in many keys."""
        return self.form.encode(pieces, self.form.shifts(len(pieces)))

    def adapt(self, pieces: Pieces) -> Pieces:
        """Held-out pieces with notes out of range moved by octaves into it."""
        return self.form.adapt(pieces) if isinstance(self.form, Voices) else pieces

    def decode(self, x: Tensor, rng: torch.Generator | None = None, given: dict[str, Any] | None = None) -> Pieces:
        """Pieces again, in the frames that `condition` asked for, each with its certificate."""
        if not isinstance(self.form, Voices):
            return self.form.decode(x)
        plans = words.plans(self.form, given or {}, len(x))
        rules = Rules.of(given or {})
        made = self.form.decode(x, plans)
        return Pieces(tuple(rules.certified(one, plan) for one, plan in zip(made, plans)))

    def condition(self, given: dict[str, Any], n: int) -> Tensor | None:
        """The condition (N, T, 5 + V) from words, see `words.plans`; of events a frame, see `events.py`.

        ConfigError names an unknown or impossible word.
        """
        if isinstance(self.form, Events):
            return self.form.condition(given, self.config.length)
        if not isinstance(self.form, Voices):
            if given:
                raise ConfigError(f"--given {next(iter(given))}= has no meaning for a model of {self.config.layout}")
            return None
        Rules.of(given)
        return self.form.frame(words.plans(self.form, given, n))

    def prompted(self, asked: list[Any]) -> Tensor:
        """The condition (N, T, 5 + V) of N wishes, words of a condition each or None, as long as the longest of them.

        For the layout of voices. ConfigError as in `words.plans`, and for a rule, which masks what is to be learnt.
        """
        if ruled := [rule for wish in asked for rule in rules.RULES if rule in (wish or {})]:
            raise ConfigError(f"{ruled[0]} is a rule, laid over notes as they are drawn; wishes are conditions")
        plans = self._wished(asked)
        return self.form.frame(plans)[:, : max(plan.frames for plan in plans)]

    def answered(self, x: Tensor, asked: list[Any], rows: list[int]) -> Pieces:
        """Pieces of rows (B, T, V), each of which one of the wishes was for: rows says which."""
        plans = self._wished(asked)
        return self.form.decode(x, [plans[row] for row in rows])  # type: ignore[call-arg]

    def _wished(self, asked: list[Any]) -> list[Plan]:
        """A plan for each wish; those alike are spread over the shapes of training pieces together."""
        found: dict[int, Plan] = {}
        for wish in {repr(w): w for w in asked}.values():
            alike = [row for row, other in enumerate(asked) if repr(other) == repr(wish)]
            found |= dict(zip(alike, words.plans(self.form, wish or {}, len(alike))))  # type: ignore[arg-type]
        return [found[row] for row in range(len(asked))]

    @property
    def asking(self) -> dict[str, str]:
        """The words of a condition, and what each can be."""
        if isinstance(self.form, Events):
            return {"length": "how many events, a whole number"}
        return words.ASKING | rules.ASKING if isinstance(self.form, Voices) else {}

    def limits(self, given: dict[str, Any], n: int) -> dict[str, Callable[..., Any]]:
        """What the model's `sample` is told to hold to, beside the condition."""
        if not isinstance(self.form, Voices):
            return {}
        rules = Rules.of(given)
        return {"allow": rules.allow(self.form, words.plans(self.form, given, n))} if rules.any else {}

    def state(self) -> dict[str, Any]:
        return {"config": asdict(self.config), "facts": asdict(self.form.facts)}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> MusicCodec:
        config = fill(cls.Config, state["config"], "codec")
        if config.layout == "sets":
            return cls(config, Sets(config.step, config.transpose, config.upwards, SetFacts(**state["facts"])))
        if config.layout == "events":
            return cls(config, Events(config.transpose, EventFacts(**state["facts"])))
        if config.layout in PASSAGES:
            return cls(config, PASSAGES[config.layout](config.step, config.transpose, Span(**state["facts"])))
        facts = Facts(**state["facts"])
        facts.shapes = [[s[0], tuple(tuple(m) for m in s[1]), *s[2:]] for s in facts.shapes]
        return cls(config, Voices(config.step, config.transpose, facts))
