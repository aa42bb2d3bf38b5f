"""What a request comes to: a prompt, how tokens are drawn, what the answer must look like; or why it cannot be met."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field, replace
from typing import Any

from conjure.core.config import nearest
from conjure.core.errors import ConfigError
from conjure.core.rng import derive
from conjure.generation import Grammar, Request
from conjure.models.decoding import Choice
from conjure.server.errors import Refusal
from conjure.server.language.calls import MARKS, rules
from conjure.server.language.closing import ending
from conjure.server.language.conversation import Read
from conjure.server.language.shapes import ChatRequest, Extras, Format, NamedTool, Tool
from conjure.server.language.talker import Talker

FIELDS = {  # what our own errors call a thing -> what clients call it
    "logit bias": "logit_bias",
    "stop strings": "stop",
    "the prompt": "prompt",
}


@dataclass(frozen=True)
class Wanted:
    """How an answer may look. must: it calls tools and says nothing else. rules: its grammar."""

    tools: tuple[Tool, ...] = ()
    must: bool = False
    several: bool = False
    rules: str = ""
    grammar: Grammar | None = None


@dataclass(frozen=True)
class Plan:
    """All that a request comes to: a prompt, the ways it is to be answered, and what else clients are told."""

    talker: Talker
    read: Read
    requests: list[Request]
    wanted: Wanted = field(default_factory=Wanted)
    begun: float = field(default_factory=time.perf_counter)


def requests_of(
    talker: Talker, asked: Extras, read: Read, limit: int | None, wanted: Wanted, likely: int
) -> list[Request]:
    """A request for each of the `n` answers. likely: log-probabilities of so many tokens are named at each place."""
    room = None if talker.context is None else talker.context - len(read.tokens)
    most = min(x for x in (limit, room, 1 << 20 if talker.context is None else None) if x is not None)
    stops = [asked.stop] if isinstance(asked.stop, str) else asked.stop or []
    ends = () if asked.ignore_eos else talker.writer.script.ends
    ends += tuple(talker.check(asked.stop_token_ids or [], "stop_token_ids"))
    seed = secrets.randbits(62) if asked.seed is None else asked.seed
    try:
        first = Request(
            read.tokens,
            choice_of(asked),
            most,
            () if wanted.must else tuple(stops),  # a stop string must not cut a call in two
            likely,
            derive(seed, "answer"),
            wanted.grammar,
            ends,
        )
        first.check(talker.writer.script.vocab)
    except ConfigError as error:
        param = next((name for told, name in FIELDS.items() if told in str(error)), None)
        raise Refusal(400, str(error), param=param) from None
    return [first] + [replace(first, seed=derive(seed, "answer", k)) for k in range(1, asked.n or 1)]


def choice_of(asked: Extras) -> Choice:
    """How tokens are drawn."""
    return Choice(
        temperature=1.0 if asked.temperature is None else asked.temperature,
        top_k=max(0, asked.top_k or 0),
        top_p=asked.top_p or 1.0,
        min_p=asked.min_p or 0.0,
        repetition=asked.repetition_penalty or 1.0,
        frequency=asked.frequency_penalty or 0.0,
        presence=asked.presence_penalty or 0.0,
        bias=tuple((int(token), float(added)) for token, added in (asked.logit_bias or {}).items()),
    )


def format_wanted(talker: Talker, form: Format | None) -> Wanted:
    """What `response_format` asks for."""
    if form is None or form.type == "text":
        return Wanted()
    tokenizer = _tokenizer(talker, "response_format")
    try:
        if form.type == "regex":
            return Wanted(grammar=Grammar.regex(form.pattern or "", tokenizer))
        return Wanted(grammar=Grammar.json_schema(_schema(form), tokenizer))
    except ConfigError as error:
        raise Refusal(400, str(error), param="response_format") from None


def tools_wanted(talker: Talker, asked: ChatRequest) -> Wanted:
    """What `tools` and `tool_choice` ask for; Refusal 400 for a schema that no arguments fit."""
    tools, choice, several = asked.tools or [], asked.tool_choice, asked.parallel_tool_calls is not False
    if not tools and choice not in (None, "none", "auto"):
        raise Refusal(400, "tool_choice asks for a call, but there are no tools", param="tool_choice")
    if not tools or choice == "none":
        return Wanted()
    names = [t.function.name for t in tools]
    if twice := [n for n in names if names.count(n) > 1]:
        raise Refusal(400, f"two tools are called {twice[0]!r}", param="tools")
    if isinstance(choice, NamedTool):
        if choice.function.name not in names:
            told = nearest(choice.function.name, names)
            raise Refusal(400, f"no tool is called {choice.function.name!r}: {told}", param="tool_choice")
        tools, several = [t for t in tools if t.function.name == choice.function.name], False
    must, tokenizer = choice not in (None, "auto"), _tokenizer(talker, "tools")
    for at, tool in enumerate(tools):  # each by itself, so that the sentence names it
        _check_schema(tool, f"tools[{at}].function.parameters", tokenizer)
    form, marks = asked.response_format, tuple(m for m in MARKS if tokenizer.number(m) is not None)
    free = True if must or form is None or form.type == "text" else _schema(form)
    try:
        grammar = Grammar.lark(rules(tools, free if not must else None, several, marks), tokenizer)
    except ConfigError as error:
        raise Refusal(400, str(error), param="response_format" if isinstance(free, dict) else "tools") from None
    return Wanted(tuple(tools), must, several, rules(tools, free if not must else None, several), grammar)


def _schema(form: Format) -> dict[str, Any]:
    if form.type == "regex":
        raise Refusal(400, "response_format of type regex goes with no tools", param="response_format")
    return (form.json_schema.schema_ if form.json_schema else None) or {"type": "object"}


def _check_schema(tool: Tool, where: str, tokenizer: Any) -> None:
    name, kind = tool.function.name, (tool.function.parameters or {}).get("type", "object")
    if kind != "object":
        raise Refusal(400, f"the parameters of {name} are of type {kind!r}; arguments are an object", param=where)
    alone = rules([tool], None, False)
    try:
        Grammar.lark(alone, tokenizer)  # by letters, since a mark of its own adds nothing to what a schema may be
    except ConfigError as error:
        raise Refusal(400, f"the schema of {name} cannot be used: {error}", param=where) from None
    if ending(alone, "") is None:
        raise Refusal(400, f"no arguments are found that fit the schema of {name}", param=where)


def _tokenizer(talker: Talker, param: str) -> Any:
    if talker.tokenizer is None:
        raise Refusal(400, f"{talker.name} writes plain text: {param} needs a language model", param=param)
    return talker.tokenizer
