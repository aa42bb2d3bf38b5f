"""Whether a text is one, whether two are the same, and how much of a text was copied."""

from __future__ import annotations


def valid(text: str) -> bool:
    """Whether there is text, all of it decodable (no replacement character stands for broken bytes)."""
    return bool(text) and "\ufffd" not in text


def same(one: str, other: str) -> bool:
    """Whether two texts agree character by character."""
    return one == other


def copied(text: str, source: str, span: int = 50) -> float:
    """The share, in [0, 1], of a text's characters inside spans of this length that stand in the source verbatim."""
    if len(text) < span:
        return float(bool(text) and text in source)
    covered = [False] * len(text)
    for start in range(len(text) - span + 1):
        if text[start : start + span] in source:
            covered[start : start + span] = [True] * span
    return sum(covered) / len(text)
