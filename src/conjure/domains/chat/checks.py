"""Whether a conversation or document is one, and whether two are the same."""

from __future__ import annotations

from typing import Any


def valid(found: Any) -> bool:
    """Whether there is text (or there are messages with text), all of it decodable."""
    texts = [found] if isinstance(found, str) else [str(message.get("content", "")) for message in found]
    return bool(texts) and all(text and "\ufffd" not in text for text in texts)


def same(one: Any, other: Any) -> bool:
    """Whether two agree in every message, character by character."""
    return one == other
