"""The tokenizer of published weights, by the `tokenizers` package: text to integers and back, special tokens apart."""

from __future__ import annotations

import os
from typing import Any

from conjure.core.errors import DataError


def kit() -> Any:
    """The tokenizers package; DataError says how to get it."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    try:
        import tokenizers
    except ImportError:
        raise DataError("conversations need the tokenizers package: pip install 'conjure[language]'") from None
    return tokenizers


class Tokenizer:
    """Text to tokens as a `tokenizer.json` describes it; `start` is put before a text where the model was taught so."""

    def __init__(self, form: str, start: int | None = None):
        self.form, self.start = form, start
        self.inner = kit().Tokenizer.from_str(form)
        self.inner.no_truncation()
        self.inner.no_padding()
        self.size = self.inner.get_vocab_size(with_added_tokens=True)
        added = self.inner.get_added_tokens_decoder()
        self.special = {token.content: number for number, token in added.items() if token.special}

    def cut(self, text: str) -> list[int]:
        """Tokens of a text in which special tokens' names stand for themselves (as templates write them)."""
        return self.inner.encode(text, add_special_tokens=False).ids

    def join(self, ids: list[int], special: bool = False) -> str:
        """The text of tokens; special ones leave no trace unless asked for."""
        return self.inner.decode(ids, skip_special_tokens=not special)

    def name(self, number: int) -> str:
        """What a token is called in the vocabulary."""
        return self.inner.id_to_token(number) or ""

    def number(self, name: str) -> int | None:
        """The token of that name, None where there is none."""
        return self.inner.token_to_id(name)

    def state(self) -> dict[str, Any]:
        return {"form": self.form, "start": self.start}
