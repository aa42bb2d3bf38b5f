"""The thread that writes for many at once: every step reads a token of each text under way, or part of a new prompt."""

from __future__ import annotations

import atexit
import threading
from collections import deque
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from conjure.artifact import Artifact
from conjure.core.errors import ConfigError, ConjureError, DataError
from conjure.core.space import Tokens
from conjure.generation.request import Answer, Piece, Request
from conjure.generation.sequence import Script, Sequence
from conjure.generation.slots import Part, Rows, slots_for
from conjure.generation.spelling import Spelling
from conjure.models.llm import LLM
from conjure.models.weights import keep_weights

PART = 64  # prompt tokens read between two steps while others are being served
WHOLE = 512  # and while nobody is


class Stream(Iterator[Piece]):
    """Pieces of one answer as they are written; closing it, or losing it, ends the writing.

    cut_tokens: taken from the prompt's beginning; prompt_tokens: what is left of it; seed: of the draw.
    """

    def __init__(self, sequence: Sequence, cut: int):
        self._sequence, self.cut_tokens = sequence, cut
        self.prompt_tokens, self.seed = len(sequence.prompt), sequence.seed

    @property
    def cached_tokens(self) -> int:
        """Of the prompt, those that did not have to be read again; known with the first piece."""
        return self._sequence.cached

    @property
    def guessed(self) -> int:
        """Tokens that lookup has proposed so far."""
        return self._sequence.lookup.guessed if self._sequence.lookup else 0

    @property
    def confirmed(self) -> int:
        """Those of them that the model would have written."""
        return self._sequence.lookup.confirmed if self._sequence.lookup else 0

    def __next__(self) -> Piece:
        if self._sequence.closed:
            raise StopIteration
        found = self._sequence.pieces.get()
        if found is None:
            raise StopIteration
        if isinstance(found, Exception):
            self.close()
            raise found
        if found.finish is not None:
            self.close()
        return found

    def close(self) -> None:
        """From any thread; whoever waits for the next piece is told that there is none."""
        if not self._sequence.closed:
            self._sequence.closed = True
            self._sequence.pieces.put(StopIteration())

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()


