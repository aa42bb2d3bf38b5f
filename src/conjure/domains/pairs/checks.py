"""Whether a pair is whole, and whether two are the same."""

from __future__ import annotations

from conjure.domains.pairs.pair import Pair


def valid(pair: Pair) -> bool:
    """Whether both sides are there, all of it decodable (no replacement character stands for broken bytes)."""
    return all(bool(side) and "\ufffd" not in side for side in pair)


def same(one: Pair, other: Pair) -> bool:
    """Whether two pairs agree character by character."""
    return one == other
