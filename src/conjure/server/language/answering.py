"""From a request to what is written for it, piece by piece: the queue, the writer's threads, calls, counts.

Streamed and whole answers are made of the same deltas, and are therefore the same.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import secrets
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field, replace
from typing import Any

from conjure.core.config import nearest
from conjure.core.errors import ConfigError, ConjureError
from conjure.core.rng import derive
from conjure.generation import Grammar, Likely, Piece, Request
from conjure.models.decoding import Choice
from conjure.server.errors import Refusal
from conjure.server.language.calls import CallReader, rules
from conjure.server.language.closing import ending
from conjure.server.language.conversation import Read
from conjure.server.language.shapes import Extras, Format, NamedTool, Tool
from conjure.server.language.talker import Talker

FIELDS = {  # what our own errors call a thing -> what clients call it
    "logit bias": "logit_bias",
    "stop strings": "stop",
    "the prompt": "prompt",
}


@dataclass(frozen=True)
class Wanted:
    """How an answer may look. must: it calls tools and says nothing else. rules: of its grammar, where it has one."""

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


@dataclass
class Delta:
    """What is new in one answer: text, calls of tools (as OpenAI has them), and the tokens it was made of."""

    text: str = ""
    calls: list[dict[str, Any]] = field(default_factory=list)
    tokens: int = 0
    logprobs: list[Likely] = field(default_factory=list)
    finish: str | None = None
    cached: int = 0


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
        schema = (form.json_schema.schema_ if form.json_schema else None) or {"type": "object"}
        return Wanted(grammar=Grammar.json_schema(schema, tokenizer))
    except ConfigError as error:
        raise Refusal(400, str(error), param="response_format") from None


def tools_wanted(talker: Talker, tools: list[Tool], choice: Any, several: bool) -> Wanted:
    """What `tools` and `tool_choice` ask for; Refusal 400 for a schema that no arguments fit."""
    if not tools:
        if choice not in (None, "none", "auto"):
            raise Refusal(400, "tool_choice asks for a call, but there are no tools", param="tool_choice")
        return Wanted()
    if choice == "none":
        return Wanted()
    names = [t.function.name for t in tools]
    if twice := [n for n in names if names.count(n) > 1]:
        raise Refusal(400, f"two tools are called {twice[0]!r}", param="tools")
    if isinstance(choice, NamedTool):
        if choice.function.name not in names:
            told = nearest(choice.function.name, names)
            raise Refusal(400, f"no tool is called {choice.function.name!r}: {told}", param="tool_choice")
        tools, several = [t for t in tools if t.function.name == choice.function.name], False
    must = choice not in (None, "auto")
    tokenizer = _tokenizer(talker, "tools")
    for at, tool in enumerate(tools):  # each by itself, so that the sentence names it
        alone = rules([tool], True, False)
        try:
            Grammar.lark(alone, tokenizer)
        except ConfigError as error:
            where = f"tools[{at}].function.parameters"
            raise Refusal(400, f"the schema of {tool.function.name} cannot be used: {error}", param=where) from None
        if ending(alone, "") is None:
            raise Refusal(400, f"no arguments fit the schema of {tool.function.name}", param=f"tools[{at}]")
    whole = rules(tools, must, several)
    return Wanted(tuple(tools), must, several, whole, Grammar.lark(whole, tokenizer))


def _tokenizer(talker: Talker, param: str) -> Any:
    if talker.tokenizer is None:
        raise Refusal(400, f"{talker.name} writes plain text: {param} needs a language model", param=param)
    return talker.tokenizer


async def deltas(plan: Plan, number: int) -> AsyncGenerator[Delta, None]:
    """One of the plan's answers, delta by delta; leaving the generator frees its slot."""
    talker, request, wanted = plan.talker, plan.requests[number], plan.wanted
    reader = CallReader(wanted.must, wanted.several) if wanted.tools else None
    counts, name, last = {"tokens": 0}, talker.name, plan.begun
    first, so_far = 0.0, ""
    pieces = _pieces(talker, request)
    try:
        async for piece, cached in pieces:
            if not counts["tokens"] and piece.tokens:
                first = time.perf_counter()
                talker.metrics.first.labels(name).observe(first - plan.begun)
            counts["tokens"] += len(piece.tokens)
            delta = Delta(piece.text, [], len(piece.tokens), piece.logprobs, piece.finish, cached)
            if reader is not None:
                so_far += piece.text
                await _read_calls(delta, reader, request, wanted, so_far)
            last = time.perf_counter()
            yield delta
    except (GeneratorExit, asyncio.CancelledError):
        talker.metrics.cut.labels(name).inc()
        raise
    finally:
        await pieces.aclose()
        talker.metrics.read.labels(name).inc(len(request.prompt))
        talker.metrics.written.labels(name).inc(counts["tokens"])
        if counts["tokens"] > 1:
            talker.metrics.gap.labels(name).observe((last - first) / (counts["tokens"] - 1))


