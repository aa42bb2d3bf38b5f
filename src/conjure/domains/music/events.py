"""The layout of events: one stream of tokens for all instruments, REMI by miditok, joined to longer ones by BPE."""

from __future__ import annotations

import json
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from conjure.core.config import nearest
from conjure.core.errors import ConfigError, DataError
from conjure.domains.music.midi import from_score, to_symusic
from conjure.domains.music.piece import Piece, Pieces
from conjure.domains.music.voices import SHIFTS
from conjure.domains.protocol import Encoded

METERS = {2: [2, 3, 4], 4: [1, 2, 3, 4, 5, 6, 7], 8: [3, 5, 6, 7, 8, 9, 12], 16: [6, 9, 12]}
FILE = "tokenizer.json"
GIVEN = ("length", "prompt")


@dataclass(frozen=True)
class EventFacts:
    """The tokenizer as miditok writes it, and how far a model looks back."""

    tokenizer: dict[str, Any]
    context: int


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
        return cls(transpose, EventFacts(state, context))

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

    def decode(self, x: Tensor) -> Pieces:
        """Pieces of rows (N, T), each up to its first end token; those that hold no note are kept, empty."""
        made = []
        for row in x.tolist():
            row = row[1:] if row and row[0] == self.end else row
            ids = row[: row.index(self.end)] if self.end in row else row
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
