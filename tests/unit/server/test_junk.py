"""Junk in any field is answered with a sentence that blames the request, never with a fault of the server."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

import httpx
import pytest

from tests.unit.server.talking import CLOCK, HELLO, WEATHER, talking

JUNK = [
    None,
    True,
    0,
    -1,
    1.5,
    1e308,
    10**30,
    "",
    "x",
    "\n",
    "a" * 3000,
    "\u0000",
    "日",
    [],
    [[]],
    {},
    {"a": {}},
    [None],
    [0],
]
BODIES = {
    "/v1/chat/completions": {
        "model": "tiny",
        "messages": [
            {"role": "system", "content": "Be short."},
            *HELLO,
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": "c", "type": "function", "function": {"name": "clock", "arguments": "{}"}}],
            },
            {"role": "tool", "tool_call_id": "c", "content": [{"type": "text", "text": "12:00"}]},
        ],
        "max_tokens": 2,
        "temperature": 1,
        "top_p": 1,
        "n": 1,
        "seed": 1,
        "stop": ["x"],
        "stream": False,
        "logit_bias": {"5": 1},
        "logprobs": True,
        "top_logprobs": 1,
        "tools": [WEATHER, CLOCK],
        "tool_choice": "required",
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}},
        "truncate_prompt_tokens": -1,
        "stop_token_ids": [3],
        "stream_options": {"include_usage": True},
    },
    "/v1/completions": {"model": "tiny", "prompt": ["a", "b"], "max_tokens": 2, "logprobs": 1, "echo": False, "n": 2},
    "/v1/embeddings": {"model": "tiny", "input": ["a", [3, 4]], "encoding_format": "float", "dimensions": 32},
    "/tokenize": {"prompt": "a", "add_special_tokens": True, "return_token_strs": True},
    "/detokenize": {"tokens": [1, 2, 3]},
}


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to each value within."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path] * bool(path) + [p for key, part in inner for p in places(part, (*path, key))]


def spoilt(body: Any, rng: random.Random) -> Any:
    made = copy.deepcopy(body)
    for _ in range(rng.randint(1, 2)):
        *way, last = rng.choice(places(body))
        inner = made
        try:
            for key in way:
                inner = inner[key]
            inner[last] = copy.deepcopy(rng.choice(JUNK))
        except (TypeError, KeyError, IndexError, AttributeError):
            continue  # junk stands in the way already
    return made


@pytest.mark.parametrize("path", BODIES)
def test_junk_is_the_clients_fault(path: str):
    rng = random.Random(0)
    with talking() as (server, _), httpx.Client(base_url=server.url, timeout=60) as client:
        seen = set()
        for _ in range(200 if "chat" in path else 60):
            body = spoilt(BODIES[path], rng)
            answer = (
                client.post(path, json=body) if rng.random() < 0.97 else client.post(path, content=json.dumps(body))
            )
            seen.add(answer.status_code)
            assert answer.status_code in (200, 400, 404, 429), (answer.text, json.dumps(body)[:2000])
            if answer.status_code != 200:
                error = answer.json()["error"]
                assert error["message"]
                assert error["type"] in ("invalid_request_error", "rate_limit_error")
        assert {200, 400} <= seen
