"""/v1/embeddings: the mean of a model's last hidden states over a text's tokens, of length one.

A language model's states are made to predict what comes next; as embeddings they serve, but models trained for the
purpose part meanings better.
"""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import numpy as np
import torch
from fastapi import APIRouter, Request

from conjure.server.errors import RESPONSES, Refusal
from conjure.server.events import unless_left
from conjure.server.language.completions import prompts_of
from conjure.server.language.conversation import read_text
from conjure.server.language.shapes import EmbeddingRequest
from conjure.server.language.talker import Talker, talker_of

router = APIRouter(tags=["language"], responses=RESPONSES)
TOKENS = 4096  # read at once


@router.post("/v1/embeddings")
async def embed(asked: EmbeddingRequest, request: Request) -> dict[str, Any]:
    """A vector for each text: the nearer two of them, the more alike the texts are to the model."""
    asked.ignored()
    talker = talker_of(request.app.state, asked.model)

    async def work() -> dict[str, Any]:
        with talker.embedding.entered():
            async with talker.embedding.turn():
                return await asyncio.to_thread(embedded, talker, asked)

    return await unless_left(request.receive, work())


def embedded(talker: Talker, asked: EmbeddingRequest) -> dict[str, Any]:
    """The whole response."""
    kept, width = asked.truncate_prompt_tokens, talker.artifact.model.embed.embedding_dim  # type: ignore[union-attr]
    if asked.dimensions not in (None, width):
        raise Refusal(400, f"dimensions is {asked.dimensions}; this model's vectors have {width}", param="dimensions")
    reads = [read_text(talker, prompt, kept, 1, param) for prompt, param in prompts_of(asked.input, "input")]
    data = []
    for number, read in enumerate(reads):
        vector = mean_state(talker, read.tokens)
        shown = base64.b64encode(vector.tobytes()).decode() if asked.encoding_format == "base64" else vector.tolist()
        data.append({"object": "embedding", "index": number, "embedding": shown})
    count = sum(len(read.tokens) for read in reads)
    cut = {"truncated_prompt_tokens": sum(read.cut for read in reads)} if kept is not None else {}
    counts = {"prompt_tokens": count, "total_tokens": count}
    return {"object": "list", "data": data, "model": talker.name, "usage": counts, **cut}


@torch.inference_mode()
def mean_state(talker: Talker, tokens: list[int]) -> np.ndarray:
    """The mean of the last states over tokens (T,), divided by its length, (D,) float32."""
    model: Any = talker.artifact.model
    x = torch.tensor([[*tokens, tokens[-1]]], device=model.device)  # states are those that the next token is told from
    real = torch.ones_like(x, dtype=torch.bool)
    if model.space.stream:
        real[:, 0] = False
    found = model.states(x, None, real)[-len(tokens) :].float().mean(0)
    return (found / found.norm().clamp(min=1e-12)).cpu().numpy().astype("<f4")
