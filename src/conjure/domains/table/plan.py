"""What is modelled: the learnt columns themselves, or what stands in for them where rules bind them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from conjure.domains.table.binning import Ranges
from conjure.domains.table.fields import Field

Arrays = dict[str, np.ndarray]
Asked = dict[str, tuple[Ranges, bool]]


@dataclass(frozen=True)
class Variable:
    """One thing to be coded. `listed` values have no order; those on a `grid` are whole numbers."""

    name: str
    listed: bool
    grid: bool


class Plan:
    """Between columns and variables, both as float64 arrays with NaN for missing."""

    def __init__(self, fields: dict[str, Field]):
        self.fields = fields
        self.variables = tuple(Variable(f.name, f.listed, f.column.grid) for f in fields.values())

    def forward(self, columns: Arrays) -> Arrays:
        """Variables from columns."""
        return {v.name: columns[v.name] for v in self.variables}

    def backward(self, variables: Arrays) -> Arrays:
        """Columns from variables."""
        return dict(variables)

    def allow(self, asked: Asked) -> Asked:
        """What is asked of columns as what it asks of variables."""
        return asked
