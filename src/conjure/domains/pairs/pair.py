"""The object of this domain."""

from __future__ import annotations

from typing import NamedTuple


class Pair(NamedTuple):
    """A source and its target; None is a side that is not there."""

    source: str | None
    target: str | None
