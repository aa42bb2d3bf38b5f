"""Conversations for the screen and the page."""

from __future__ import annotations

import html
from typing import Any

from conjure.domains.text.view import RULE
from conjure.domains.text.view import to_html as document_to_html
from conjure.domains.text.view import to_text as documents_to_text


def to_text(objects: list[Any]) -> str:
    """Conversations for a terminal, a rule between them, who speaks before each message."""
    return f"\n{RULE}\n".join(documents_to_text([spoken(one)]) for one in objects)


def to_html(one: Any) -> str:
    """One conversation (or document) as HTML."""
    if isinstance(one, str):
        return document_to_html(one)
    return "".join(f"<p><b>{html.escape(m['role'])}</b> {html.escape(m['content'])}</p>" for m in one)


def spoken(one: Any) -> str:
    """A conversation as plain text, a message a paragraph; a document as it is."""
    return one if isinstance(one, str) else "\n".join(f"{m['role']}: {m['content']}" for m in one)
