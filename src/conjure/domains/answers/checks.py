"""Whether an answer is one, and whether two are the same."""

from __future__ import annotations

from conjure.domains.answers.answer import Answer


def valid(answer: Answer) -> bool:
    """Whether there is a completion."""
    return bool(answer.completion.strip())


def same(one: Answer, other: Answer) -> bool:
    """Whether prompt and completion agree character by character."""
    return one == other
