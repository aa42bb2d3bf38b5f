"""The tokenizer of published weights, by the `tokenizers` package: text to integers and back, special tokens apart."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from conjure.core.errors import DataError

SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
LEAST = 256 + len(SPECIAL)  # tokens, before any pair is learnt


def kit() -> Any:
    """The tokenizers package; DataError says how to get it."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    try:
        import tokenizers
    except ImportError:
        raise DataError("conversations need the tokenizers package: pip install 'conjure[language]'") from None
    return tokenizers


def learn_pairs(texts: Iterable[str], vocab: int) -> str:
    """A tokenizer.json of `vocab` byte pairs at most (Sennrich et al. 2016, over bytes), ChatML's tokens among them."""
    k = kit()
    made = k.Tokenizer(k.models.BPE())
    made.pre_tokenizer = k.pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = k.decoders.ByteLevel()
    trainer = k.trainers.BpeTrainer(
        vocab_size=vocab,
        special_tokens=list(SPECIAL),
        initial_alphabet=k.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator(texts, trainer)
    return made.to_str()


class Tokenizer:
    """Text to tokens as a `tokenizer.json` (`form`) describes it.

    `start` is put before a text where the model was taught so (see `open`). `names` are those of special tokens that
    templates write: "bos_token", "eos_token" ... DataError for a form that describes no tokenizer.
    """

    def __init__(self, form: str, start: int | None = None, names: dict[str, str] | None = None):
        self.form, self.start, self.names = form, start, names or {}
        kit_ = kit()
        try:
            self.inner = kit_.Tokenizer.from_str(form)
        except Exception as error:  # the package knows no narrower one
            raise DataError(f"this is no tokenizer.json: {error}") from None
        self.inner.no_truncation()
        self.inner.no_padding()
        self.size = self.inner.get_vocab_size(with_added_tokens=True)
        added = self.inner.get_added_tokens_decoder()
        self.special = {token.content: number for number, token in added.items() if token.special}

    @property
    def highest(self) -> int:
        """The greatest token; vocabularies may have gaps below it."""
        return max(self.inner.get_vocab(with_added_tokens=True).values(), default=-1)

    def habit(self) -> int | None:
        """The token that the form itself puts before every text, None where it puts none."""
        bare, full = (self.inner.encode("a", add_special_tokens=yes).ids for yes in (False, True))
        return full[0] if len(full) > len(bare) and full[1 : 1 + len(bare)] == bare else None

    def open(self, text: str) -> list[int]:
        """Tokens of a text that begins a document: after `start`, where there is one."""
        return [*([] if self.start is None else [self.start]), *self.cut(text)]

    def cut(self, text: str) -> list[int]:
        """Tokens of a text in which special tokens' names stand for themselves (as templates write them)."""
        return self.inner.encode(text, add_special_tokens=False).ids

    def cut_all(self, texts: list[str]) -> list[list[int]]:
        """`cut` of many texts, in one call."""
        return [found.ids for found in self.inner.encode_batch(texts, add_special_tokens=False)]

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
        return {"form": self.form, "start": self.start, "names": self.names}
