"""The GGUF container: its fields and where its tensors lie, read in one pass; rounded weights by the `gguf` package.

The package's own reader makes an array of every string of the vocabulary; this one takes a hundredth of its time.
"""

from __future__ import annotations

import math
import mmap
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from conjure.core.errors import ArtifactError, DataError

MAGIC, VERSIONS = b"GGUF", (2, 3)
SIMPLE = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
STRING, ARRAY = 8, 9
CHUNK = 1 << 18  # values made whole at a time, so that what is in between stays in the processor's cache


def kit() -> Any:
    """The gguf package; DataError says how to get it."""
    try:
        import gguf
    except ImportError:
        raise DataError("GGUF files need the gguf package: pip install 'conjure[language]'") from None
    return gguf


@dataclass(frozen=True)
class Entry:
    """A tensor of the file: its shape as torch says it (rows first), its kind's number, and where its bytes are."""

    shape: tuple[int, ...]
    kind: int
    start: int


class GGUFFile:
    """An open file. `fields` are its settings by name, `entries` its tensors.

    ArtifactError for a file that is none, is cut short, or whose numbers do not fit together.
    """

    def __init__(self, path: Path):
        self.path = path
        try:
            with path.open("rb") as file:
                self.bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        except (OSError, ValueError) as error:  # ValueError: an empty file
            raise ArtifactError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from None
        self.at = 0
        try:
            self._head()
        except (struct.error, IndexError, OverflowError, UnicodeDecodeError, MemoryError) as error:
            raise ArtifactError(f"{path} is damaged or cut short: its header cannot be read ({error})") from None

    def read(self, name: str) -> Tensor:
        """The values of a tensor in float32, rounded ones made whole; ArtifactError for a kind nobody reads."""
        gguf, entry = kit(), self.entries[name]
        try:
            kind = gguf.GGMLQuantizationType(entry.kind)
            block, size = gguf.GGML_QUANT_SIZES[kind]
        except (ValueError, KeyError):
            raise ArtifactError(f"{self.path}: tensor {name!r} is of kind {entry.kind}, which is not known") from None
        count = math.prod(entry.shape)
        if count % block:
            raise ArtifactError(
                f"{self.path}: tensor {name!r} has {count} values; kind {kind.name} has blocks of {block}"
            )
        if entry.start + count // block * size > len(self.bytes):
            raise ArtifactError(f"{self.path} is cut short: tensor {name!r} lies beyond its end")
        raw = np.frombuffer(self.bytes, np.uint8, count // block * size, entry.start)
        if kind.name in ("F32", "F16", "BF16", "F64"):
            plain = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "F64": torch.float64}[
                kind.name
            ]
            return torch.from_numpy(raw).view(plain).view(entry.shape).to(torch.float32)
        return self._whole(raw.reshape(-1, size), kind, name).view(entry.shape)

    def _whole(self, blocks: np.ndarray, kind: Any, name: str) -> Tensor:
        """Values of rounded blocks (N, bytes of one), a chunk at a time."""
        gguf = kit()
        block = gguf.GGML_QUANT_SIZES[kind][0]
        made = torch.empty(len(blocks), block)
        step = max(CHUNK // block, 1)
        for first in range(0, len(blocks), step):
            part = blocks[first : first + step]
            try:
                values = gguf.quants.dequantize(part.reshape(1, -1), kind)  # as one row: the package loops over rows
            except (NotImplementedError, ValueError) as error:
                raise ArtifactError(
                    f"{self.path}: tensor {name!r} of kind {kind.name} cannot be read: {error}"
                ) from None
            made[first : first + step] = torch.from_numpy(values).view(-1, block)
        return made

    def _head(self) -> None:
        if self.bytes[:4] != MAGIC:
            raise ArtifactError(f"{self.path} is no GGUF file: it does not begin with the letters GGUF")
        self.at = 4
        version = self._simple("I")
        if version not in VERSIONS:
            turned = int.from_bytes(version.to_bytes(4, "little"), "big")
            what = "its bytes are big-endian" if turned in VERSIONS else f"its version is {version}"
            raise ArtifactError(f"{self.path} cannot be read: {what}; versions 2 and 3, little-endian, can")
        tensors, count = self._simple("Q"), self._simple("Q")
        self.fields = {self._string(): self._value(self._simple("I")) for _ in range(count)}
        found = [self._entry() for _ in range(tensors)]
        unit = self.fields.get("general.alignment", 32)
        if not isinstance(unit, int) or unit < 1:
            raise ArtifactError(f"{self.path} is damaged: general.alignment is {unit!r}")
        data = -(-self.at // unit) * unit
        self.entries = {name: Entry(shape, kind, data + offset) for name, shape, kind, offset in found}

    def _entry(self) -> tuple[str, tuple[int, ...], int, int]:
        name, axes = self._string(), self._simple("I")
        if axes > 4:
            raise ArtifactError(f"{self.path} is damaged: tensor {name!r} has {axes} axes")
        shape = tuple(self._simple("Q") for _ in range(axes))
        return name, shape[::-1], self._simple("I"), self._simple("Q")

    def _simple(self, form: str) -> Any:
        (value,) = struct.unpack_from(f"<{form}", self.bytes, self.at)
        self.at += struct.calcsize(f"<{form}")
        return value

    def _string(self) -> str:
        length = self._simple("Q")
        return self._taken(length).decode("utf-8")

    def _taken(self, length: int) -> bytes:
        if length > len(self.bytes) - self.at:
            raise IndexError(f"{length} bytes are announced, {len(self.bytes) - self.at} are left")
        found = self.bytes[self.at : self.at + length]
        self.at += length
        return found

    def _value(self, kind: int, depth: int = 0) -> Any:
        if kind in SIMPLE:
            return self._simple(SIMPLE[kind])
        if kind == STRING:
            return self._string()
        if kind != ARRAY or depth > 1:
            raise IndexError(f"a value of kind {kind}")
        inner, count = self._simple("I"), self._simple("Q")
        if inner in SIMPLE:
            return np.frombuffer(
                self._taken(count * struct.calcsize(f"<{SIMPLE[inner]}")), f"<{SIMPLE[inner]}"
            ).tolist()
        if inner == STRING:
            return self._strings(count)
        return [self._value(inner, depth + 1) for _ in range(count)]

    def _strings(self, count: int) -> list[str]:
        """As `_string`, many times, for a vocabulary has a hundred thousand."""
        whole, at, end, made = self.bytes, self.at, len(self.bytes), []
        length_at = struct.Struct("<Q").unpack_from
        for _ in range(count):
            (length,) = length_at(whole, at)
            at += 8 + length
            if at > end:
                raise IndexError("a string goes beyond the end")
            made.append(str(whole[at - length : at], "utf-8"))
        self.at = at
        return made
