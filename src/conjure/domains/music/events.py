"""The layout of events: one stream of tokens for all instruments, REMI by miditok, joined to longer ones by BPE."""

from __future__ import annotations

import json
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from conjure.core.config import nearest
from conjure.core.errors import ConfigError, DataError
from conjure.domains.music import instruments
from conjure.domains.music.midi import from_score, to_symusic
from conjure.domains.music.piece import Part, Piece, Pieces
from conjure.domains.music.voices import SHIFTS
from conjure.domains.protocol import Encoded

METERS = {2: [2, 3, 4], 4: [1, 2, 3, 4, 5, 6, 7], 8: [3, 5, 6, 7, 8, 9, 12], 16: [6, 9, 12]}
FILE = "tokenizer.json"
ASKING = {
    "length": "how many events, a whole number",
    "instrument": "the only instruments that play, as many as you like: flute,bass,drums",
}
GIVEN = (*ASKING, "prompt")
PROGRAM, BAR, METER = "Program_", "Bar_", "TimeSig_"


@dataclass(frozen=True)
class EventFacts:
    """The tokenizer as miditok writes it, how far a model looks back, and the programs of the training pieces."""

    tokenizer: dict[str, Any]
    context: int
    programs: list[int] = field(default_factory=list)


class Events:
    """Pieces to a stream of tokens (S,) and back: bars, metres, places, tempos, programs, pitches, velocities, lengths.

    The last token of the vocabulary stands between pieces (Huang & Yang 2020, section 3; programs in one stream and BPE
    as in Fradet et al. 2023).
    """

    def __init__(self, transpose: bool, facts: EventFacts):
        self.transpose, self.facts = transpose, facts
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / FILE).write_text(json.dumps(facts.tokenizer), "utf-8")
            with _calm():
                self.tokenizer = _miditok().REMI(params=Path(folder) / FILE)
        self.end = len(self.tokenizer)
        self.vocab = self.end + 1

    @classmethod
    def learn(cls, pieces: Pieces, vocab: int, context: int, transpose: bool) -> Events:
        """BPE over the training pieces until the vocabulary has `vocab` tokens; none where it is 0."""
        miditok = _miditok()
        config = miditok.TokenizerConfig(
            use_programs=True,
            use_tempos=True,
            use_time_signatures=True,
            num_velocities=8,
            num_tempos=24,
            pitch_range=(0, 127),
            time_signature_range=METERS,
            beat_res={(0, 4): 8, (4, 12): 4},
        )
        with tempfile.TemporaryDirectory() as folder, _calm():
            tokenizer = miditok.REMI(config)
            if vocab > len(tokenizer):
                files = [Path(folder) / f"{row}.mid" for row in range(len(pieces))]
                for one, file in zip(pieces, files):
                    to_symusic(one).dump_midi(str(file))
                tokenizer.train(vocab_size=vocab, files_paths=files)
            tokenizer.save(folder, filename=FILE)
            state = json.loads((Path(folder) / FILE).read_text("utf-8"))
        known = {_program(part) for one in pieces for part in one.parts}
        return cls(transpose, EventFacts(state, context, sorted(known)))

    def describe(self) -> str:
        return f"events of all instruments in one stream: {self.end} tokens, seen {self.facts.context} at a time"

    def encode(self, pieces: Pieces, shifts: tuple[int, ...] = (0,)) -> Encoded:
        """One stream of all pieces, each in every key of `shifts`, an end token before, between and after them."""
        parts: list[np.ndarray] = [np.array([self.end])]
        for one in pieces:
            for shift in shifts:
                ids = self.tokens(one.transposed(shift) if shift else one)
                parts.append(np.append(ids, self.end))
        stream = np.concatenate(parts)
        small = np.int16 if self.vocab < 2**15 else np.int32
        return Encoded(torch.from_numpy(stream.astype(small)), window=min(self.facts.context, len(stream) - 1))

    def shifts(self, pieces: int) -> tuple[int, ...]:
        """All keys, unless there are so many pieces that the stream would not fit in memory."""
        return tuple(SHIFTS) if self.transpose and pieces < 5000 else (0,)

    def tokens(self, one: Piece) -> np.ndarray:
        """The tokens of one piece, (n,)."""
        with _calm():
            found = self.tokenizer.encode(to_symusic(one))
        return np.asarray(found.ids, np.int64)

    def heard(self, one: Piece) -> Piece:
        """A piece as these events write it."""
        return self.decode(torch.from_numpy(self.tokens(one))[None])[0]

    def limits(self, given: dict[str, Any]) -> dict[str, Any]:
        """Which tokens may be drawn, "allow" (V,): those of no instrument, and those of the instruments asked for.

        ConfigError for an instrument that no training piece has.
        """
        if "instrument" not in given:
            return {}
        asked = set(instruments.programs(str(given["instrument"])))
        if missing := asked - set(self.facts.programs):
            known = ", ".join(map(instruments.name_of, self.facts.programs))
            raise ConfigError(f"no training piece has {instruments.name_of(min(missing))}; they have: {known}")
        return {"allow": self.playing(asked)}

    def playing(self, programs: set[int]) -> Tensor:
        """Which tokens name none but these programs, bool (V,)."""
        return torch.tensor([self._programs(token) <= programs for token in range(self.vocab)])

    def played(self, one: Piece) -> set[int]:
        """The programs of a piece that training pieces have too; all of theirs where it has none of them."""
        known = set(self.facts.programs)
        return known & {_program(part) for part in one.parts} or known

    def certified(self, one: Piece, given: dict[str, Any]) -> Piece:
        """The piece with whether it has the instruments asked for, and no others."""
        if "instrument" not in given:
            return one
        asked = set(instruments.programs(str(given["instrument"])))
        played = dict.fromkeys(map(_program, one.parts))
        odd = [instruments.name_of(program) for program in played if program not in asked]
        names = ", ".join(map(instruments.name_of, played)) or "nothing plays"
        text = f"does not hold: {odd[0]} plays too" if odd else f"holds: {names}"
        return replace(one, certificate={**one.certificate, "instrument": text})

    def _programs(self, token: int) -> set[int]:
        """The programs that a token names."""
        return {int(word[len(PROGRAM) :]) for word in self._words[token] if word.startswith(PROGRAM)}

    @cached_property
    def _words(self) -> list[list[str]]:
        """What each token says, of those joined all that they are joined of; of the end nothing."""
        if not self.tokenizer.is_trained:
            return [[str(self.tokenizer[token])] for token in range(self.end)] + [[]]
        found: list[list[str]] = []
        for token in range(self.end):
            sequence = _miditok().TokSequence(ids=[token], are_ids_encoded=True)
            self.tokenizer.decode_token_ids(sequence)
            found.append(list(map(str, sequence.tokens)))
        return [*found, []]

    @cached_property
    def starts(self) -> Tensor:
        """Which tokens begin a bar, bool (V,); none has the beginning of one within it."""
        return torch.tensor([bool(words) and words[0].startswith(BAR) for words in self._words])

    @cached_property
    def meters(self) -> Tensor:
        """Which tokens tell a metre, bool (V,)."""
        return torch.tensor([any(word.startswith(METER) for word in words) for words in self._words])

    def bars(self, ids: np.ndarray) -> list[np.ndarray]:
        """Tokens (n,) of a piece, bar by bar."""
        return np.split(ids, np.flatnonzero(self.starts.numpy()[ids])[1:])

    def head(self, bar: np.ndarray) -> np.ndarray:
        """A bar's first tokens, up to its metre."""
        told = np.flatnonzero(self.meters.numpy()[bar])
        return bar[: told[0] + 1 if len(told) else 1]

    def decode(self, x: Tensor) -> Pieces:
        """Pieces of rows (N, T), each up to its first end token; those that hold no note are kept, empty."""
        made = []
        for row in x.tolist():
            row = row[1:] if row and row[0] == self.end else row
            ids = row[: row.index(self.end)] if self.end in row else row
            if not ids:
                made.append(Piece(np.zeros((0, 5), np.int32), ()))
                continue
            with _calm():
                made.append(from_score(self.tokenizer.decode(ids), ""))
        return Pieces(tuple(made))

    def condition(self, given: dict[str, Any], length: int) -> Tensor:
        """A frame (1, T): an end token or the events of a piece to go on with, then -1 for each token to be drawn.

        given: length (tokens), prompt (a file). ConfigError for others.
        """
        if unknown := [k for k in given if k not in GIVEN]:
            raise ConfigError(f"a model of events takes no --given {unknown[0]!r}: {nearest(unknown[0], GIVEN)}")
        start = np.array([self.end])
        if "prompt" in given:
            from conjure.domains.music import files

            try:
                start = np.append(start, self.tokens(files.load(Path(str(given["prompt"])))[0]))
            except DataError as error:
                raise ConfigError(f"the prompt cannot be used: {error}") from None
        text = str(given.get("length", length))
        if not text.isdecimal() or not 0 < int(text) <= 1_000_000:
            raise ConfigError(f"--given length={text} should be a whole number above zero")
        return torch.cat([torch.from_numpy(start).long(), torch.full((int(text),), -1)]).unsqueeze(0)


