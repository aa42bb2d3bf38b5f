"""Text as tokens: one stream of all documents, or one row a document."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from conjure.core.config import fill, nearest
from conjure.core.errors import ConfigError, DataError
from conjure.core.space import Tokens
from conjure.domains.protocol import Encoded
from conjure.domains.text.units import BytePairs, Bytes, Characters, Units, units_from

LONGEST_ROW = 4096


class TextCodec:
    """Documents to tokens and back. The end of a document is one further token, the last of the vocabulary.

    In a "stream" documents follow each other, joined by the end token, and a model sees `context` tokens at
    once; as "documents" (names, sentences) each is a row of its own, ended and padded with the end token.
    """

    @dataclass(frozen=True)
    class Config:
        """vocab: byte pairs to learn; length: tokens of a sample unless `--given length=` says otherwise."""

        units: Literal["characters", "bytes", "bpe"] = "characters"
        vocab: int = 1024
        layout: Literal["stream", "documents"] = "stream"
        context: int = 64
        length: int = 512

        def __post_init__(self) -> None:
            if self.units == "bpe" and self.vocab < 257:
                raise ConfigError(f"codec.vocab is {self.vocab}; byte pairs start from 256 bytes, so 257 is the least")
            if self.context < 1 or self.length < 1:
                raise ConfigError("codec.context and codec.length are at least 1")

    def __init__(self, config: TextCodec.Config, units: Units, longest: int, first: int):
        self.config, self.units, self.longest, self.first = config, units, longest, first
        self.end = units.size
        stream = config.layout == "stream"
        shape = (config.context,) if stream else (longest + 1,)
        self.space = Tokens(units.size + 1, shape, None if stream else self.end, stream)
        self.given_space = None

    @classmethod
    def learn(cls, documents: list[str], config: TextCodec.Config) -> TextCodec:
        """Units from the training documents; DataError when one is too long for a row of its own."""
        match config.units:
            case "characters":
                units: Units = Characters.learn(documents)
            case "bytes":
                units = Bytes()
            case _:
                units = BytePairs.learn(documents, config.vocab)
        longest = 0
        if config.layout == "documents":
            lengths = [len(units.cut(d)) for d in documents]
            longest = max(lengths)
            if longest > LONGEST_ROW:
                raise DataError(
                    f"document {lengths.index(longest) + 1} has {longest} tokens; as rows they may have {LONGEST_ROW}: "
                    "use codec.layout=stream"
                )
        # A sample without a prompt begins as a document does: after the end of another, or after a line break.
        first = units.size if len(documents) > 1 else int(units.cut("\n" if "\n" in documents[0] else documents[0])[0])
        return cls(config, units, longest, first)

    def describe(self) -> str:
        """What was learnt, in one line."""
        return f"text as {self.config.units}: {self.units.size} units and an end, {self._shape()}"

    def encode(self, documents: list[str]) -> Encoded:
        """A stream (S,) with its window, or rows (B, T); DataError names a character or document out of place."""
        cut = []
        for row, document in enumerate(documents, 1):
            try:
                cut.append(self.units.cut(document))
            except DataError as error:
                raise DataError(f"text {row}: {error}") from None
        if self.config.layout == "documents":
            return Encoded(self._rows(cut))
        ends = np.array([self.end], np.int32)
        stream = np.concatenate([part for ids in cut for part in (ids, ends)][:-1]) if cut else ends[:0]
        if len(stream) < 2:
            raise DataError(f"a text of {len(stream)} tokens is too short: at least 2 are needed")
        small = np.int16 if self.space.vocab < 2**15 else np.int32
        return Encoded(torch.from_numpy(stream.astype(small)), window=min(self.config.context, len(stream) - 1))

    def adapt(self, documents: list[str]) -> list[str]:
        """Held-out documents with unseen characters replaced by the rarest known, and cut to the longest row."""
        if isinstance(self.units, Characters):
            documents = [self.units.adapt(d) for d in documents]
        if self.config.layout == "documents":
            documents = [d if len(self.units.cut(d)) <= self.longest else self._shortened(d) for d in documents]
        return documents

    def decode(self, x: Tensor, rng: torch.Generator | None = None, given: dict[str, Any] | None = None) -> list[str]:
        """Documents of rows (N, T), each up to its end token, or of a stream (S,), parted by end tokens.

        The context that a sample without a prompt began with is left out.
        """
        if x.ndim == 1:
            ends = [-1, *(x == self.end).nonzero().flatten().tolist(), len(x)]
            return [self.units.join(x[a + 1 : b].tolist()) for a, b in pairwise(ends)]
        skip = int(self.config.layout == "stream" and given is not None and "prompt" not in given)
        rows = (row[skip:] for row in x.tolist())
        return [self.units.join(row[: row.index(self.end)] if self.end in row else row) for row in rows]

    def condition(self, given: dict[str, Any], n: int) -> Tensor | None:
        """A frame (1, T) of the prompt's tokens followed by -1 for each to be drawn.

        `given` knows "prompt" (how each sample begins) and, for a stream, "length" (tokens to draw).
        """
        stream = self.config.layout == "stream"
        known = ["prompt", "length"] if stream else ["prompt"]
        if unknown := [key for key in given if key not in known]:
            raise ConfigError(f"text takes no --given {unknown[0]!r}: {nearest(unknown[0], known)}")
        prompt = np.array([self.first] if stream else [], np.int32)
        if "prompt" in given:
            try:
                prompt = self.units.cut(str(given["prompt"]))
            except DataError as error:
                raise ConfigError(f"the prompt cannot be used: {error}") from None
            if not len(prompt):
                raise ConfigError("the prompt is empty: leave it out, or give some text")
        length = self._length(given) if stream else self.longest + 1 - len(prompt)
        if length < 1:
            raise ConfigError(f"the prompt has {len(prompt)} tokens; documents here have at most {self.longest}")
        return torch.cat([torch.from_numpy(prompt).long(), torch.full((length,), -1)]).unsqueeze(0)

    def bytes(self, documents: list[str]) -> int:
        """Bytes of UTF-8, the denominator of bits per byte."""
        return sum(len(d.encode("utf-8", "surrogatepass")) for d in documents)

    def state(self) -> dict[str, Any]:
        return {
            "config": asdict(self.config),
            "units": self.units.state(),
            "longest": self.longest,
            "first": self.first,
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> TextCodec:
        config = fill(cls.Config, state["config"], "codec")
        return cls(config, units_from(config.units, state["units"]), state["longest"], state["first"])

    def _length(self, given: dict[str, Any]) -> int:
        value = given.get("length", self.config.length)
        try:
            length = int(value)
        except (TypeError, ValueError):
            length = 0
        if length < 1:
            raise ConfigError(f"--given length={value} should be a whole number above zero")
        return length

    def _rows(self, cut: list[np.ndarray]) -> Tensor:
        x = torch.full((len(cut), self.longest + 1), self.end)
        for row, ids in enumerate(cut):
            if len(ids) > self.longest:
                raise DataError(f"text {row + 1} has {len(ids)} tokens; the longest in training had {self.longest}")
            x[row, : len(ids)] = torch.from_numpy(ids)
        return x

    def _shortened(self, document: str) -> str:
        """The longest beginning that fits a row (a unit never spans fewer bytes than one character has)."""
        while len(self.units.cut(document)) > self.longest:
            document = document[:-1]
        return document

    def _shape(self) -> str:
        if self.config.layout == "stream":
            return f"a stream seen {self.config.context} at a time"
        return f"documents of at most {self.longest}"
