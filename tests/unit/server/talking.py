"""A tiny model behind a server that a test file shares, and the official client to it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import openai

from conjure.server.app import create
from conjure.server.settings import Limits, Settings
from tests.unit.server.live import Live, live
from tests.unit.server.tiny import tiny

HELLO = [{"role": "user", "content": "What is the weather in Rome?"}]
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of some days",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"enum": ["Rome", "Paris"]},
                "days": {"type": "integer", "minimum": 1, "maximum": 9},
            },
            "required": ["city", "days"],
            "additionalProperties": False,
        },
    },
}
CLOCK = {"type": "function", "function": {"name": "clock"}}


@contextmanager
def talking(**settings: Any) -> Iterator[tuple[Live, openai.OpenAI]]:
    """A server of the tiny model, `limits` among the settings as a dict, and a client."""
    limits = Limits(**settings.pop("limits", {}))
    artifacts = settings.pop("artifacts", None) or {"tiny": tiny()}
    keys = settings.get("keys", ("none",))
    with (
        live(create(Settings(artifacts=artifacts, limits=limits, **settings))) as server,
        openai.OpenAI(base_url=f"{server.url}/v1", api_key=keys[0], max_retries=0) as client,
    ):
        yield server, client


def told(client: openai.OpenAI, **asked: Any) -> Any:
    """The whole answer."""
    return client.chat.completions.create(model="tiny", **{"messages": HELLO, "max_tokens": 30, "seed": 7, **asked})


def streamed(client: openai.OpenAI, **asked: Any) -> list[dict[str, Any]]:
    """A choice a row, as put together from a stream: content, tool_calls, logprobs, finish_reason."""
    found: dict[int, dict[str, Any]] = {}
    for chunk in told(client, stream=True, **asked):
        for choice in chunk.choices:
            one = found.setdefault(
                choice.index, {"content": "", "tool_calls": [], "logprobs": [], "finish_reason": None}
            )
            assert one["finish_reason"] is None
            one["content"] += choice.delta.content or ""
            one["finish_reason"] = choice.finish_reason
            one["logprobs"] += choice.logprobs.content if choice.logprobs else []
            for call in choice.delta.tool_calls or []:
                if call.id:
                    assert call.index == len(one["tool_calls"])
                    one["tool_calls"].append([call.id, call.function.name, ""])
                one["tool_calls"][call.index][2] += call.function.arguments or ""
    return [found[number] for number in sorted(found)]


def whole(client: openai.OpenAI, **asked: Any) -> list[dict[str, Any]]:
    """The same rows from an answer that came at once."""
    return [
        {
            "content": choice.message.content or "",
            "tool_calls": [[c.id, c.function.name, c.function.arguments] for c in choice.message.tool_calls or []],
            "logprobs": choice.logprobs.content if choice.logprobs else [],
            "finish_reason": choice.finish_reason,
        }
        for choice in told(client, **asked).choices
    ]
