"""The likeliest continuation of a prompt that a beam search finds, of a language model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from conjure.artifact import Artifact
from conjure.core.errors import ConfigError
from conjure.core.space import Tokens
from conjure.generation.request import Answer
from conjure.models.beam import Beam, search
from conjure.models.llm import LLM, Reading


@dataclass
class Beginnings:
    """A reading of the prompt, once for each beginning in hand, and what the model says after it, (1, V)."""

    reading: Reading
    first: Tensor

    def follow(self, rows: Tensor, going: Tensor) -> None:
        filled = int(self.reading.counts.max())
        for cache in self.reading.caches:
            for stored in (cache.keys, cache.values):
                stored[:, :, :filled] = stored[rows, :, :filled]


class Continuations:
    """All that may follow a prompt, up to a number of tokens: what `models.beam.search` goes through."""

    def __init__(self, model: LLM, ends: list[int], limit: int):
        self.model, self.ends = model, ends
        self.space = Tokens(model.space.vocab, (limit,), ends[0])  # type: ignore[union-attr]

    def begin(self, n: int, given: Tensor | None = None, copies: int = 1) -> Beginnings:
        reading = self.model.begin(n)
        first = self.model.read(given, reading, rows=torch.zeros(1, dtype=torch.long))  # type: ignore[arg-type]
        for row in range(1, n):
            reading.copy(0, row, int(reading.counts[0]))
        return Beginnings(reading, first)

    def read(self, tokens: Tensor, reading: Beginnings) -> Tensor:
        if not tokens.shape[1]:
            logits = reading.first.expand(len(tokens), -1).clone()
        else:
            logits = self.model.read(tokens, reading.reading)
        any_end = logits[:, self.ends].logsumexp(-1)
        logits[:, self.ends] = -torch.inf
        logits[:, self.ends[0]] = any_end
        return logits


@torch.no_grad()
def likeliest(artifact: Artifact, prompt: list[int], limit: int = 64, beam: Beam | None = None) -> Answer:
    """The continuation of at most `limit` tokens that is worth most (`models.beam.Beam`), without its end token.

    For short answers that are to be right rather than lively; long ones of a language model become dull (Holtzman et
    al. 2020, sec. 4). ConfigError for another family, an empty prompt, or one too long for the context.
    """
    model: Any = artifact.model
    if not isinstance(model, LLM) or not model.space.stream:  # type: ignore[union-attr]
        raise ConfigError(f"beams of a prompt are searched with an llm, not with a {artifact.recipe.model}")
    context = model.space.length  # type: ignore[union-attr]
    if not 0 < len(prompt) <= context - limit or limit < 1:
        raise ConfigError(f"the prompt has {len(prompt)} tokens; with {limit} more it may have 1 to {context - limit}")
    codec: Any = artifact.codec
    ends = list(getattr(codec, "ends", None) or [codec.end])
    given = torch.tensor([prompt], device=model.device)
    row = search(Continuations(model, ends, limit), given, beam or Beam(repeats=0))[0].tolist()
    tokens = row[: row.index(ends[0])] if ends[0] in row else row
    join = codec.tokenizer.join if hasattr(codec, "tokenizer") else codec.units.join
    return Answer(join(tokens), tokens, [], "stop" if len(tokens) < len(row) else "length", len(prompt), 0)
