"""Texts for the screen and the page."""

from __future__ import annotations

import html

RULE = "-" * 40


def to_text(documents: list[str]) -> str:
    """Documents for a terminal, a rule between them; control characters other than breaks and tabs are shown."""
    return f"\n{RULE}\n".join("".join(_visible(c) for c in d) for d in documents)


def to_html(document: str) -> str:
    """One document as HTML, its line breaks kept."""
    return f'<pre style="white-space: pre-wrap">{html.escape(document)}</pre>'


def _visible(character: str) -> str:
    if character.isprintable() or character in "\n\t":
        return character
    return f"\\x{ord(character):02x}"
