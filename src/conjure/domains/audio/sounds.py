"""`Sounds`, the objects of this domain: recordings with optional class labels. Files are corpus.py's business."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from conjure.core.errors import DataError
from conjure.domains.shown import Shown

RATE = 16_000  # samples a second where nothing says otherwise
FULL = 32_767  # what 1.0 is among 16-bit samples


@dataclass(frozen=True, eq=False)
class Sound:
    """One recording, mono: 16-bit samples int16 (T,), `rate` of them a second; its class and file, "" for none."""

    samples: np.ndarray
    rate: int = RATE
    label: str = ""
    name: str = ""

    def __len__(self) -> int:
        return len(self.samples)

    @property
    def wave(self) -> np.ndarray:
        """The samples as numbers in [-1, 1], float32 (T,)."""
        return self.samples.astype(np.float32) / FULL

    @property
    def seconds(self) -> float:
        return len(self.samples) / self.rate


@dataclass(frozen=True, eq=False)
class Sounds(Shown, Sequence):
    """Recordings in order, of any lengths and rates until a codec settles them; notes say what reading left out."""

    items: tuple[Sound, ...]
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Sound]:
        return iter(self.items)

    def __getitem__(self, row):
        return Sounds(self.items[row], self.notes) if isinstance(row, slice) else self.items[row]

    def take(self, rows: Sequence[int] | np.ndarray) -> Sounds:
        """The recordings at these rows."""
        return Sounds(tuple(self.items[int(r)] for r in rows), self.notes)

    def name(self, row: int) -> str:
        """What to call a recording in a sentence: its file, or its number from 1."""
        return self.items[row].name or f"sound {row + 1}"

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes there are, in order of the alphabet."""
        return tuple(sorted({one.label for one in self.items} - {""}))

    @property
    def labels(self) -> np.ndarray | None:
        """One class a recording, None where none has one."""
        return np.array([one.label for one in self.items]) if self.classes else None


def sound(wave: Any, rate: int = RATE, label: str = "", name: str = "") -> Sound:
    """A recording from numbers in [-1, 1], (T,) or (T, channels), or 16-bit samples; channels are averaged.

    What goes beyond 1 is brought to it, the whole recording alike. DataError for what is no finite wave.
    """
    array, where = np.asarray(wave), name or "the array"
    if array.ndim not in (1, 2) or not array.size or array.dtype.kind not in "fi":
        raise DataError(f"{where} is {array.dtype} of shape {array.shape}; a sound is numbers (T,) or (T, channels)")
    if not 1_000 <= rate <= 400_000:
        raise DataError(f"{where} has {rate} samples a second; from 1,000 to 400,000 can be read")
    if array.dtype.kind == "i" and array.dtype != np.int16:
        raise DataError(f"{where} holds {array.dtype}; samples are int16, or fractions in [-1, 1]")
    if array.ndim == 2:
        array = array.mean(1)
        array = array / FULL if np.asarray(wave).dtype == np.int16 else array
    if array.dtype != np.int16:
        array = pcm(array, where)
    return Sound(array, int(rate), label, name)


def pcm(wave: np.ndarray, where: str) -> np.ndarray:
    """16-bit samples of a wave (T,); DataError where it holds numbers that are none."""
    if not np.isfinite(wave).all():
        raise DataError(f"{where} holds samples that are no numbers (NaN or infinite)")
    peak = float(np.abs(wave).max(initial=0))
    return np.rint(wave * (FULL / max(1.0, peak))).astype(np.int16)


def sounds(waves: Any, rate: int = RATE, labels: Any = None) -> Sounds:
    """Recordings from an array (N, T) or a list of waves, with one label each or none."""
    if labels is not None and len(labels) != len(waves):
        raise DataError(f"there are {len(waves)} sounds but {len(labels)} labels; one each is needed")
    if not len(waves):
        raise DataError("there is no sound in an empty array")
    told = [""] * len(waves) if labels is None else [str(label) for label in labels]
    return Sounds(tuple(sound(wave, rate, label) for wave, label in zip(waves, told)))
