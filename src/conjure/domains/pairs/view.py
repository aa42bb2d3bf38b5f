"""Pairs for the screen and the page."""

from __future__ import annotations

import html
from collections.abc import Sequence

from conjure.domains.pairs.pair import Pair


def to_text(pairs: Sequence[Pair]) -> str:
    """A line a pair, the source before an arrow where there is one."""
    return "\n".join(_visible(f"{p.source} -> {p.target}" if p.source else p.target or "") for p in pairs)


def to_html(pair: Pair) -> str:
    """One pair as HTML, a line a side."""
    return "".join(f"<p>{html.escape(side)}</p>" for side in pair if side is not None)


def _visible(text: str) -> str:
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)
