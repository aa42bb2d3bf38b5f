"""One text under way: which token comes next, what of it may be told, and when it ends."""

from __future__ import annotations

import queue
import secrets
from dataclasses import dataclass

import numpy as np
import torch

from conjure.core.errors import ArtifactError, ConfigError
from conjure.generation.lookup import Lookup
from conjure.generation.request import Finish, Likely, Piece, Request
from conjure.generation.spelling import Spelling, Teller
from conjure.models.decoding import Draws, Tally

TIE = 1e-4  # logits nearer than this share of the greatest may change places by rounding


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
        self.pieces: queue.SimpleQueue[Piece | Exception | None] = queue.SimpleQueue()
        self.closed = self.careful = False  # careful: the next token is read by itself, not with a guess
        self.seed = secrets.randbits(63) if request.seed is None else request.seed
        self._draws, self._teller = Draws(self.seed), Teller(request.stops)
        self._tally = Tally(prompt) if request.choice.weighs else None
        self.lookup = Lookup(request.lookup) if request.lookup else None
        if self.lookup:
            self.lookup.add(prompt)
        self._guide = request.grammar.begin() if request.grammar else None
        self._ends = script.ends if request.ends is None else request.ends
        room = request.limit if script.context is None else script.context - len(prompt)
        self.limit = min(request.limit, room)

    @property
    def written(self) -> int:
        return len(self.tokens) - len(self.prompt)

    @property
    def guess(self) -> list[int]:
        """Tokens that may come next, to be read with those still unread; none where there is nothing to go by."""
        if self.lookup is None or not self.written or self.careful:
            return []
        return self.lookup.guess(self.limit - self.written - 1)

    def certain(self, logits: np.ndarray) -> bool:
        """Whether no rounding could change what the likeliest token is; a draw is as good as certain."""
        if self.request.choice.temperature:
            return True
        best, second = np.partition(logits, -2)[-1:-3:-1]
        return bool(best - second > TIE * max(1.0, abs(best)))

    def advance(self, logits: np.ndarray) -> Piece:
        """The piece that one more token makes, given the model's logits (V,), with those a grammar forces after it."""
        token = self._choose(logits)
        if token in self._ends:
            text, _ = self._teller.tell(b"", True)
            return Piece(text, [], [], "stop")
        found, tokens = [self._likely(logits, token)] if self.request.logprobs else [], [token]
        if self._guide is not None:
            self._guide.take(token)
            forced = [] if self.request.logprobs else self._guide.forced()
            for further in forced:
                self._guide.take(further)
            tokens += forced
        return self._write(tokens, found)

    def _write(self, tokens: list[int], found: list[Likely]) -> Piece:
        texts: list[str] = []
        finish: Finish | None = None
        for at, token in enumerate(tokens, 1):
            self.tokens.append(token)
            if self._tally is not None:
                self._tally.add(token)
            if self.written >= self.limit:
                finish = "length"
            if at == len(tokens) and self._guide is not None and self._guide.finished:
                finish = "stop"
            text, stopped = self._teller.tell(self.script.spelling(token), finish is not None)
            texts.append(text)
            if stopped or finish:
                return Piece("".join(texts), tokens[:at], found, "stop" if stopped else finish)
        if self.lookup is not None:
            self.lookup.add(tokens)
        return Piece("".join(texts), tokens, found)

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
        if self._guide is None:
            return self.request.choice.pick(logits, self._draws, self.written)
        allowed = self._guide.allowed(len(logits))
        if self._guide.complete:
            allowed[list(self._ends)] = True
        logits[~allowed] = -np.inf
        if not np.isfinite(logits.max()):
            raise ConfigError("the logit bias forbids every token that the grammar allows")
        token = self.request.choice.pick(logits, self._draws, self.written)
        return token if token in self._ends else self._guide.affordable(token, self.limit - self.written)

    def _likely(self, logits: np.ndarray, token: int) -> Likely:
        found = torch.from_numpy(logits)
        total, spell = float(found.logsumexp(0)), self.script.spelling
        best = found.topk(min(self.request.logprobs, len(logits)))
        others = tuple(Likely(t, spell(t), x - total) for t, x in zip(best.indices.tolist(), best.values.tolist()))
        return Likely(token, spell(token), float(logits[token]) - total, others)
