"""`Images`, the objects of this domain: byte pictures with optional class labels. Files are corpus.py's business."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from conjure.core.errors import DataError
from conjure.domains.shown import Shown


@dataclass(frozen=True, eq=False)
class Images(Shown):
    """N pictures, each uint8 (H, W, C) with C 1 (grey) or 3 (RGB); sizes may differ until a codec settles them.

    labels: one class name a picture, or None. classes: all names there are, also those of other parts of
    the corpus. names: where each picture came from, for error messages. notes: what reading left out. numbers: by
    name a number a picture, float64 (N,), such as an angle or an age.
    """

    pixels: Sequence[np.ndarray]
    labels: np.ndarray | None = None
    classes: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    numbers: dict[str, np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.pixels)

    def __iter__(self) -> Iterator[np.ndarray]:
        return iter(self.pixels)

    def __getitem__(self, row: int) -> np.ndarray:
        return self.pixels[row]

    def take(self, rows: np.ndarray) -> Images:
        """The pictures at these rows."""
        pixels = self.pixels[rows] if isinstance(self.pixels, np.ndarray) else [self.pixels[i] for i in rows]
        labels = None if self.labels is None else self.labels[rows]
        names = tuple(self.names[i] for i in rows) if self.names else ()
        numbers = {name: values[rows] for name, values in self.numbers.items()}
        return Images(pixels, labels, self.classes, names, self.notes, numbers)

    def name(self, row: int) -> str:
        """What to call a picture in a sentence: its file, or its number from 1."""
        return self.names[row] if self.names else f"image {row + 1}"

    def array(self) -> np.ndarray:
        """All pictures as one array, uint8 (N, H, W, C); DataError names the first of another size."""
        if isinstance(self.pixels, np.ndarray):
            return self.pixels
        for row, picture in enumerate(self.pixels):
            if picture.shape != self.pixels[0].shape:
                raise DataError(
                    f"{self.name(row)} is {describe(picture)} where {self.name(0)} is {describe(self.pixels[0])}"
                )
        return np.stack(self.pixels)


def images(array: Any, labels: Any = None, where: str = "the array", numbers: dict[str, Any] | None = None) -> Images:
    """Images from numbers (N, H, W) or (N, H, W, C), bytes in 0..255 or fractions in [0, 1].

    DataError names the shape, the first picture with a value out of range, or the array of `numbers` that is not one
    finite number a picture.
    """
    array = np.asarray(array)
    if array.ndim == 3:
        array = array[..., None]
    if array.ndim != 4 or array.shape[3] not in (1, 3) or array.shape[1] * array.shape[2] == 0:
        raise DataError(f"{where} has shape {array.shape}; images are (N, H, W), (N, H, W, 1) or (N, H, W, 3)")
    if not len(array):
        raise DataError(f"{where} is empty: there is no image in it")
    if labels is not None:
        labels = np.asarray(labels).astype(str)
        if labels.shape != (len(array),):
            raise DataError(f"{where} has {len(array)} images but labels of shape {labels.shape}; one each is needed")
    classes = tuple(sorted(set(labels.tolist()))) if labels is not None else ()
    told = {name: _told(values, name, len(array), where) for name, values in (numbers or {}).items()}
    return Images(_bytes(array, where), labels, classes, numbers=told)


def _told(values: Any, name: str, n: int, where: str) -> np.ndarray:
    values = np.asarray(values)
    if values.shape != (n,) or values.dtype.kind not in "iufb":
        raise DataError(
            f"{where} has {n} images, but {name!r} is {values.dtype} of shape {values.shape}; one number each is needed"
        )
    values = values.astype(np.float64)
    if not np.isfinite(values).all():
        row = int(np.flatnonzero(~np.isfinite(values))[0])
        raise DataError(f"{where}, image {row + 1}: {name!r} is {values[row]}; a finite number is needed")
    return values


def describe(picture: np.ndarray) -> str:
    """Width x height and kind of a picture."""
    height, width, channels = picture.shape
    return f"{width} x {height} {'grey' if channels == 1 else 'RGB'}"


def _bytes(array: np.ndarray, where: str) -> np.ndarray:
    if array.dtype == np.uint8:
        return array
    fractions = array.dtype.kind == "f"
    if array.dtype.kind not in "iufb":
        raise DataError(f"{where} holds {array.dtype}; images hold numbers")
    most = 1 if fractions or array.dtype.kind == "b" else 255
    good = ((array >= 0) & (array <= most)).all(axis=(1, 2, 3))
    if not good.all():
        row = int(np.flatnonzero(~good)[0])
        span = "fractions should lie in 0..1" if fractions else "whole numbers should lie in 0..255"
        raise DataError(f"{where}, image {row + 1}, has values from {array[row].min()} to {array[row].max()}; {span}")
    return (array * 255.0).round().astype(np.uint8) if most == 1 else array.astype(np.uint8)
