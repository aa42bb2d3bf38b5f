"""What is written for a plan, piece by piece: the queue, the writer's threads, calls of tools, counts.

Streamed and whole answers are made of the same deltas, and are therefore the same.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any

from conjure.core.errors import ConfigError, ConjureError
from conjure.generation import Likely, Piece, Request
from conjure.server.errors import Refusal
from conjure.server.language.calls import CallReader
from conjure.server.language.closing import ending
from conjure.server.language.planning import Plan, Wanted
from conjure.server.language.talker import Talker


@dataclass
class Delta:
    """What is new in one answer: text, calls of tools (as OpenAI has them), and the tokens it was made of."""

    text: str = ""
    calls: list[dict[str, Any]] = field(default_factory=list)
    tokens: int = 0
    logprobs: list[Likely] = field(default_factory=list)
    finish: str | None = None
    cached: int = 0


async def deltas(plan: Plan, number: int) -> AsyncGenerator[Delta, None]:
    """One of the plan's answers, delta by delta; leaving the generator frees its slot."""
    talker, request, wanted = plan.talker, plan.requests[number], plan.wanted
    reader = CallReader(wanted.must, wanted.several) if wanted.tools else None
    name, so_far, tokens, read_before = talker.name, "", 0, 0
    first = last = plan.begun
    pieces = _pieces(talker, request)
    try:
        async for piece, read_before in pieces:
            if not tokens and piece.tokens:
                first = time.perf_counter()
                talker.metrics.first.labels(name).observe(first - plan.begun)
            tokens += len(piece.tokens)
            delta = Delta(piece.text, [], len(piece.tokens), piece.logprobs, piece.finish, read_before)
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
        talker.metrics.reused.labels(name).inc(read_before)
        talker.metrics.written.labels(name).inc(tokens)
        if tokens > 1:
            talker.metrics.gap.labels(name).observe((last - first) / (tokens - 1))


async def _read_calls(delta: Delta, reader: CallReader, request: Request, wanted: Wanted, so_far: str) -> None:
    """Part a delta's text into text and calls; a call that was cut short is ended in the shortest valid way."""
    fed, finish, delta.text = delta.text, delta.finish, ""
    if finish is None:
        said = [*reader.feed(fed)]
    else:
        stem = fed.rstrip("\ufffd")  # half a character at the end stands in the way of an ending
        rest = fed[len(stem) :]
        said = [*reader.feed(stem)]
        if reader.within or (wanted.must and not reader.names):
            rest = await asyncio.to_thread(ending, wanted.rules, so_far.removesuffix(rest)) or ""
            finish = delta.finish = "length"  # also where a stop string cut it
        said += reader.feed(rest, last=True)
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
                if isinstance(found, ConfigError):
                    raise Refusal(400, str(found)) from found
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


class Whole(Delta):
    """One answer's deltas put together."""

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
