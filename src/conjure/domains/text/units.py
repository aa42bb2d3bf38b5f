"""The units a text is cut into: characters, bytes, or byte pairs; each a reversible map to integers."""

from __future__ import annotations

from collections import Counter
from typing import Any, Protocol

import numpy as np

from conjure.core.errors import DataError

END = "<|end|>"


class Units(Protocol):
    """`size` integers, 0 .. size - 1."""

    size: int

    def cut(self, text: str) -> np.ndarray: ...

    def join(self, ids: list[int]) -> str: ...

    def state(self) -> dict[str, Any]: ...


class Characters:
    """Every character seen in training, in the order of their code points."""

    def __init__(self, known: str, rarest: str):
        self.known, self.rarest, self.size = known, rarest, len(known)
        points = np.frombuffer(known.encode("utf-32-le", "surrogatepass"), np.uint32)
        self.table = np.full(int(points.max()) + 1, -1, np.int32)
        self.table[points] = np.arange(len(points))

    @classmethod
    def learn(cls, texts: list[str]) -> Characters:
        counts: Counter[str] = Counter()
        for text in texts:
            counts.update(text)
        return cls("".join(sorted(counts)), min(counts, key=lambda c: (counts[c], c)))

    def cut(self, text: str) -> np.ndarray:
        """Integers (T,); DataError names the first character never seen in training and its place."""
        ids = self._ids(text)
        if len(unseen := np.flatnonzero(ids < 0)):
            at = int(unseen[0])
            raise DataError(
                f"character {text[at]!r} at position {at} was never seen in training; "
                "fit with codec.units=bytes or bpe to accept any text"
            )
        return ids

    def adapt(self, text: str) -> str:
        """The text with each unseen character replaced by the rarest known one."""
        return "".join([self.rarest if i < 0 else c for c, i in zip(text, self._ids(text))])

    def join(self, ids: list[int]) -> str:
        return "".join(self.known[i] for i in ids)

    def state(self) -> dict[str, Any]:
        return {"known": self.known, "rarest": self.rarest}

    def _ids(self, text: str) -> np.ndarray:
        points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
        inside = points < len(self.table)
        return np.where(inside, self.table[np.where(inside, points, 0)], -1)


class Bytes:
    """The 256 bytes of UTF-8; no text is ever refused."""

    size = 256

    def cut(self, text: str) -> np.ndarray:
        return np.frombuffer(text.encode("utf-8", "surrogatepass"), np.uint8).astype(np.int32)

    def join(self, ids: list[int]) -> str:
        return bytes(ids).decode("utf-8", "replace")

    def state(self) -> dict[str, Any]:
        return {}


class BytePairs:
    """Byte pairs merged by frequency until `vocab` units (Sennrich et al. 2016, over bytes), by `tokenizers`."""

    def __init__(self, form: str):
        self.tokenizer = _tokenizers().Tokenizer.from_str(form)
        self.size = self.tokenizer.get_vocab_size()

    @classmethod
    def learn(cls, texts: list[str], vocab: int) -> BytePairs:
        kit = _tokenizers()
        tokenizer = kit.Tokenizer(kit.models.BPE())
        tokenizer.pre_tokenizer = kit.pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = kit.decoders.ByteLevel()
        alphabet = kit.pre_tokenizers.ByteLevel.alphabet()
        trainer = kit.trainers.BpeTrainer(vocab_size=vocab, initial_alphabet=alphabet, show_progress=False)
        tokenizer.train_from_iterator(texts, trainer)
        return cls(tokenizer.to_str())

    def cut(self, text: str) -> np.ndarray:
        return np.array(self.tokenizer.encode(text).ids, np.int32)

    def join(self, ids: list[int]) -> str:
        return self.tokenizer.decode(ids)

    def state(self) -> dict[str, Any]:
        return {"tokenizer": self.tokenizer.to_str()}


def _tokenizers() -> Any:
    import os

    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    try:
        import tokenizers
    except ImportError:
        raise DataError("codec.units=bpe needs the tokenizers package: pip install 'conjure[text]'") from None
    return tokenizers


def units_from(kind: str, state: dict[str, Any]) -> Units:
    """The units a saved state describes."""
    match kind:
        case "characters":
            return Characters(state["known"], state["rarest"])
        case "bytes":
            return Bytes()
        case _:
            return BytePairs(state["tokenizer"])
