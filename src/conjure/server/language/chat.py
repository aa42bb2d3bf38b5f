"""/v1/chat/completions: conversations, tools, formats; at once or as server-sent events."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from conjure.server.errors import RESPONSES, Refusal
from conjure.server.events import DONE, begun, event, unless_left
from conjure.server.language import likelihoods
from conjure.server.language.answering import Delta, Whole, merged, usage, wholes
from conjure.server.language.conversation import read_chat
from conjure.server.language.planning import Plan, format_wanted, requests_of, tools_wanted
from conjure.server.language.shapes import ChatRequest
from conjure.server.language.talker import Talker, talker_of

router = APIRouter(tags=["language"], responses=RESPONSES)


@router.post("/v1/chat/completions", response_model=None)
async def chat(asked: ChatRequest, request: Request) -> Any:
    """The assistant's next message in a conversation."""
    headers = ignored_header(asked)
    talker = talker_of(request.app.state, asked.model)
    talker.gate.check(asked.n or 1)  # before any work for it
    plan = await unless_left(request.receive, asyncio.to_thread(planned, talker, asked))
    shown = Shown(plan, asked)
    if asked.stream:
        return await begun(request.receive, shown.chunks(), headers)
    return JSONResponse(shown.message(await unless_left(request.receive, wholes(plan))), headers=headers)


def ignored_header(asked: Any) -> dict[str, str]:
    """A header that names the fields which had no effect."""
    names = [name for name in asked.ignored() if name.isascii() and name.isprintable()]
    return {"x-ignored-fields": ", ".join(names)[:500]} if names else {}


def planned(talker: Talker, asked: ChatRequest) -> Plan:
    """What a request comes to; Refusal 400 where it cannot be met."""
    started = time.perf_counter()
    if asked.top_logprobs and not asked.logprobs:
        raise Refusal(400, "top_logprobs needs logprobs to be true", param="top_logprobs")
    wanted = tools_wanted(talker, asked)
    wanted = wanted if wanted.tools else format_wanted(talker, asked.response_format)
    limit = asked.max_completion_tokens or asked.max_tokens
    room = limit or (talker.context or 1 << 20) // 4
    read = read_chat(talker, asked.messages, list(wanted.tools), asked.truncate_prompt_tokens, room)
    likely = max(1, asked.top_logprobs or 0) if asked.logprobs else 0
    return Plan(talker, read, requests_of(talker, asked, read, limit, wanted, likely), wanted, started)


class Shown:
    """A plan's answers in the shape of chat completions."""

    def __init__(self, plan: Plan, asked: ChatRequest):
        self.plan, self.asked = plan, asked
        self.counted = bool(asked.stream_options and asked.stream_options.include_usage)
        self.common = {
            "id": f"chatcmpl-{secrets.token_hex(12)}",
            "created": int(time.time()),
            "model": plan.talker.name,
            "system_fingerprint": plan.talker.fingerprint,
        }
        self.cut = {"truncated_prompt_tokens": plan.read.cut} if asked.truncate_prompt_tokens is not None else {}

    def message(self, answers: list[Whole]) -> dict[str, Any]:
        """The whole response."""
        choices = []
        for number, answer in enumerate(answers):
            message: dict[str, Any] = {"role": "assistant", "content": answer.text, "refusal": None}
            if answer.calls:
                message |= {"content": answer.text or None, "tool_calls": answer.calls}
            logprobs = likelihoods.of_chat(answer.logprobs, self.top) if self.asked.logprobs else None
            choices.append({"index": number, "message": message, "logprobs": logprobs, "finish_reason": answer.finish})
        counts = usage(len(self.plan.read.tokens), answers[0].cached, sum(a.tokens for a in answers))
        return {**self.common, "object": "chat.completion", "choices": choices, "usage": counts, **self.cut}

    @property
    def top(self) -> int:
        return self.asked.top_logprobs or 0

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """The response as events."""
        told: set[int] = set()
        cached = written = 0
        async with aclosing(merged(self.plan)) as coming:
            async for number, delta in coming:
                if number not in told:
                    told.add(number)
                    yield self._chunk(number, {"role": "assistant", "content": ""}, more=self.cut)
                cached, written = delta.cached, written + delta.tokens
                for piece in self._changes(number, delta):
                    yield piece
        if self.counted:
            counts = usage(len(self.plan.read.tokens), cached, written)
            yield event({**self.common, "object": "chat.completion.chunk", "choices": [], "usage": counts})
        yield DONE

    def _changes(self, number: int, delta: Delta) -> list[bytes]:
        """The events of one delta; its log-probabilities go with the first of them."""
        changes: list[dict[str, Any]] = [{"content": delta.text}] if delta.text else []
        changes += [{"tool_calls": [call]} for call in delta.calls]
        logprobs = likelihoods.of_chat(delta.logprobs, self.top) if self.asked.logprobs and delta.logprobs else None
        if logprobs and not changes:
            changes = [{}]
        found = [self._chunk(number, change, None if at else logprobs) for at, change in enumerate(changes)]
        if delta.finish:
            found.append(self._chunk(number, {}, finish=delta.finish))
        return found

    def _chunk(
        self, number: int, change: dict[str, Any], logprobs: Any = None, finish: str | None = None, more: Any = None
    ) -> bytes:
        choice = {"index": number, "delta": change, "logprobs": logprobs, "finish_reason": finish}
        counts = {"usage": None} if self.counted else {}
        return event({**self.common, "object": "chat.completion.chunk", "choices": [choice], **counts, **(more or {})})