async def _read_calls(delta: Delta, reader: CallReader, request: Request, wanted: Wanted, so_far: str) -> None:
    """Part a delta's text into text and calls; a call that was cut short is ended in the shortest valid way."""
    fed, finish, delta.text = delta.text, delta.finish, ""
    if finish is not None:
        ended = [*reader.feed(fed)]
        fed = ""
        if reader.within or (wanted.must and not reader.names):
            fed = await asyncio.to_thread(ending, wanted.rules, so_far) or ""
        said = [*ended, *reader.feed(fed, last=True)]
    else:
        said = [*reader.feed(fed)]
    for part in said:
        delta.text += part.text
        if part.name is not None:
            code = hashlib.sha256(f"{request.seed}/{part.call}/{part.name}".encode()).hexdigest()[:24]
            delta.calls.append(
                {
                    **{"index": part.call, "id": f"call_{code}", "type": "function"},
                    "function": {"name": part.name, "arguments": part.arguments},
                }
            )
        elif part.call is not None:
            delta.calls.append({"index": part.call, "function": {"arguments": part.arguments}})
    if finish == "stop" and reader.names:
        delta.finish = "tool_calls"


async def _pieces(talker: Talker, request: Request) -> AsyncGenerator[tuple[Piece, int], None]:
    """The writer's pieces and how much of the prompt was read before, handed over from a thread of its own."""
    async with talker.gate.turn():
        loop = asyncio.get_running_loop()
        coming: asyncio.Queue[Piece | BaseException | None] = asyncio.Queue()
        try:
            stream = talker.writer.stream(request)
        except ConjureError as error:
            raise Refusal(400, str(error)) from None

        def put(found: Piece | BaseException | None) -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended, and with it whoever would listen
                loop.call_soon_threadsafe(coming.put_nowait, found)

        def pump() -> None:
            try:
                for piece in stream:
                    put(piece)
                put(None)
            except BaseException as error:
                put(error)

        done = loop.run_in_executor(talker.threads, pump)
        try:
            while (found := await coming.get()) is not None:
                if isinstance(found, ConjureError):
                    raise Refusal(500, f"the model failed: {found}", code="model_failed") from found
                if isinstance(found, BaseException):
                    raise found
                yield found, stream.cached_tokens
        finally:
            stream.close()
            await asyncio.shield(done)  # the slot is free when the thread has let go of it


async def merged(plan: Plan) -> AsyncGenerator[tuple[int, Delta], None]:
    """The deltas of all the plan's answers as they come, each with its answer's number."""
    with plan.talker.gate.entered(len(plan.requests)):
        if len(plan.requests) == 1:
            only = deltas(plan, 0)
            try:
                async for delta in only:
                    yield 0, delta
            finally:
                await only.aclose()
            return
        coming: asyncio.Queue[tuple[int, Delta | BaseException | None]] = asyncio.Queue()

        async def one(number: int) -> None:
            try:
                async for delta in deltas(plan, number):
                    coming.put_nowait((number, delta))
                coming.put_nowait((number, None))
            except Exception as error:
                coming.put_nowait((number, error))

        tasks = [asyncio.create_task(one(number)) for number in range(len(plan.requests))]
        try:
            left = len(tasks)
            while left:
                number, found = await coming.get()
                if isinstance(found, BaseException):
                    raise found
                if found is None:
                    left -= 1
                else:
                    yield number, found
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


@dataclass
class Whole:
    """One answer's deltas put together."""

    text: str = ""
    calls: list[dict[str, Any]] = field(default_factory=list)
    tokens: int = 0
    logprobs: list[Likely] = field(default_factory=list)
    finish: str = "stop"
    cached: int = 0

    def add(self, delta: Delta) -> None:
        self.text += delta.text
        self.tokens += delta.tokens
        self.logprobs += delta.logprobs
        self.finish = delta.finish or self.finish
        self.cached = delta.cached
        for call in delta.calls:
            if "id" in call:
                function = dict(call["function"])
                self.calls.append({"id": call["id"], "type": "function", "function": function})
            else:
                self.calls[call["index"]]["function"]["arguments"] += call["function"]["arguments"]


async def wholes(plan: Plan) -> list[Whole]:
    """All the plan's answers, when they are complete."""
    found = [Whole() for _ in plan.requests]
    async with contextlib.aclosing(merged(plan)) as coming:
        async for number, delta in coming:
            found[number].add(delta)
    return found


def usage(prompt: int, cached: int, written: int) -> dict[str, Any]:
    """Counts of tokens as OpenAI tells them."""
    return {
        "prompt_tokens": prompt,
        "completion_tokens": written,
        "total_tokens": prompt + written,
        "prompt_tokens_details": {"cached_tokens": cached},
    }