class Wishes:
    """Wishes as the tokens that a model of events goes on from, and what it writes as pieces: how rewards improve it.

    A wish is {"prompt": FILE}, or empty or None. `length` is how many tokens an answer has at most.
    """

    def __init__(self, form: Events, length: int):
        self.form, self.end, self.length = form, form.end, length

    def prompt(self, wish: dict[str, Any] | None) -> list[int]:
        """The tokens before the first that is drawn; ConfigError for words that no tokens say."""
        if odd := [word for word in wish or {} if word != "prompt"]:
            why = "objective.tokens says how many events" if odd[0] == "length" else "it is laid over events as drawn"
            raise ConfigError(f"--given {odd[0]} cannot be learnt: {why}; a model of events is given prompt=FILE here")
        return self.form.condition(dict(wish or {}), 1)[0, :-1].tolist()

    def completion(self, one: Piece) -> list[int]:
        """The tokens of a piece."""
        return self.form.tokens(one).tolist()

    def join(self, ids: list[int]) -> Piece:
        """The piece that tokens say, without chords and certificate."""
        return self.form.decode(torch.tensor([ids or [self.end]]))[0]


def _program(part: Part) -> int:
    return instruments.DRUMS if part.drums else part.program


def _miditok() -> Any:
    try:
        import miditok
    except ImportError:
        raise ConfigError("the layout of events needs miditok: pip install 'conjure[music]'") from None
    return miditok


@contextmanager
def _calm() -> Iterator[None]:
    """Without the warnings of a library about files that hold what its tokens cannot say."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
