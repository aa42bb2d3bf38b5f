"""What an answer must look like: a JSON Schema, a regular expression or a grammar, by the `llguidance` package."""

from __future__ import annotations

import json
import random
from functools import lru_cache
from typing import Any

import numpy as np

from conjure.core.errors import ConfigError, DataError
from conjure.domains.chat.tokenizer import Tokenizer

BLANKS = r"[\x20\x0A]{1,12}"  # between JSON's parts; more would let a model write blanks for ever
CLOSERS = '"}],:'  # what brings a JSON text nearer its end, best first
ATTEMPTS, LONGEST = 4, 512  # endings tried, and tokens of one
MARGIN = 64  # tokens left, beyond the last ending found, at which an ending is looked for again
OWN_END = "<|the grammar's end|>"


def kit() -> Any:
    """The llguidance package; DataError says how to get it."""
    try:
        import llguidance
    except ImportError:
        raise DataError("grammars need the llguidance package: pip install 'conjure[language]'") from None
    return llguidance


@lru_cache(4)
def _words(form: str) -> Any:
    """The tokenizer as llguidance knows it, with an end token of its own behind all others."""
    with_end = Tokenizer(form).inner
    with_end.add_special_tokens([OWN_END])
    return kit().LLTokenizer(with_end.to_str(), eos_token=[with_end.token_to_id(OWN_END)])


class Grammar:
    """A grammar over one tokenizer's tokens; ConfigError says why there is no text that fits it."""

    def __init__(self, rules: str, tokenizer: Tokenizer):
        self.words = _words(tokenizer.form)
        self._matcher = kit().LLMatcher(self.words, rules, log_level=0)
        if self._matcher.is_error():
            raise ConfigError(f"the grammar cannot be used: {_first(self._matcher.get_error())}")

    @classmethod
    def json_schema(cls, schema: dict[str, Any] | bool | str, tokenizer: Tokenizer) -> Grammar:
        """JSON texts that are valid for a schema."""
        try:
            found = json.loads(schema) if isinstance(schema, str) else schema
            rules = kit().LLMatcher.grammar_from_json_schema(found, overrides={"whitespace_pattern": BLANKS})
        except ValueError as error:
            raise ConfigError(f"the JSON Schema cannot be used: {_first(error)}") from None
        return cls(rules, tokenizer)

    @classmethod
    def regex(cls, pattern: str, tokenizer: Tokenizer) -> Grammar:
        """Texts that a regular expression (Rust's syntax) matches from end to end."""
        return cls(kit().LLMatcher.grammar_from_regex(pattern), tokenizer)

    @classmethod
    def lark(cls, rules: str, tokenizer: Tokenizer) -> Grammar:
        """Texts of a Lark grammar; `%json {...}` in it is a JSON Schema."""
        return cls(kit().LLMatcher.grammar_from_lark(rules), tokenizer)

    def begin(self) -> Guide:
        """A guide of one text from its start."""
        return Guide(self._matcher.deep_copy(), self.words)


class Guide:
    """Which tokens may follow in one text, and how to end it in time."""

    def __init__(self, matcher: Any, words: Any):
        self._matcher, self._words = matcher, words
        self._ending: list[int] | None = None  # a way to the end from here, once one is needed
        self._after: tuple[int, list[int] | None] = (-1, None)  # a token that may be next, and the way from there
        self._longest, self._patience = 0, 1 << 62
        self._closers = [words.greedy_tokenize(letter)[0] for letter in CLOSERS]

    @property
    def complete(self) -> bool:
        """Whether the text may end here."""
        return self._matcher.is_accepting()

    @property
    def finished(self) -> bool:
        """Whether nothing can follow."""
        return self._matcher.is_stopped()

    def allowed(self, vocab: int) -> np.ndarray:
        """Which of the model's tokens may follow, (V,) booleans; end tokens are the caller's affair."""
        return _allowed(self._matcher, self._words, vocab)

    def take(self, token: int) -> None:
        """The token was written."""
        if not self._matcher.consume_token(token):
            raise DataError(f"the grammar was left: {_first(self._matcher.get_error())}")
        if token == self._after[0]:
            self._ending = self._after[1]
        else:
            self._ending = self._ending[1:] if self._ending and self._ending[0] == token else None
        self._after = (-1, None)

    def forced(self) -> list[int]:
        """The tokens that must follow, whatever the model would say."""
        return self._matcher.compute_ff_tokens()

    def affordable(self, token: int, left: int) -> int:
        """The token, or, where the text could not be ended within the `left` tokens that may be written, another.

        That one leads the shortest way to the end that was found. Without any, the token stands.
        """
        if (left > 2 * self._longest + MARGIN and self._longest) or left > self._patience:
            return token
        if self._ending is None:
            self._ending = self._end(self._matcher.deep_copy())
        if self._ending is None or len(self._ending) > left:
            self._patience = left // 2  # looking again at every token would cost more than it is worth
            return token
        self._longest = max(self._longest, len(self._ending))
        if left > 2 * self._longest + MARGIN or not self._ending:
            return token
        ahead = self._matcher.deep_copy()
        if not ahead.consume_token(token):
            return token
        after = self._end(ahead)
        if after is None or len(after) >= left:
            return self._ending[0]
        self._after = (token, after)
        return token

    def _end(self, matcher: Any) -> list[int] | None:
        """Tokens from a matcher's state to where the text may end: closers first, else any that may follow."""
        for attempt in range(ATTEMPTS):
            found, here, rng = [], matcher.deep_copy(), random.Random(attempt)
            while len(found) < LONGEST and not here.is_accepting() and not here.is_error():
                found += (step := here.compute_ff_tokens() or [self._towards_end(here, rng)])
                here.consume_tokens(step)
            if here.is_accepting():
                return found
        return None

    def _towards_end(self, matcher: Any, rng: random.Random) -> int:
        may = _allowed(matcher, self._words, self._words.vocab_size)
        closer = next((token for token in self._closers if may[token]), -1)
        return closer if closer >= 0 else int(rng.choice(np.flatnonzero(may)))


def _allowed(matcher: Any, words: Any, vocab: int) -> np.ndarray:
    bits = np.unpackbits(np.frombuffer(matcher.compute_bitmask(), np.uint8), bitorder="little")
    known = min(vocab, words.vocab_size - 1)  # without the end of its own
    found = np.zeros(vocab, bool)
    found[:known] = bits[:known]
    return found


def _first(error: Any) -> str:
    return str(error).strip().splitlines()[0]
