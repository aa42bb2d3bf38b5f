"""/v1/models, /tokenize and /detokenize: what is served, and how it parts text into tokens."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter, Request

from conjure.server.errors import RESPONSES
from conjure.server.language.conversation import read_chat
from conjure.server.language.shapes import DetokenizeRequest, TokenizeRequest
from conjure.server.language.talker import Talker, talker_of

router = APIRouter(tags=["language"], responses=RESPONSES)


def _card(talker: Talker, created: int) -> dict[str, Any]:
    source = talker.artifact.card.get("source", {})
    return {
        **{"id": talker.name, "object": "model", "created": created, "owned_by": "conjure"},
        **{"max_model_len": talker.context, "family": talker.artifact.recipe.model, "source": source.get("name")},
    }


@router.get("/v1/models")
async def models(request: Request) -> dict[str, Any]:
    """The artifacts that write text."""
    state = request.app.state
    return {"object": "list", "data": [_card(t, state.created) for t in state.talkers.known.values()]}


@router.get("/v1/models/{name:path}")
async def model(name: str, request: Request) -> dict[str, Any]:
    """One of them."""
    return _card(talker_of(request.app.state, name), request.app.state.created)


@router.post("/tokenize")
async def tokenize(asked: TokenizeRequest, request: Request) -> dict[str, Any]:
    """The tokens of a text, or of a conversation as the model will see it."""
    asked.ignored()
    talker = talker_of(request.app.state, asked.model)

    def work() -> list[int]:
        if asked.messages is not None:
            return read_chat(talker, asked.messages, asked.tools or [], None, 1).tokens
        return talker.cut(asked.prompt or "", "prompt", begin=asked.add_special_tokens is not False)

    tokens = await asyncio.to_thread(work)
    names = {"token_strs": [talker.join([t]) for t in tokens]} if asked.return_token_strs else {}
    return {"count": len(tokens), "max_model_len": talker.context, "tokens": tokens, **names}


@router.post("/detokenize")
async def detokenize(asked: DetokenizeRequest, request: Request) -> dict[str, Any]:
    """The text of tokens."""
    asked.ignored()
    talker = talker_of(request.app.state, asked.model)
    return {"prompt": talker.join(talker.check(asked.tokens, "tokens"))}
