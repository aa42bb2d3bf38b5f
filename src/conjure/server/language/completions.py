"""/v1/completions: texts that are gone on with, as they are."""

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
from conjure.server.language.answering import merged, usage, wholes
from conjure.server.language.chat import ignored_header
from conjure.server.language.conversation import read_text
from conjure.server.language.planning import Plan, format_wanted, requests_of
from conjure.server.language.shapes import CompletionRequest
from conjure.server.language.talker import Talker, talker_of

router = APIRouter(tags=["language"], responses=RESPONSES)
MOST = 64  # prompts in one request


@router.post("/v1/completions", response_model=None)
async def complete(asked: CompletionRequest, request: Request) -> Any:
    """How texts go on."""
    headers = ignored_header(asked)
    talker = talker_of(request.app.state, asked.model)
    talker.gate.check((asked.n or 1) * len(prompts_of(asked.prompt, "prompt")))  # before any work for it
    plans = await unless_left(request.receive, asyncio.to_thread(planned, talker, asked))
    shown = Shown(plans, asked)
    if asked.stream:
        return await begun(request.receive, shown.chunks(), headers)
    return JSONResponse(await unless_left(request.receive, shown.whole()), headers=headers)


def prompts_of(prompt: Any, param: str) -> list[tuple[str | list[int], str]]:
    """Each of the texts (or lists of tokens) that a field holds, with its name."""
    if isinstance(prompt, str) or (prompt and isinstance(prompt[0], int)):
        return [(prompt, param)]
    if not prompt:
        raise Refusal(400, f"{param} is empty: give some text", param=param)
    if len(prompt) > MOST:
        raise Refusal(400, f"{param} holds {len(prompt)} texts; {MOST} at once are taken", param=param)
    return [(one, f"{param}[{at}]") for at, one in enumerate(prompt)]


def planned(talker: Talker, asked: CompletionRequest) -> list[Plan]:
    """A plan for each prompt."""
    started = time.perf_counter()
    if asked.echo and asked.logprobs is not None:
        raise Refusal(400, "echo with logprobs is not supported: only what is written has logprobs", param="echo")
    wanted, limit = format_wanted(talker, asked.response_format), asked.max_tokens or 16
    likely, plans = 0 if asked.logprobs is None else max(1, asked.logprobs), []
    for prompt, param in prompts_of(asked.prompt, "prompt"):
        read = read_text(talker, prompt, asked.truncate_prompt_tokens, limit, param)
        plans.append(Plan(talker, read, requests_of(talker, asked, read, limit, wanted, likely), wanted, started))
    return plans


class Shown:
    """Plans' answers in the shape of completions; those of the first prompt come first."""

    def __init__(self, plans: list[Plan], asked: CompletionRequest):
        talker = plans[0].talker
        self.plans, self.asked, self.n = plans, asked, asked.n or 1
        self.common = {
            "id": f"cmpl-{secrets.token_hex(12)}",
            "object": "text_completion",
            "created": int(time.time()),
            "model": talker.name,
            "system_fingerprint": talker.fingerprint,
        }
        cut = sum(plan.read.cut for plan in plans)
        self.cut = {"truncated_prompt_tokens": cut} if asked.truncate_prompt_tokens is not None else {}
        self.prompts = sum(len(plan.read.tokens) for plan in plans)
        self.joint = Plan(talker, plans[0].read, [r for p in plans for r in p.requests], begun=plans[0].begun)

    def before(self, number: int) -> str:
        """The prompt, where it is to be echoed."""
        plan = self.plans[number // self.n]
        return plan.talker.join(plan.read.tokens) if self.asked.echo else ""

    async def whole(self) -> dict[str, Any]:
        answers = await wholes(self.joint)
        choices = []
        for number, answer in enumerate(answers):
            logprobs = self._logprobs(answer.logprobs, 0)
            text = self.before(number) + answer.text
            choices.append({"index": number, "text": text, "logprobs": logprobs, "finish_reason": answer.finish})
        counts = usage(self.prompts, sum(a.cached for a in answers[:: self.n]), sum(a.tokens for a in answers))
        return {**self.common, "choices": choices, "usage": counts, **self.cut}

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        options = self.asked.stream_options
        counted = bool(options and options.include_usage)
        none, offsets, cached, written = ({"usage": None} if counted else {}), {}, {}, 0
        async with aclosing(merged(self.joint)) as coming:
            async for number, delta in coming:
                first = number not in offsets
                text = (self.before(number) if first else "") + delta.text
                logprobs = self._logprobs(delta.logprobs, offsets.get(number, 0))
                offsets[number] = offsets.get(number, 0) + len(delta.text)
                cached[number], written = delta.cached, written + delta.tokens
                if text or logprobs or delta.finish or first:
                    choice = {"index": number, "text": text, "logprobs": logprobs, "finish_reason": delta.finish}
                    yield event({**self.common, "choices": [choice], **none, **(self.cut if first else {})})
        if counted:
            read = sum(v for k, v in cached.items() if k % self.n == 0)
            yield event({**self.common, "choices": [], "usage": usage(self.prompts, read, written)})
        yield DONE

    def _logprobs(self, found: Any, start: int) -> dict[str, Any] | None:
        if self.asked.logprobs is None or not found:
            return None
        return likelihoods.of_completion(found, self.asked.logprobs, start)
