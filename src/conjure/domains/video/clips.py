"""`Clips`, the objects of this domain: byte frames with optional class labels. Files are corpus.py's business."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from conjure.core.errors import DataError
from conjure.domains.shown import Shown

RATE = 8.0  # frames a second where nothing says otherwise


@dataclass(frozen=True, eq=False)
class Clips(Shown):
    """N clips, each uint8 (T, H, W, C) with C 1 (grey) or 3 (RGB); lengths and sizes may differ until a codec
    settles them.

    labels: one class name a clip, or None. classes: all names there are. names: where each came from, for error
    messages. notes: what reading left out. rate: frames a second, that clips are shown at.
    """

    frames: Sequence[np.ndarray]
    labels: np.ndarray | None = None
    classes: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    rate: float = RATE

    def __len__(self) -> int:
        return len(self.frames)

    def __iter__(self) -> Iterator[np.ndarray]:
        return iter(self.frames)

    def __getitem__(self, row: int) -> np.ndarray:
        return self.frames[row]

    def take(self, rows: np.ndarray) -> Clips:
        """The clips at these rows."""
        frames = self.frames[rows] if isinstance(self.frames, np.ndarray) else [self.frames[i] for i in rows]
        labels = None if self.labels is None else self.labels[rows]
        names = tuple(self.names[i] for i in rows) if self.names else ()
        return replace(self, frames=frames, labels=labels, names=names)

    def name(self, row: int) -> str:
        """What to call a clip in a sentence: its file, or its number from 1."""
        return self.names[row] if self.names else f"clip {row + 1}"

    def array(self) -> np.ndarray:
        """All clips as one array, uint8 (N, T, H, W, C); DataError names the first of another shape."""
        for row, clip in enumerate(self.frames):
            if clip.shape != self.frames[0].shape:
                raise DataError(f"{self.name(row)} is {describe(clip)} where {self.name(0)} is {describe(self[0])}")
        return np.stack(list(self.frames))


def clips(array: Any, labels: Any = None, where: str = "the array") -> Clips:
    """Clips from numbers (N, T, H, W) or (N, T, H, W, C), bytes in 0..255 or fractions in [0, 1].

    DataError names the shape, or what is out of range.
    """
    array = np.asarray(array)
    if array.ndim == 4:
        array = array[..., None]
    if array.ndim != 5 or array.shape[4] not in (1, 3) or 0 in array.shape[1:4]:
        raise DataError(f"{where} has shape {array.shape}; clips are (N, T, H, W), (N, T, H, W, 1) or (N, T, H, W, 3)")
    if not len(array):
        raise DataError(f"{where} is empty: there is no clip in it")
    if labels is not None:
        labels = np.asarray(labels).astype(str)
        if labels.shape != (len(array),):
            raise DataError(f"{where} has {len(array)} clips but labels of shape {labels.shape}; one each is needed")
    classes = tuple(sorted(set(labels.tolist()))) if labels is not None else ()
    return Clips(_bytes(array, where), labels, classes)


def describe(clip: np.ndarray) -> str:
    """Length, width x height and kind of a clip."""
    frames, height, width, channels = clip.shape
    return f"{frames} frames of {width} x {height} {'grey' if channels == 1 else 'RGB'}"


def _bytes(array: np.ndarray, where: str) -> np.ndarray:
    if array.dtype == np.uint8:
        return array
    if array.dtype.kind not in "iufb":
        raise DataError(f"{where} holds {array.dtype}; clips hold numbers")
    most = 1 if array.dtype.kind in "fb" else 255
    good = ((array >= 0) & (array <= most)).all(axis=(1, 2, 3, 4))
    if not good.all():
        row = int(np.flatnonzero(~good)[0])
        span = "fractions should lie in 0..1" if most == 1 else "whole numbers should lie in 0..255"
        raise DataError(f"{where}, clip {row + 1}, has values from {array[row].min()} to {array[row].max()}; {span}")
    return (array * 255.0).round().astype(np.uint8) if most == 1 else array.astype(np.uint8)
