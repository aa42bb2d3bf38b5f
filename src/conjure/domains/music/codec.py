"""Scores as tensors, in one of several layouts: voices on a grid, sets of keys, events, piano rolls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor

from conjure.core.config import fill
from conjure.core.errors import ConfigError
from conjure.core.space import Dense, Space, Tokens
from conjure.domains.music import checks, features, habits, leading, separation, words
from conjure.domains.music.copies import Prints
from conjure.domains.music.events import ASKING as EVENT_WORDS
from conjure.domains.music.events import EventFacts, Events, Wishes
from conjure.domains.music.harmony import collected
from conjure.domains.music.passages import Melodies, Rolls, Span
from conjure.domains.music.piece import TICKS, Piece, Pieces
from conjure.domains.music.rules import RULES, WORDS, Rules
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
        `length` of them a sample. prints: fingerprints of the training pieces stay with the model, so that all it makes
        is compared with them (`copies.py`).
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
        prints: bool = True

        def __post_init__(self) -> None:
            if self.step < 1 or TICKS % self.step:
                raise ConfigError(f"codec.step is {self.step}; it should divide {TICKS}: 1, 2, 3, 4, 6, 8, 12 or 24")
            if not 0 <= self.voices <= 8 or self.frames < 4:
                raise ConfigError("codec.voices is 0 to 8, codec.frames at least 4")
            if self.context < 2 or self.length < 1:
                raise ConfigError("codec.context is at least 2, codec.length at least 1")

    FILES = ("prompt",)  # words of a condition that name files

    def __init__(
        self, config: MusicCodec.Config, form: Form, notes: tuple[str, ...] = (), prints: Prints | None = None
    ):
        self.config, self.form, self.notes, self.prints = config, form, list(notes), prints
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
        step, transpose, notes = config.step, config.transpose, pieces.notes
        if config.layout != "events" and len(found := separation.pitched(pieces)) < len(pieces):
            notes = (*notes, f"{len(pieces) - len(found)} of {len(pieces)} pieces left out: percussion only")
            pieces = found
        form: Form
        if config.layout == "sets":
            form = Sets.learn(pieces, step, transpose, config.upwards)
        elif config.layout == "events":
            form = Events.learn(pieces, config.vocab, config.context, transpose)
        elif config.layout in PASSAGES:
            form = PASSAGES[config.layout].learn(pieces, step, config.frames, transpose)
        else:
            form = Voices.learn(pieces, step, config.voices, config.frames, transpose)
            notes = (*notes, *filter(None, [habits.told(form.facts.faults)]))
        prints = Prints.of(pieces, form.heard) if config.prints else None
        return cls(config, form, notes, prints)

    @property
    def judging(self) -> dict[str, Callable[..., Any]]:
        """What a judge asks of single pieces."""
        found = {
            "measures": features.measures,
            "faults": leading.faults,
            "runs": checks.runs,
            "place": leading.place,
            "bars": features.bars,
            "heard": self._heard,
        }
        if isinstance(self.form, Voices | Sets):
            width = TICKS // self.config.step
            if isinstance(self.form, Voices):
                found["kept"] = lambda: habits.told(self.form.facts.faults)  # type: ignore[union-attr]
            found["frames"] = lambda one: 0 if all(p.drums for p in one.parts) else -(-one.end // width)
        return found

    def _heard(self, one: Piece) -> Piece:
        """A piece as a model of this layout writes it."""
        silent = all(part.drums for part in one.parts) and not isinstance(self.form, Events)
        return one if silent else self.form.heard(one)

    def describe(self) -> str:
        """What was learnt, in one line."""
        return self.form.describe()

    def encode(self, pieces: Pieces) -> Encoded:
        """A row a piece (a section of a long one), with its mask and condition."""
        return self.form.encode(pieces if isinstance(self.form, Events) else separation.pitched(pieces))

    def encode_training(self, pieces: Pieces) -> Encoded:
        """Every piece in many keys; of voices some conditions say less."""
        pieces = pieces if isinstance(self.form, Events) else separation.pitched(pieces)
        less = {"untold": True} if isinstance(self.form, Voices) else {}
        return self.form.encode(pieces, self.form.shifts(len(pieces)), **less)

    def adapt(self, pieces: Pieces) -> Pieces:
        """Held-out pieces with notes out of range moved by octaves into it."""
        return self.form.adapt(pieces) if isinstance(self.form, Voices) else pieces

    def decode(self, x: Tensor, rng: torch.Generator | None = None, given: dict[str, Any] | None = None) -> Pieces:
        """Pieces again, in the frames that `condition` asked for, each with its certificate."""
        rules = self.rules(given or {})
        if isinstance(self.form, Voices):
            plans = words.plans(self.form, given or {}, len(x))
            made = [rules.certified(one, plan) for one, plan in zip(self.form.decode(x, plans), plans)]
        else:
            made = self.form.decode(x)
        if isinstance(self.form, Events):
            made = [self.form.certified(one, given or {}) for one in made]
        return Pieces(tuple(self.compared(collected(one), rules.copies) for one in made))

    def compared(self, one: Piece, asked: bool = False, given: Piece | None = None) -> Piece:
        """The piece with what its certificate says of copies of training pieces."""
        if self.prints is not None:
            return self.prints.certified(one, asked, given)
        return replace(one, certificate={**one.certificate, "copies": "not compared: the model keeps no fingerprints"})

    def condition(self, given: dict[str, Any], n: int) -> Tensor | None:
        """The condition (N, T, 5 + V) from words, see `words.plans`; of events a frame, see `events.py`.

        ConfigError names an unknown or impossible word.
        """
        rules = self.rules(given)
        if rules.copies and self.prints is None:
            raise ConfigError(
                "this model keeps no fingerprints of its training pieces, so copies=no cannot be honoured"
            )
        if isinstance(self.form, Voices):
            return self.form.frame(words.plans(self.form, given, n))
        told = {name: word for name, word in given.items() if name != "copies"}
        if isinstance(self.form, Events):
            return self.form.condition(told, self.config.length)
        if told:
            raise ConfigError(f"--given {next(iter(told))}= has no meaning for a model of {self.config.layout}")
        return None

    def prompted(self, asked: list[Any]) -> Tensor:
        """The condition (N, T, 5 + V) of N wishes, words of a condition each or None, as long as the longest of them.

        For the layout of voices. ConfigError as in `words.plans`, and for a rule, which masks what is to be learnt.
        """
        if ruled := [rule for wish in asked for rule in RULES if rule in (wish or {})]:
            raise ConfigError(f"{ruled[0]} is a rule, laid over notes as they are drawn; wishes are conditions")
        plans = self._wished(asked)
        return self.form.frame(plans)[:, : max(plan.frames for plan in plans)]

    @property
    def end(self) -> int | None:
        """The token between pieces, where they are one stream of events."""
        return self.form.end if isinstance(self.form, Events) else None

    def own_spelling(self) -> Wishes:
        """Between wishes, pieces and the tokens of events, the only layout that is a stream."""
        assert isinstance(self.form, Events)
        return Wishes(self.form, self.config.length)

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
        if isinstance(self.form, Voices):
            return words.ASKING | WORDS
        return (EVENT_WORDS if isinstance(self.form, Events) else {}) | {"copies": WORDS["copies"]}

    def limits(self, given: dict[str, Any], n: int, rows: Sequence[int] | None = None) -> dict[str, Any]:
        """What the model's `sample` is told to hold to, beside the condition; rows: only these of the n."""
        if isinstance(self.form, Events):
            return self.form.limits(given)
        if not isinstance(self.form, Voices):
            return {}
        rules, plans = self.rules(given), words.plans(self.form, given, n)
        plans = plans if rows is None else [plans[row] for row in rows]
        return {"allow": rules.allow(self.form, plans)} if rules.any or plans[0].form else {}

    def rules(self, given: dict[str, Any]) -> Rules:
        """The rules that words of a condition ask for, and those that the training pieces keep."""
        return Rules.of(given, self.form.facts.faults if isinstance(self.form, Voices) else None)

    def unmet(self, x: Tensor, given: dict[str, Any]) -> list[int]:
        """Rows that break a rule asked for, which are worth another draw."""
        if not (self.rules(given).asked or "instrument" in given):
            return []
        made = self.decode(x, None, given)
        return [row for row, one in enumerate(made) if any(t.startswith("does not") for t in one.certificate.values())]

    def state(self) -> dict[str, Any]:
        prints = {} if self.prints is None else {"prints": self.prints.state()}
        return {"config": asdict(self.config), "facts": asdict(self.form.facts), **prints}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> MusicCodec:
        config = fill(cls.Config, state["config"], "codec")
        step, transpose = config.step, config.transpose
        form: Form
        if config.layout == "sets":
            form = Sets(step, transpose, config.upwards, SetFacts(**state["facts"]))
        elif config.layout == "events":
            form = Events(transpose, EventFacts(**state["facts"]))
        elif config.layout in PASSAGES:
            form = PASSAGES[config.layout](step, transpose, Span(**state["facts"]))
        else:
            facts = Facts(**state["facts"])
            facts.shapes = [[s[0], tuple(tuple(m) for m in s[1]), *s[2:]] for s in facts.shapes]
            form = Voices(step, transpose, facts)
        return cls(config, form, prints=Prints.from_state(state["prints"]) if "prints" in state else None)
