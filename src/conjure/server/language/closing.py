"""The shortest way to end a text that a grammar holds, when it had to stop in the middle."""

from __future__ import annotations

import random
from functools import cache
from typing import Any

import numpy as np

from conjure.generation.grammar import kit

FIRST = b'"}],0123456789eaoinrst'  # what ends things stands first, then what is likely to be allowed
MOST = 4096  # bytes; a pattern that has not come to an end by then is tried again by other ways
TRIES = 4


@cache
def _letters() -> Any:
    return kit().LLTokenizer("byte")


def ending(rules: str, begun: str) -> str | None:
    """Text that makes `begun` a whole text of a Lark grammar, "" where it is one; None where none is found.

    Bytes are chosen one by one, those that close strings, objects and lists before all others.
    """
    start = kit().LLMatcher(_letters(), kit().LLMatcher.grammar_from_lark(rules), log_level=0)
    if not _taken(start, begun.encode()):
        return None
    for attempt in range(TRIES):
        order = list(FIRST) + [b for b in range(256) if b not in FIRST]
        if attempt:
            random.Random(attempt).shuffle(order)
        found = _walk(start.deep_copy(), order)
        if found is not None:
            return found.decode("utf-8", "replace")
    return None


def _walk(matcher: Any, order: list[int]) -> bytes | None:
    found = bytearray()
    while not matcher.is_accepting():
        forced = matcher.compute_ff_bytes()
        if not forced:
            bits = np.unpackbits(np.frombuffer(matcher.compute_bitmask(), np.uint8), bitorder="little")
            forced = bytes([next((b for b in order if bits[b]), 0)])
        if not _taken(matcher, forced) or len(found) > MOST:
            return None
        found += forced
    return bytes(found)


def _taken(matcher: Any, text: bytes) -> bool:
    return not text or bool(matcher.consume_tokens(list(text)))
