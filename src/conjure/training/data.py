"""Examples by index: tensors in memory or memory-mapped files, batched without Python per item.

The batch of a step is a function of (seed, step): a resumed run reads on where it stopped, and of
several processes each takes its own rows out of the same batch.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from conjure.core.batch import Batch
from conjure.core.rng import Noise, generator
from conjure.domains.protocol import Encoded


class Examples:
    """Rows (B, ...) or, for a stream, windows of window + 1 tokens cut from it.

    Training windows start at a new random offset each epoch and tile the stream from there, so every
    token is seen once an epoch; held-out windows tile it from the start. A rest shorter than a window is left out.
    """

    descent: Any = None  # what alone may look at examples, under a privacy budget

    def __init__(self, encoded: Encoded, seed: int = 0):
        self.x, self.mask, self.given, self.parts = encoded.x, encoded.mask, encoded.given, encoded.parts
        self.window, self.spread, self.seed = encoded.window, encoded.spread, seed
        self._epoch = (-1, torch.empty(0, dtype=torch.long))

    def __len__(self) -> int:
        if not self.window:
            return len(self.x)
        return max(1, (len(self.x) - 1) // self.window)

    def batches(self, size: int) -> int:
        """Batches of one epoch; what does not fill the last one waits for another epoch's order."""
        return max(1, len(self) // size)

    def batch(self, step: int, size: int, rank: int = 0, world: int = 1) -> Batch:
        """This process's share of the batch of a step: rows rank, rank + world, ... of it."""
        size = min(size, len(self))
        epoch, place = divmod(step, self.batches(size))
        index = self._order(epoch)[place * size : (place + 1) * size][rank::world]
        return self._gather(index, Noise(self.seed, "noise", step, rank=rank, world=world))

    def look(self, size: int) -> Batch:
        """Some examples to find structure in before training."""
        return self.batch(0, size)

    def held_out(self, size: int, most: int, rank: int = 0, world: int = 1) -> Iterator[Batch]:
        """At most `most` examples in order, in batches; always the same, noise included."""
        for start in range(0, min(len(self), most), size):
            stop = min(start + size, len(self), most)
            if stop - start < world:  # every process must take part in every batch
                return
            index = torch.arange(start, stop)[rank::world]
            if self.window:
                index = (index * self.window).clamp(max=len(self.x) - 1 - self.window)
            yield self._gather(index, Noise(0, "held out", start, rank=rank, world=world))

    def _order(self, epoch: int) -> Tensor:
        if self._epoch[0] != epoch:
            rng = generator(self.seed, "order", epoch)
            order = torch.randperm(len(self), generator=rng)
            if self.window:
                slack = len(self.x) - 1 - len(self) * self.window
                shift = torch.randint(min(self.window, slack + self.window), (), generator=rng)
                order = (order * self.window + shift).clamp(max=len(self.x) - 1 - self.window)
            self._epoch = (epoch, order)
        return self._epoch[1]

    def _gather(self, index: Tensor, noise: Noise) -> Batch:
        if self.window:
            index = index.unsqueeze(1) + torch.arange(self.window + 1)
        tensors = (self.x, self.mask, self.given, self.parts)
        x, mask, given, parts = (None if t is None else _widen(t[index]) for t in tensors)
        if self.spread is not None:
            x = x + self.spread[index] * noise.normal(*x.shape)
        return Batch(x, mask, given, noise, parts)


def _widen(t: Tensor) -> Tensor:
    return t if t.is_floating_point() or t.dtype == torch.bool else t.long()


class Shards:
    """One memory-mapped array a field, written once, chunk by chunk, in the smallest integer type that fits."""

    def __init__(self, folder: Path, rows: int):
        self.folder, self.rows, self.filled = folder, rows, 0
        self.arrays: dict[str, np.memmap] = {}
        folder.mkdir(parents=True, exist_ok=True)

    def append(self, encoded: Encoded) -> None:
        """Add a chunk's rows; memory in use stays at one chunk."""
        count = len(encoded.x)
        for name in ("x", "mask", "given", "spread", "parts"):
            tensor = getattr(encoded, name)
            if tensor is None:
                continue
            if name not in self.arrays:
                shape = (self.rows, *tensor.shape[1:])
                kind = np.int32 if tensor.dtype == torch.long else tensor.numpy().dtype
                self.arrays[name] = np.lib.format.open_memmap(self.folder / f"{name}.npy", "w+", kind, shape)
            self.arrays[name][self.filled : self.filled + count] = tensor.numpy()
        self.filled += count

    def split(self, held_out: int) -> tuple[Encoded, Encoded]:
        """(the rest, the last `held_out` rows), still on disk."""
        for array in self.arrays.values():
            array.flush()
        cut = self.filled - held_out
        parts = []
        for where in (slice(0, cut), slice(cut, self.filled)):
            fields = {}
            for name in self.arrays:
                mapped = np.load(self.folder / f"{name}.npy", mmap_mode="r+")
                fields[name] = torch.from_numpy(mapped)[where]
            parts.append(Encoded(**fields))
        self.arrays = {}
        return parts[0], parts[1]
