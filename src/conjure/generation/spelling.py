"""Tokens as bytes, and bytes as text that may be shown: whole characters, and nothing of a stop string."""

from __future__ import annotations

import codecs
import json
from typing import Any


def byte_letters() -> dict[str, int]:
    """The letter each byte is written as in byte-level vocabularies (Radford et al. 2019, sec. 2.2), letter -> byte.

    Printable Latin-1 stands for itself; the other bytes, in their order, are the letters from U+0100 on.
    """
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in plain]
    return {chr(b): b for b in plain} | {chr(256 + at): b for at, b in enumerate(others)}


LETTERS = byte_letters()


class Spelling:
    """The bytes of each token of a codec; special tokens and the end have none."""

    def __init__(self, codec: Any):
        self._known: dict[int, bytes] = {}
        units, tokenizer = getattr(codec, "units", None), getattr(codec, "tokenizer", None)
        self._inner = getattr(tokenizer, "inner", None) or getattr(units, "tokenizer", None)
        self._units = units
        self._silent = {codec.end, *getattr(tokenizer, "special", {}).values()}
        form = json.loads(self._inner.to_str()) if self._inner is not None else {}
        self._by_letters = "ByteLevel" in json.dumps(form.get("decoder"))

    def __call__(self, token: int) -> bytes:
        if token not in self._known:
            self._known[token] = b"" if token in self._silent else self._spell(token)
        return self._known[token]

    def _spell(self, token: int) -> bytes:
        if self._inner is None:
            known = getattr(self._units, "known", None)
            return bytes([token]) if known is None else known[token].encode("utf-8", "replace")
        name = self._inner.id_to_token(token)
        if name is None:  # a row of the embedding that no text leads to
            return b""
        if self._by_letters:
            if all(letter in LETTERS for letter in name):
                return bytes(LETTERS[letter] for letter in name)
            return name.encode("utf-8")
        if len(name) == 6 and name.startswith("<0x") and name.endswith(">"):  # a byte of its own, as SentencePiece has
            return bytes([int(name[3:5], 16)])
        return name.replace("\N{LOWER ONE EIGHTH BLOCK}", " ").encode("utf-8")


class Teller:
    """Turns bytes into text as early as it is certain.

    A character is told when its last byte has come; bytes that are no UTF-8 become U+FFFD, as decoding all at once
    would have it. What may be the beginning of a stop string is kept back until it is known not to be.
    """

    def __init__(self, stops: tuple[str, ...] = ()):
        self._stops, self._kept = stops, ""
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def tell(self, found: bytes, last: bool = False) -> tuple[str, bool]:
        """The text that these further bytes make certain, and whether a stop string ended it."""
        self._kept += self._decoder.decode(found, last)
        at = [self._kept.find(stop) for stop in self._stops]
        if begun := [start for start in at if start >= 0]:
            return self._kept[: min(begun)], True
        safe = len(self._kept) if last else len(self._kept) - self._pending()
        told, self._kept = self._kept[:safe], self._kept[safe:]
        return told, False

    def _pending(self) -> int:
        """Length of the longest end of what is kept that a stop string begins with."""
        longest = min(max(map(len, self._stops), default=1) - 1, len(self._kept))
        return next((n for n in range(longest, 0, -1) if any(s.startswith(self._kept[-n:]) for s in self._stops)), 0)
