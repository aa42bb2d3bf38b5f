"""Whether a pair is whole, whether two are the same, and whether a text goes round in circles."""

from __future__ import annotations

from collections import Counter

from conjure.domains.pairs.pair import Pair


def valid(pair: Pair) -> bool:
    """Whether both sides are there, all of it decodable (no replacement character stands for broken bytes)."""
    return all(bool(side) and "\ufffd" not in side for side in pair)


def same(one: Pair, other: Pair) -> bool:
    """Whether two pairs agree character by character."""
    return one == other


def most_repeated(text: str, run: int = 4) -> int:
    """How often the commonest run of so many words stands in a text; 0 where the text is shorter."""
    words = text.split()
    return max(Counter(zip(*(words[k:] for k in range(run)))).values(), default=0)
