"""Answers as tokens: a prompt, its completion and an end, by the codec of the model that wrote them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from conjure.core.config import fill
from conjure.core.errors import ConfigError, DataError
from conjure.domains.answers.answer import Answer
from conjure.domains.answers.spelling import spelling
from conjure.domains.chat.codec import ChatCodec
from conjure.domains.protocol import Encoded
from conjure.domains.text.codec import TextCodec

WRITERS: dict[str, Any] = {"text": TextCodec, "chat": ChatCodec}


class AnswersCodec:
    """Prompt, completion and end as one row; of what is longer than the writer's context the last tokens count."""

    @dataclass(frozen=True)
    class Config:
        """writer: the domain of the model whose answers are judged."""

        writer: Literal["text", "chat"] = "text"

    def __init__(self, config: AnswersCodec.Config, writer: Any):
        self.config, self.writer, self.spelling = config, writer, spelling(writer)
        self.space, self.given_space, self.end = writer.space, None, writer.end

    @classmethod
    def learn(cls, answers: Sequence[Answer], config: AnswersCodec.Config) -> AnswersCodec:
        raise ConfigError("a reward model judges a writer's answers: `conjure assistant reward` makes one")

    def describe(self) -> str:
        """What is known, in one line."""
        return f"answers of {self.writer.describe()}"

    def ids(self, answer: Answer) -> list[int]:
        """The tokens of an answer, its end the last."""
        ids = [*self.spelling.prompt(answer.prompt), *self.spelling.completion(answer.completion), self.end]
        return ids[-self.space.length :]

    def encode(self, answers: Sequence[Answer]) -> Encoded:
        """Rows x (B, T) from the left on with mask (B, T); DataError names an answer that cannot be read."""
        rows = []
        for number, answer in enumerate(answers, 1):
            try:
                rows.append(self.ids(answer))
            except DataError as error:
                raise DataError(f"answer {number}: {error}") from None
        x = torch.full((len(rows), max(map(len, rows), default=1)), self.end)
        mask = torch.zeros(x.shape, dtype=torch.bool)
        for row, ids in enumerate(rows):
            x[row, : len(ids)], mask[row, : len(ids)] = torch.tensor(ids), True
        return Encoded(x, mask)

    def decode(
        self, x: Tensor, rng: torch.Generator | None = None, given: dict[str, Any] | None = None
    ) -> list[Answer]:
        """Answers of rows (N, T), whose prompts are no longer told from their completions."""
        rows = (row[: row.index(self.end)] if self.end in row else row for row in x.tolist())
        return [Answer("", self.spelling.join(row)) for row in rows]

    def condition(self, given: dict[str, Any], n: int) -> Tensor | None:
        raise ConfigError("a reward model judges answers and writes none: score them")

    def state(self) -> dict[str, Any]:
        return {"config": {"writer": self.config.writer}, "codec": self.writer.state()}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> AnswersCodec:
        config = fill(cls.Config, state["config"], "codec")
        return cls(config, WRITERS[config.writer].from_state(state["codec"]))
