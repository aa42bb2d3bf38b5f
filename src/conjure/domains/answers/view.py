"""Answers for the screen and the page."""

from __future__ import annotations

import html

from conjure.domains.answers.answer import Answer

RULE = "-" * 40


def to_text(answers: list[Answer]) -> str:
    """Answers for a terminal, a rule between them."""
    return f"\n{RULE}\n".join(f"{a.prompt}\n> {a.completion}" for a in answers)


def to_html(answer: Answer) -> str:
    """One answer as HTML."""
    return f"<p><b>{html.escape(answer.prompt)}</b></p><pre>{html.escape(answer.completion)}</pre>"
