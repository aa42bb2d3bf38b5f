"""Log-probabilities in the two shapes OpenAI gives them."""

from __future__ import annotations

from typing import Any

from conjure.generation import Likely


def _named(found: Likely) -> dict[str, Any]:
    return {
        "token": found.spelling.decode("utf-8", "replace"),
        "logprob": found.logprob,
        "bytes": list(found.spelling),
    }


def of_chat(found: list[Likely], top: int) -> dict[str, Any]:
    """`logprobs` of a chat choice: each token with its `top` likeliest rivals."""
    rows = [{**_named(one), "top_logprobs": [_named(o) for o in one.others[:top]]} for one in found]
    return {"content": rows, "refusal": None}


def of_completion(found: list[Likely], top: int, start: int) -> dict[str, Any]:
    """`logprobs` of a completion; start: characters before its first token."""
    tokens = [_named(one)["token"] for one in found]
    offsets, at = [], start
    for token in tokens:
        offsets.append(at)
        at += len(token)
    return {
        "tokens": tokens,
        "token_logprobs": [one.logprob for one in found],
        "top_logprobs": [
            {_named(o)["token"]: o.logprob for o in (*one.others[:top], one)} if top else None for one in found
        ],
        "text_offset": offsets,
    }
