"""What an answer must look like: a JSON Schema, a regular expression or a grammar, by the `llguidance` package."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

import numpy as np

from conjure.core.errors import ConfigError, DataError
from conjure.domains.chat.tokenizer import Tokenizer

BLANKS = r"[\x20\x0A]{1,12}"  # between JSON's parts; more would let a model write blanks for ever

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
    """Which tokens may follow in one text."""

    def __init__(self, matcher: Any, words: Any):
        self._matcher, self._words = matcher, words

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
        bits = np.frombuffer(self._matcher.compute_bitmask(), np.uint8)
        found = np.unpackbits(bits, bitorder="little")[: self._words.vocab_size - 1].view(bool)
        return found[:vocab] if len(found) >= vocab else np.pad(found, (0, vocab - len(found)))

    def take(self, token: int) -> None:
        """The token was written."""
        if not self._matcher.consume_token(token):
            raise DataError(f"the grammar was left: {_first(self._matcher.get_error())}")


def _first(error: Any) -> str:
    return str(error).strip().splitlines()[0]
