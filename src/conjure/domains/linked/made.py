"""Tables in the making: what is learnt of one, and its rows as arrays before they are cells."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from conjure.domains.linked.relation import Relation
from conjure.domains.table.codec import TableCodec
from conjure.domains.table.derived import Arrays


class Draws(Protocol):
    """What is needed of a model: rows of codes under evidence."""

    def sample(self, n: int, *, given: Tensor | None = None, rng: torch.Generator | None = None) -> Tensor: ...


@dataclass(frozen=True)
class Learnt:
    """A table with the codec and the model of its frame."""

    relation: Relation
    codec: TableCodec
    model: Draws


@dataclass
class Made:
    """A table in the making: `columns` as its codec reads them, `moments` in microseconds, `place` of parents."""

    rows: int
    columns: Arrays
    moments: Arrays = field(default_factory=dict)
    place: dict[str, np.ndarray] = field(default_factory=dict)
    starts: np.ndarray | None = None  # first rows of each owner
