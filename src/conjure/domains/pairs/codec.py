"""Pairs of texts as two rows of tokens over one vocabulary: the target is modelled, the source is given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from conjure.core.config import fill, nearest
from conjure.core.errors import ConfigError, DataError
from conjure.core.space import Tokens
from conjure.domains.pairs.pair import Pair
from conjure.domains.protocol import Encoded
from conjure.domains.text.units import BytePairs, Bytes, Characters, Units, units_from

LONGEST_ROW = 4096
ROOM = 1.5  # tokens there is room for, over the longest in training
BEFORE = " "  # put before a text, so that its first word has the units it has elsewhere


class PairsCodec:
    """Sources and targets to tokens and back, by units learnt from both. A further token, the last, ends a row.

    Rows are padded with the end token. A source may have `sources` tokens with its end, a target `targets`:
    half as many again as the longest in training, for the padding of a batch is trimmed and costs nothing.
    """

    @dataclass(frozen=True)
    class Config:
        """vocab: byte pairs to learn."""

        units: Literal["characters", "bytes", "bpe"] = "bpe"
        vocab: int = 6000

        def __post_init__(self) -> None:
            if self.units == "bpe" and self.vocab < 257:
                raise ConfigError(f"codec.vocab is {self.vocab}; byte pairs start from 256 bytes, so 257 is the least")

    def __init__(self, config: PairsCodec.Config, units: Units, sources: int, targets: int):
        self.config, self.units, self.sources, self.targets = config, units, sources, targets
        self.end = units.size
        self.space = Tokens(units.size + 1, (targets,), self.end)
        self.given_space = Tokens(units.size + 1, (sources,), self.end)

    @classmethod
    def learn(cls, pairs: Sequence[Pair], config: PairsCodec.Config) -> PairsCodec:
        """Units of both sides; DataError when a text is too long for a row."""
        texts = [BEFORE + text for pair in pairs for text in pair if text]
        match config.units:
            case "characters":
                units: Units = Characters.learn(texts)
            case "bytes":
                units = Bytes()
            case _:
                units = BytePairs.learn(texts, config.vocab)
        sides = [[len(units.cut(BEFORE + (pair[side] or ""))) for pair in pairs] for side in (0, 1)]
        for side, lengths in zip(Pair._fields, sides):
            if (most := max(lengths)) > LONGEST_ROW:
                row = lengths.index(most) + 1
                raise DataError(f"the {side} of pair {row} has {most} tokens; at most {LONGEST_ROW}: split it")
        return cls(config, units, *(int(ROOM * max(lengths)) + 1 for lengths in sides))

    def describe(self) -> str:
        """What was learnt, in one line."""
        room = f"room for {self.sources} and {self.targets}"
        return f"pairs as {self.config.units}: {self.units.size} units for both sides and an end, {room}"

    def encode(self, pairs: Sequence[Pair]) -> Encoded:
        """Targets (B, T) under sources (B, S); DataError names a pair without one, or one too long."""
        for row, pair in enumerate(pairs, 1):
            if pair.source is None or pair.target is None:
                raise DataError(f"pair {row} has no {'source' if pair.source is None else 'target'}")
        return Encoded(self._rows(pairs, "target", self.targets), given=self._rows(pairs, "source", self.sources))

    def adapt(self, pairs: Sequence[Pair]) -> list[Pair]:
        """Held-out pairs with characters never seen replaced, and texts that are too long cut short."""
        rooms = (self.sources, self.targets)
        return [Pair(*(t if t is None else self._known(t, room) for t, room in zip(pair, rooms))) for pair in pairs]

    def decode(self, x: Tensor, rng: torch.Generator | None = None, given: dict[str, Any] | None = None) -> list[Pair]:
        """Pairs of rows (N, T), each up to its end token, with the source that was given."""
        source = None if not given else str(given["source"])
        return [Pair(source, text) for text in self._texts(x)]

    def condition(self, given: dict[str, Any], n: int) -> Tensor | None:
        """The tokens (1, S) of the word "source"; ConfigError where it is missing or cannot be read."""
        if unknown := [key for key in given if key != "source"]:
            raise ConfigError(f"pairs take no --given {unknown[0]!r}: {nearest(unknown[0], ['source'])}")
        if "source" not in given:
            raise ConfigError('pairs are drawn under their source: --given source="..."')
        try:
            return self._rows([Pair(str(given["source"]), None)], "source", self.sources).long()
        except DataError as error:
            raise ConfigError(f"the source cannot be used: {error}") from None

    def questions(self, pairs: Sequence[Pair]) -> list[Pair]:
        """The sources alone."""
        return [Pair(pair.source, None) for pair in pairs]

    def evidence(self, pairs: Sequence[Pair], given: dict[str, Any] | None = None) -> Tensor:
        """The tokens of the sources (N, S)."""
        if given:
            raise ConfigError(
                f"completing pairs takes no --given {next(iter(given))!r}: their sources are what is given"
            )
        return self._rows(pairs, "source", self.sources).long()

    def complete(self, pairs: Sequence[Pair], x: Tensor, rng: torch.Generator | None = None) -> list[Pair]:
        """The pairs with the targets that x (N, T) spells; an empty source has an empty target."""
        return [Pair(p.source, text if (p.source or "").strip() else "") for p, text in zip(pairs, self._texts(x))]

    def state(self) -> dict[str, Any]:
        return {
            "config": asdict(self.config),
            "units": self.units.state(),
            "sources": self.sources,
            "targets": self.targets,
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> PairsCodec:
        config = fill(cls.Config, state["config"], "codec")
        return cls(config, units_from(config.units, state["units"]), state["sources"], state["targets"])

    def _rows(self, pairs: Sequence[Pair], side: str, room: int) -> Tensor:
        """One side as rows (B, T) of the smallest integers that hold them."""
        small = torch.int16 if self.space.vocab < 2**15 else torch.int32
        x = torch.full((len(pairs), room), self.end, dtype=small)
        for row, pair in enumerate(pairs):
            try:
                ids = self._cut(getattr(pair, side) or "")
            except DataError as error:
                raise DataError(f"{side} {row + 1}: {error}") from None
            if len(ids) >= room:
                raise DataError(
                    f"{side} {row + 1} has {len(ids)} tokens; this model takes at most {room - 1}: split it"
                )
            x[row, : len(ids)] = torch.from_numpy(ids)
        return x

    def _cut(self, text: str) -> np.ndarray:
        return self.units.cut(BEFORE + text.strip())

    def _texts(self, x: Tensor) -> list[str]:
        rows = (row[: row.index(self.end)] if self.end in row else row for row in x.tolist())
        return [" ".join(self.units.join(row).split()) for row in rows]

    def _known(self, text: str, room: int) -> str:
        if isinstance(self.units, Characters):
            text = self.units.adapt(text)
        while len(self._cut(text)) >= room:
            text = text[:-1]
        return text
