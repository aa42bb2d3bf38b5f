"""One text under way: which token comes next, what of it may be told, and when it ends."""

from __future__ import annotations

import queue
import secrets
from dataclasses import dataclass

import numpy as np

from conjure.core.errors import ArtifactError
from conjure.generation.request import Finish, Likely, Piece, Request
from conjure.generation.spelling import Spelling, Teller
from conjure.models.decoding import Draws, Tally


@dataclass(frozen=True)
class Script:
    """What all texts of a writer share: the model's vocabulary, its end tokens, its context (None: no bound)."""

    vocab: int
    ends: tuple[int, ...]
    context: int | None
    spelling: Spelling


class Sequence:
    """A request's answer as it grows. `tokens` are prompt and answer; those from `read` on the model has yet to see.

    `pieces` go to who asked, who may close the sequence before its end.
    """

    def __init__(self, request: Request, prompt: list[int], script: Script):
        self.request, self.script, self.prompt = request, script, prompt
        self.tokens, self.read, self.cached, self.slot = list(prompt), 0, 0, -1
        self.pieces: queue.SimpleQueue[Piece | Exception] = queue.SimpleQueue()
        self.closed = False
        self.seed = secrets.randbits(63) if request.seed is None else request.seed
        self._draws, self._teller = Draws(self.seed), Teller(request.stops)
        self._tally = Tally(prompt) if request.choice.weighs else None
        self._guide = request.grammar.begin() if request.grammar else None
        self._ends = script.ends if request.ends is None else request.ends
        room = request.limit if script.context is None else script.context - len(prompt)
        self.limit = min(request.limit, room)

    @property
    def written(self) -> int:
        return len(self.tokens) - len(self.prompt)

    def advance(self, logits: np.ndarray) -> Piece:
        """The piece that one more token makes, given the model's logits (V,)."""
        token = self._choose(logits)
        if token in self._ends:
            return self._piece([], [], b"", "stop")
        found = [self._likely(logits, token)] if self.request.logprobs else []
        self.tokens.append(token)
        if self._tally is not None:
            self._tally.add(token)
        finish: Finish | None = "length" if self.written >= self.limit else None
        if self._guide is not None:
            self._guide.take(token)
            finish = "stop" if self._guide.finished else finish
        return self._piece([token], found, self.script.spelling(token), finish)

    def _choose(self, logits: np.ndarray) -> int:
        if not np.isfinite(logits[logits.argmax()]):
            raise ArtifactError(
                f"the model's logits after token {len(self.tokens)} are not numbers: its weights are damaged, "
                "or too large for this precision (weights fp32 is the safest)"
            )
        if self._tally is not None or self._guide is not None:
            logits = logits.copy()
        if self._tally is not None:
            self.request.choice.weigh(logits, self._tally)
        if self._guide is not None:
            allowed = self._guide.allowed(len(logits))
            if self._guide.complete:
                allowed[list(self._ends)] = True
            logits[~allowed] = -np.inf
        return self.request.choice.pick(logits, self._draws, self.written)

    def _piece(self, tokens: list[int], found: list[Likely], spelling: bytes, finish: Finish | None) -> Piece:
        text, stopped = self._teller.tell(spelling, finish is not None)
        return Piece(text, tokens, found, "stop" if stopped else finish)

    def _likely(self, logits: np.ndarray, token: int) -> Likely:
        count = min(self.request.logprobs, len(logits))
        exact = logits.astype(np.float64) - logits.max()
        exact -= np.log(np.exp(exact).sum())
        best = np.argpartition(-logits, count - 1)[:count]
        best = best[np.argsort(-logits[best], kind="stable")]
        others = tuple(Likely(int(t), self.script.spelling(int(t)), float(exact[t])) for t in best)
        return Likely(token, self.script.spelling(token), float(exact[token]), others)
