"""Conversations as tokens: a tokenizer, a chat template, and which tokens end an answer."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from conjure.core.config import fill, nearest
from conjure.core.errors import ConfigError, DataError
from conjure.core.space import Tokens
from conjure.domains.chat.template import render
from conjure.domains.chat.tokenizer import Tokenizer
from conjure.domains.protocol import Encoded

Message = dict[str, Any]  # {"role": "system" | "user" | "assistant" | "tool", "content": str, ...}
Conversation = list[Message]


class ChatCodec:
    """Conversations (lists of messages) or plain documents (str) to tokens and back.

    `ends` are the tokens that close an answer; `end` is the first of them, which also parts documents.
    """

    @dataclass(frozen=True)
    class Config:
        """context: tokens a model sees at once; length: of a sample unless `--given length=` says otherwise."""

        context: int = 2048
        length: int = 256

        def __post_init__(self) -> None:
            if self.context < 2 or self.length < 1:
                raise ConfigError("codec.context is at least 2, codec.length at least 1")

    def __init__(self, config: ChatCodec.Config, tokenizer: Tokenizer, template: str, ends: list[int], vocab: int):
        self.config, self.tokenizer, self.template, self.ends = config, tokenizer, template, ends
        self.space = Tokens(vocab, (config.context,), None, True)
        self.given_space = None

    @property
    def end(self) -> int:
        return self.ends[0]

    @property
    def names(self) -> dict[str, str]:
        """What the template calls the tokens that begin and end a text."""
        start = self.tokenizer.start
        return {
            "bos_token": "" if start is None else self.tokenizer.name(start),
            "eos_token": self.tokenizer.name(self.end),
        } | self.tokenizer.names

    @classmethod
    def learn(cls, objects: list[Conversation | str], config: ChatCodec.Config) -> ChatCodec:
        raise ConfigError("conversations are learnt from pretrained weights: name them, --start smollm2")

    def describe(self) -> str:
        """What is known, in one line."""
        return f"conversations as {self.space.vocab} tokens, {self.config.context} at once"

    def prompt(self, messages: Conversation, tools: list[dict[str, Any]] | None = None) -> list[int]:
        """Tokens of a conversation up to where the next answer begins."""
        return self.tokenizer.cut(render(self.template, messages, tools=tools, names=self.names))

    def encode(self, objects: list[Conversation | str]) -> Encoded:
        """Documents as one stream of tokens, an end after each."""
        ids: list[int] = []
        for row, found in enumerate(objects, 1):
            if not isinstance(found, str):
                raise DataError(f"object {row} is a conversation; only documents can be encoded")
            ids += [*self.tokenizer.cut(found), self.end]
        if len(ids) < 2:
            raise DataError(f"a text of {len(ids)} tokens is too short: at least 2 are needed")
        return Encoded(torch.tensor(ids, dtype=torch.int32), window=min(self.config.context, len(ids) - 1))

    def decode(self, x: Tensor, rng: torch.Generator | None = None, given: dict[str, Any] | None = None) -> list[str]:
        """Texts of rows (N, T), each up to its first end."""
        stops = set(self.ends)
        texts = []
        for row in x.tolist():
            cut = next((at for at, token in enumerate(row) if token in stops and at), len(row))
            texts.append(self.tokenizer.join(row[:cut]))
        return texts

    def condition(self, given: dict[str, Any], n: int) -> Tensor | None:
        """A frame (1, T): tokens of "prompt", then -1 for each of the "length" to be drawn."""
        if unknown := [key for key in given if key not in ("prompt", "length")]:
            raise ConfigError(
                f"conversations take no --given {unknown[0]!r}: {nearest(unknown[0], ['prompt', 'length'])}"
            )
        prompt = self.tokenizer.open(str(given.get("prompt", ""))) or [self.end]
        length = int(given.get("length", self.config.length))
        return torch.cat([torch.tensor(prompt), torch.full((length,), -1)]).unsqueeze(0)

    def state(self) -> dict[str, Any]:
        kept = {"template": self.template, "ends": self.ends, "vocab": self.space.vocab}
        return {"config": asdict(self.config), "tokenizer": self.tokenizer.state(), **kept}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> ChatCodec:
        config = fill(cls.Config, state["config"], "codec")
        return cls(config, Tokenizer(**state["tokenizer"]), state["template"], state["ends"], state["vocab"])
