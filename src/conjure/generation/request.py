"""What is asked of a writer and what comes back: a request, pieces of the answer as they are made, the whole answer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from conjure.core.errors import ConfigError
from conjure.generation.grammar import Grammar
from conjure.models.decoding import Choice

Finish = Literal["stop", "length"]  # an end token, a stop string or the grammar's end; the limit or the context's end

MOST_STOPS, LONGEST_STOP = 64, 1024


@dataclass(frozen=True)
class Request:
    """A prompt of tokens, and how it is to be continued.

    limit: tokens written at most. stops: texts that end the answer and are not part of it; `ends`: tokens that do,
    those of the codec where it is None. logprobs: how many likely tokens are named beside each one written, with
    their log-probabilities (0: none, and none of what was written). seed: of the draw, any where it is None.
    lookup: tokens guessed ahead from what the text holds already, for texts that repeat their prompt (0: none).
    truncate: a prompt longer than the context loses its beginning instead of being refused.
    """

    prompt: list[int]
    choice: Choice = field(default_factory=Choice)
    limit: int = 256
    stops: tuple[str, ...] = ()
    logprobs: int = 0
    seed: int | None = None
    grammar: Grammar | None = None
    ends: tuple[int, ...] | None = None
    lookup: int = 0
    truncate: bool = False

    def __post_init__(self) -> None:
        if self.limit < 1:
            raise ConfigError(f"limit is {self.limit}; at least 1 token is written")
        if not 0 <= self.logprobs <= 100:
            raise ConfigError(f"logprobs is {self.logprobs}; it is a number of tokens, 0 to 100")
        if not 0 <= self.lookup <= 32:
            raise ConfigError(f"lookup is {self.lookup}; it is a number of tokens, 0 to 32")
        if len(self.stops) > MOST_STOPS or any(not 0 < len(stop) <= LONGEST_STOP for stop in self.stops):
            raise ConfigError(f"there may be {MOST_STOPS} stop strings of 1 to {LONGEST_STOP} characters each")
        if self.seed is not None and not 0 <= self.seed < 2**63:
            raise ConfigError(f"seed is {self.seed}; it is a whole number from 0 to 2^63 - 1")

    def check(self, vocab: int) -> None:
        """ConfigError names a token that a model of `vocab` tokens does not have."""
        biased = [token for token, _ in self.choice.bias]
        for what, tokens in (("the prompt", self.prompt), ("logit bias", biased), ("ends", self.ends or ())):
            if wrong := [t for t in tokens if not 0 <= t < vocab]:
                raise ConfigError(f"{what} holds token {wrong[0]}; the model's tokens are 0 to {vocab - 1}")


@dataclass(frozen=True)
class Likely:
    """A token, its bytes, and its log-probability in nats under the model itself.

    That is before temperature, penalties, bias and grammar. `others` are the likeliest at its place, best first.
    """

    token: int
    spelling: bytes
    logprob: float
    others: tuple[Likely, ...] = ()


@dataclass(frozen=True)
class Piece:
    """What one step adds to an answer.

    `text` is whole characters and holds no part of a stop string; it may be empty while a character or a possible
    stop string is incomplete. `tokens` are those written in this step, the end token left out; `logprobs` theirs.
    """

    text: str
    tokens: list[int]
    logprobs: list[Likely]
    finish: Finish | None = None


@dataclass(frozen=True)
class Answer:
    """All pieces joined. cached_tokens: of the prompt, those that did not have to be read again.

    cut_tokens: taken from the prompt's beginning, so that it fits. guessed and confirmed: tokens that lookup proposed,
    and those of them that the model would have written.
    """

    text: str
    tokens: list[int]
    logprobs: list[Likely]
    finish: Finish
    prompt_tokens: int
    cached_tokens: int
    cut_tokens: int = 0
    guessed: int = 0
    confirmed: int = 0

    @classmethod
    def joined(cls, pieces: Iterable[Piece], **counts: int) -> Answer:
        pieces = list(pieces)
        tokens = [token for piece in pieces for token in piece.tokens]
        logprobs = [found for piece in pieces for found in piece.logprobs]
        text = "".join(piece.text for piece in pieces)
        return cls(text, tokens, logprobs, pieces[-1].finish or "length", **counts)
