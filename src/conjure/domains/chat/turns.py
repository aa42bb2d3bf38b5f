"""Which stretches of a rendered conversation the assistant wrote: these alone are learnt."""

from __future__ import annotations

from typing import Any

from conjure.core.errors import DataError
from conjure.domains.chat.template import render

# Private characters put around answers while rendering, to find them again: no text of people holds them.
OPEN, CLOSE = "\U000f5a01", "\U000f5a02"
Piece = tuple[str, bool]  # a stretch of text, and whether the assistant wrote it


def pieces(
    template: str, messages: list[dict[str, Any]], names: dict[str, str] | None = None, ends: tuple[str, ...] = ()
) -> list[Piece]:
    """A conversation's text in order, cut where the assistant begins and ends; the token after an answer is its own.

    An answer is found by marks around it, which must leave the rest of the text as it was; where a template makes
    more of an answer than its words (a call of a tool), by rendering up to it and beyond it. DataError where a template
    rewrites earlier turns, so that nobody can say which text is whose.
    """
    text = render(template, messages, answer=False, names=names)
    found = _marked(template, messages, names, text)
    if found is None:
        found = _between(template, messages, names, text)
    made: list[Piece] = []
    done = 0
    for start, stop in found:
        for end in ends:
            if end and text.startswith(end, stop):
                stop += len(end)
                break
        made += [(text[done:start], False), (text[start:stop], True)]
        done = stop
    made.append((text[done:], False))
    return [piece for piece in made if piece[0]]


def _marked(
    template: str, messages: list[dict[str, Any]], names: dict[str, str] | None, text: str
) -> list[tuple[int, int]] | None:
    """(start, stop) of each answer in the text; None where marks would change it."""
    marked = []
    for message in messages:
        if message["role"] != "assistant":
            marked.append(message)
        elif message.get("tool_calls") or not message.get("content"):
            return None
        else:
            marked.append({**message, "content": f"{OPEN}{message['content']}{CLOSE}"})
    rendered = render(template, marked, answer=False, names=names)
    spans, plain = [], []
    size = 0
    for part in rendered.split(OPEN)[1:]:
        if part.count(CLOSE) != 1:
            return None
    for at, part in enumerate(rendered.split(OPEN)):
        words, _, rest = part.rpartition(CLOSE) if at else ("", "", part)
        if at:
            spans.append((size, size + len(words)))
        plain += [words, rest]
        size += len(words) + len(rest)
    answers = sum(m["role"] == "assistant" for m in messages)
    return spans if len(spans) == answers and "".join(plain) == text else None


def _between(
    template: str, messages: list[dict[str, Any]], names: dict[str, str] | None, text: str
) -> list[tuple[int, int]]:
    """The same by rendering: an answer begins where its prompt ends and ends where the next message begins."""
    spans = []
    for at, message in enumerate(messages):
        if message["role"] != "assistant":
            continue
        before = render(template, messages[:at], names=names)
        whole = render(template, messages[: at + 1], answer=False, names=names)
        if not (text.startswith(whole.rstrip()) and whole.startswith(before)):
            raise DataError(
                f"the chat template writes message {at + 1} otherwise when further messages follow, so that its tokens "
                "cannot be told; leave tool calls and earlier reasoning out, or give each answer its own conversation"
            )
        spans.append((len(before), len(whole.rstrip())))
    return spans
