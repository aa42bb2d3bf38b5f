"""Calls of tools in what a model writes: the grammar that holds it to them, and the reader that finds them again.

A call is written as Hermes and Qwen models were taught to, between <tool_call> tags; models that were taught nothing
are held to it by the grammar, so that whatever is read is a call of a known tool with arguments of its schema.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from conjure.server.language.shapes import Tool

MARKS = ("<tool_call>", "</tool_call>")
OPEN, CLOSE = MARKS[0] + "\n", "\n" + MARKS[1]
MOST = 16  # calls in one answer; a model that knows no end would go on calling
TIGHT = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}


def head(name: str) -> str:
    """What stands before a call's arguments."""
    return f'{{"name": {json.dumps(name)}, "arguments": '


def rules(tools: list[Tool], free: bool | dict[str, Any] | None, several: bool, marks: tuple[str, ...] = ()) -> str:
    """A Lark grammar (llguidance's dialect) of answers that call tools.

    free: what may be said otherwise: nothing (None), any text, also before the first call (True), JSON of a schema.
    marks: which of `MARKS` are tokens of their own; the grammar then names them. A text that spells the first by
    letters opens a call as well.
    """
    opening, closing = _named(OPEN, marks), _named(CLOSE, marks)
    more = f' ("\\n" {opening} call){{0,{MOST - 1}}}' if several else ""
    lines = [f"start: {opening} call{more}" + (" | rest" if free else "")]
    if free is True:
        lines = [f"start: begun call{more} | rest", "rest: /(?s:.*)/", f"free[suffix={json.dumps(OPEN)}]: /(?s:.*)/"]
        lines.append(f"begun: free | rest {opening}" if MARKS[0] in marks else "begun: free")
    elif free:
        lines.append(f"rest: %json {json.dumps({'x-guidance': TIGHT, **free})}")
    lines.append(f'call: ({" | ".join(f"call_{k}" for k in range(len(tools)))}) "}}" {closing}')
    for k, tool in enumerate(tools):
        schema = json.dumps({"x-guidance": TIGHT, **(tool.function.parameters or {}), "type": "object"})
        lines.append(f"call_{k}: {json.dumps(head(tool.function.name))} %json {schema}")
    return "\n".join(lines)


def _named(text: str, marks: tuple[str, ...]) -> str:
    """A piece of grammar for a tag and its line break: the tag's own token where it has one, else its letters."""
    mark = next((m for m in marks if m in text), None)
    if mark is None:
        return json.dumps(text)
    before, after = text.split(mark)
    return " ".join(part for part in (before and json.dumps(before), mark, after and json.dumps(after)) if part)


@dataclass
class Said:
    """What one further piece of text turned out to be: text for people, or part of the call of that index.

    name: of a call that begins here. Both `text` and `arguments` may be empty.
    """

    text: str = ""
    call: int | None = None
    name: str | None = None
    arguments: str = ""


@dataclass
class CallReader:
    """Finds calls in text that comes in pieces; what may be the beginning of a tag is kept back until it is known.

    must: text consists of calls alone. several: there may be more than one.
    """

    must: bool
    several: bool
    _text: str = ""
    _state: str = "free"  # free | head | arguments | tail
    _count: int = 0
    _depth: int = 0
    _quoted: bool = False
    _escaped: bool = False
    names: list[str] = field(default_factory=list)

    @property
    def within(self) -> bool:
        """Whether a call has begun and is not whole."""
        return self._state != "free"

    def feed(self, text: str, last: bool = False) -> Iterator[Said]:
        """What this further text is; `last`: no more will come."""
        self._text += text
        while True:
            before = (self._state, len(self._text))
            yield from getattr(self, f"_{self._state}_")(last)
            if (self._state, len(self._text)) == before:
                return

    def _free_(self, last: bool) -> Iterator[Said]:
        if self._count and not self.several:
            self._text = ""
            return
        at = self._text.find(OPEN)
        if at >= 0:
            if at and not self._count:
                yield Said(self._text[:at])
            self._text, self._state = self._text[at + len(OPEN) :], "head"
            return
        held = 0 if last else next((n for n in range(len(OPEN) - 1, 0, -1) if self._text.endswith(OPEN[:n])), 0)
        told, self._text = self._text[: len(self._text) - held], self._text[len(self._text) - held :]
        if told and not self._count:  # between calls stands a line break
            yield Said(told)

    def _head_(self, last: bool) -> Iterator[Said]:
        before, mark, rest = self._text.partition(', "arguments": ')
        if mark:
            name = json.loads(before.partition(": ")[2])
            self._text, self._state, self._depth = rest, "arguments", 0
            self.names.append(name)
            yield Said(call=self._count, name=name)

    def _arguments_(self, last: bool) -> Iterator[Said]:
        for at, letter in enumerate(self._text, 1):
            if self._quoted:
                self._quoted = self._escaped or letter != '"'
                self._escaped = letter == "\\" and not self._escaped
                continue
            self._quoted = letter == '"'
            self._depth += (letter in "{[") - (letter in "}]")
            if self._depth == 0:
                told, self._text, self._state = self._text[:at], self._text[at:], "tail"
                yield Said(call=self._count, arguments=told)
                return
        told, self._text = self._text, ""
        if told:
            yield Said(call=self._count, arguments=told)

    def _tail_(self, last: bool) -> Iterator[Said]:
        end = "}" + CLOSE
        if len(self._text) >= len(end):
            self._text, self._state = self._text[len(end) :], "free"
            self._count += 1
        return
        yield
