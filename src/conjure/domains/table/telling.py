"""Evidence from columns that are known to the value, empty cells included."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from conjure.domains.table.derived import Arrays

if TYPE_CHECKING:
    from conjure.domains.table.codec import TableCodec


def told(codec: TableCodec, known: Arrays, filled: Iterable[str] = ()) -> Tensor | None:
    """Evidence (N, sum of sizes) of columns as their fields read them, NaN for an empty cell; None without any.

    known: columns that no rule ties to others. filled: columns that are not known, but known not to be empty.
    """
    n = len(next(iter(known.values()))) if known else 1
    parts, said = [], bool(known)
    for v in codec.plan.variables:
        coder = codec.coders[v.name]
        if v.name in known:
            part = np.zeros((n, coder.size), np.float32)
            codes = np.minimum(coder.encode(known[v.name]), coder.size - 1)
            part[np.arange(n), codes] = 1
        else:
            part = np.ones((n, coder.size), np.float32)
            if v.name in filled and coder.missing:
                part[:, -1], said = 0, True
        parts.append(part)
    return torch.from_numpy(np.concatenate(parts, 1)) if said else None