class Writer:
    """Answers requests with an artifact's model, up to `slots` of them side by side (continuous batching).

    Others wait in the order they came. A text joins and leaves at any token; a long prompt is read in parts, between
    the steps of others (Yu et al. 2022, sec. 3.1; Agrawal et al. 2023, sec. 4). weights: "fp32", or as they are to be
    rounded (`models/weights.py`). All methods may be called from any thread.
    """

    def __init__(self, artifact: Artifact, *, slots: int = 8, weights: str = "fp32"):
        space = artifact.model.space
        if not isinstance(space, Tokens) or not callable(getattr(artifact.model, "read", None)) or artifact.first:
            raise ConfigError(f"a {artifact.recipe.model} of {artifact.recipe.domain} writes no text token by token")
        if slots < 1:
            raise ConfigError(f"slots is {slots}; at least 1 text is written at a time")
        keep_weights(artifact.model, weights)
        self.artifact, self.codec = artifact, artifact.codec
        codec: Any = artifact.codec
        ends = tuple(getattr(codec, "ends", None) or [codec.end])
        bounded = isinstance(artifact.model, LLM) or not space.stream
        self.script = Script(space.vocab, ends, space.length if bounded else None, Spelling(codec))
        with torch.no_grad():
            self._count, self._slots = slots, slots_for(artifact.model, slots)
        self._waiting: deque[Sequence] = deque()
        self._active: list[Sequence] = []
        self._changed, self._ended = threading.Condition(), False
        self._thread = threading.Thread(target=self._work, name="conjure-writer", daemon=True)
        self._thread.start()
        atexit.register(self.close)  # a thread must not be in the midst of C when Python ends

    def stream(self, request: Request) -> Stream:
        """The answer piece by piece. DataError says at once when the prompt is empty or longer than the context."""
        request.check(self.script.vocab)
        if request.lookup and not isinstance(self._slots, Rows):
            raise ConfigError(
                f"lookup needs a memory that can be rolled back: an llm, not a {self.artifact.recipe.model}"
            )
        prompt, cut = self._fitted(request)
        sequence = Sequence(request, prompt, self.script)
        with self._changed:
            if self._ended:
                raise ConfigError("the writer is closed")
            self._waiting.append(sequence)
            self._changed.notify()
        return Stream(sequence, cut)

    def answer(self, request: Request) -> Answer:
        """The whole answer: the pieces of `stream`, joined."""
        stream = self.stream(request)
        pieces = list(stream)
        names = ("prompt_tokens", "cached_tokens", "cut_tokens", "guessed", "confirmed")
        return Answer.joined(pieces, **{name: getattr(stream, name) for name in names})

    def close(self) -> None:
        """End the thread; texts under way end with an error."""
        atexit.unregister(self.close)
        with self._changed:
            self._ended = True
            self._changed.notify()
        self._thread.join()

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _fitted(self, request: Request) -> tuple[list[int], int]:
        """The prompt as it will be read, and how many of its first tokens were cut."""
        prompt, context = list(request.prompt), self.script.context
        if not prompt and self.artifact.model.space.stream:  # type: ignore[union-attr]
            raise DataError("the prompt is empty: give at least one token to go on from")
        if context is None or len(prompt) < context:
            return prompt, 0
        if not request.truncate:
            raise DataError(
                f"the prompt has {len(prompt)} tokens; with an answer of at least one it may have {context - 1} "
                "(shorten it, or ask for truncation)"
            )
        kept = max(context - request.limit, context // 2, 1)
        return prompt[-kept:], len(prompt) - kept

    @torch.inference_mode()
    def _work(self) -> None:
        while True:
            with self._changed:
                while not (self._ended or self._waiting or self._active):
                    self._changed.wait()
                if self._ended:
                    break
                self._admit()
            try:
                self._step()
            except Exception as error:  # nobody may wait for ever, whatever went wrong
                for sequence in list(self._active):
                    self._fail(sequence, error)
        for sequence in [*self._active, *self._waiting]:
            sequence.pieces.put(ConfigError("the writer was closed before the answer was complete"))

    def _admit(self) -> None:
        """Give slots to those who wait, as far as there are any; forget who left."""
        self._active = [sequence for sequence in self._active if not sequence.closed]
        while self._waiting and len(self._active) < self._count:
            sequence = self._waiting.popleft()
            if not sequence.closed:
                busy = {other.slot for other in self._active}
                sequence.slot, sequence.cached = self._slots.settle(sequence.prompt, busy)
                sequence.read = sequence.cached
                self._active.append(sequence)

    def _step(self) -> None:
        """One reading for all: the unread tokens of each text under way with what may follow, and part of a prompt."""
        going = [sequence for sequence in self._active if sequence.written]
        room, guesses = PART if going else WHOLE, [sequence.guess for sequence in going]
        parts = [Part(s.slot, s.tokens[s.read :] + guess, 1 + len(guess)) for s, guess in zip(going, guesses)]
        for sequence in (s for s in self._active if not s.written):
            tokens = sequence.tokens[sequence.read : sequence.read + room]
            last = sequence.read + len(tokens) == len(sequence.tokens)
            parts.append(Part(sequence.slot, tokens, int(last)))
            going.append(sequence)
            guesses.append([])
            room -= len(tokens)
            if room <= 0:
                break
        if not parts:
            return
        try:
            found = self._slots.read(parts)
        except Exception as error:  # whatever it is, those who wait for an answer must hear of it
            for sequence in going:
                self._fail(sequence, error)
            return
        for sequence, part, guess, logits in zip(going, parts, guesses, found):
            sequence.read += len(part.tokens) - len(guess)
            if guess:
                self._verify(sequence, guess, logits)
            elif part.wanted:
                sequence.careful = False
                self._advance(sequence, logits[0])

    def _verify(self, sequence: Sequence, guess: list[int], found: np.ndarray) -> None:
        """Keep of a guess what would have been written, given the logits (T, V) around it (Leviathan et al. 2023).

        Every token is chosen from the model's logits as ever, so the answer is the same. Where two logits are so near
        that reading several tokens at once may have changed their order, the place is read again by itself.
        """
        confirmed = 0
        for at, row in enumerate(found):
            sequence.careful = not sequence.certain(row)
            if sequence.careful:
                sequence.read -= 1
                break
            before = len(sequence.tokens)
            if not self._advance(sequence, row) or sequence.tokens[before:] != guess[at : at + 1]:
                break
            sequence.read, confirmed = sequence.read + 1, confirmed + 1
        self._slots.rewind(sequence.slot, sequence.read)  # type: ignore[union-attr]  # only rows are guessed for
        sequence.lookup.learn(len(guess), confirmed)  # type: ignore[union-attr]

    def _advance(self, sequence: Sequence, logits: np.ndarray) -> bool:
        """Write a token and hand it over; whether the text goes on."""
        try:
            piece = sequence.advance(logits)
        except Exception as error:
            self._fail(sequence, error)
            return False
        sequence.pieces.put(piece)
        if piece.finish is not None:
            self._active.remove(sequence)
        return piece.finish is None

    def _fail(self, sequence: Sequence, error: Exception) -> None:
        told = error if isinstance(error, ConjureError) else DataError(f"the answer could not be written: {error!r}")
        sequence.pieces.put(told)
        self._active.remove(sequence)
        self._slots.forget(sequence.slot)
