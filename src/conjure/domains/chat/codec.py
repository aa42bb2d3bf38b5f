"""Conversations as tokens: a tokenizer, a chat template, and which tokens end an answer."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from conjure.core.config import fill, nearest
from conjure.core.errors import ConfigError, DataError
from conjure.core.space import Tokens
from conjure.domains.chat.packing import cut_at_turns, lay_out
from conjure.domains.chat.template import CHATML, render
from conjure.domains.chat.tokenizer import LEAST, Tokenizer, learn_pairs
from conjure.domains.chat.turns import pieces
from conjure.domains.protocol import Encoded

Message = dict[str, Any]  # {"role": "system" | "user" | "assistant" | "tool", "content": str, ...}
Conversation = list[Message]


class ChatCodec:
    """Conversations (lists of messages) or plain documents (str) to tokens and back.

    `ends` are the tokens that close an answer; `end` is the first of them, which also parts documents.
    """

    @dataclass(frozen=True)
    class Config:
        """context: tokens a model sees at once; length: of a sample unless `--given length=` says otherwise.

        pack: tokens of a row that conversations share in training, at most the context (0 = all of it); vocab: of
        byte pairs that are learnt where a run starts from nothing.
        """

        context: int = 2048
        length: int = 256
        pack: int = 0
        vocab: int = 4096

        def __post_init__(self) -> None:
            if self.context < 2 or self.length < 1:
                raise ConfigError("codec.context is at least 2, codec.length at least 1")
            if self.pack and self.pack < 8:
                raise ConfigError(f"codec.pack is {self.pack}; a row has at least 8 tokens (0 = codec.context)")
            if self.vocab < LEAST:
                raise ConfigError(f"codec.vocab is {self.vocab}; bytes and special tokens alone are {LEAST}")

        @property
        def row(self) -> int:
            """Tokens of a packed row."""
            return min(self.pack or self.context, self.context)

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
    def learn(cls, objects: list[Conversation] | list[str], config: ChatCodec.Config) -> ChatCodec:
        """Byte pairs of what is said, and ChatML around it."""
        texts = (t for one in objects for t in ([one] if isinstance(one, str) else [m["content"] for m in one]))
        tokenizer = Tokenizer(learn_pairs(texts, config.vocab))
        ends = [tokenizer.number(name) for name in ("<|im_end|>", "<|endoftext|>")]
        return cls(config, tokenizer, CHATML, ends, tokenizer.size)  # type: ignore[arg-type]

    def with_settings(self, config: ChatCodec.Config) -> ChatCodec:
        """The same tokens for a run that goes on: `pack` and `length` may change, what the model is made for not."""
        for name in ("context", "vocab"):
            if getattr(config, name) != getattr(self.config, name):
                raise ConfigError(
                    f"a run that goes on keeps codec.{name}, {getattr(self.config, name)}: "
                    "codec.pack and codec.length may change"
                )
        return ChatCodec(config, self.tokenizer, self.template, self.ends, self.space.vocab)

    def describe(self) -> str:
        """What is known, in one line."""
        return f"conversations as {self.space.vocab} tokens, {self.config.context} at once"

    def prompt(self, messages: Conversation, tools: list[dict[str, Any]] | None = None) -> list[int]:
        """Tokens of a conversation up to where the next answer begins."""
        return self.tokenizer.cut(render(self.template, messages, tools=tools, names=self.names))

    def encode(self, objects: list[Conversation] | list[str]) -> Encoded:
        """A row a conversation (B, T), of which the assistant's tokens count; of documents one stream of tokens.

        DataError names a conversation that is longer than the model's context.
        """
        if all(isinstance(one, str) for one in objects):
            return self._stream(objects)  # type: ignore[arg-type]
        items = self.tokens(objects)
        for row, (ids, _) in enumerate(items, 1):
            if len(ids) > self.config.context:
                raise DataError(f"conversation {row} has {len(ids)} tokens; the model sees {self.config.context}")
        longest = max(len(ids) for ids, _ in items)
        x, mask = np.full((len(items), longest), self.end, np.int32), np.zeros((len(items), longest), bool)
        for row, (ids, counts) in enumerate(items):
            x[row, : len(ids)], mask[row, : len(ids)] = ids, counts
        return Encoded(torch.from_numpy(x), torch.from_numpy(mask))

    def pack(self, objects: list[Conversation] | list[str]) -> Encoded:
        """What training reads: several to a row of `pack` tokens, none of which sees another's; see `Encoded.parts`.

        A conversation longer than a row goes on in another, after an answer; a single document stays a stream.
        """
        if len(objects) == 1 and isinstance(objects[0], str):
            return self._stream(objects)  # type: ignore[arg-type]
        room = self.config.row + 1
        items = self.tokens(objects)
        parts = [(ids[part], counts[part]) for ids, counts in items for part in cut_at_turns(counts, room)]
        parts = [(ids, counts) for ids, counts in parts if counts[1:].any()]
        self.notes = []
        if more := sum(len(ids) > room for ids, _ in items):
            self.notes.append(
                f"{more} of {len(items)} are longer than a row of {room - 1} tokens (codec.pack) and were cut there."
            )
        if not parts:
            raise DataError("there is no answer to learn from: every one lies beyond the first tokens of its row")
        x, counts, numbers = (torch.from_numpy(a) for a in lay_out(parts, room, self.end))
        return Encoded(x, counts, parts=numbers)

    def adapt(self, objects: list[Conversation] | list[str]) -> list[Any]:
        """Conversations cut to as many messages as the model sees at once; an answer that is too long is cut itself."""
        room, made = self.config.context, []
        for one, (ids, _) in zip(objects, self.tokens(objects)):
            if isinstance(one, str) or len(ids) <= room:
                made.append(one)
                continue
            low, high = 1, len(one)  # messages that fit, messages that do not
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if len(self.tokens([one[:middle]])[0][0]) <= room else (low, middle)
            cut = one[:low]
            if all(message["role"] != "assistant" for message in cut):
                cut = one[: 1 + [message["role"] for message in one].index("assistant")]
            while len(self.tokens([cut])[0][0]) > room and any(message["content"] for message in cut):
                cut = [{**message, "content": message["content"][: len(message["content"]) // 2]} for message in cut]
            made.append(cut)
        return made

    def tokens(self, objects: list[Conversation] | list[str]) -> list[tuple[np.ndarray, np.ndarray]]:
        """(tokens, which of them count) of each: of a conversation the assistant's, of a document all and its end.

        Answers are cut apart from what stands before them, as they are when the model writes them.
        """
        ends = tuple(self.tokenizer.name(end) for end in self.ends)
        start = [] if self.tokenizer.start is None else [self.tokenizer.start]
        texts: list[str] = []
        plan: list[list[bool]] = []
        for row, one in enumerate(objects, 1):
            if isinstance(one, str):
                found = [(one, True)]
            else:
                try:
                    found = pieces(self.template, one, self.names, ends)
                except DataError as error:
                    raise DataError(f"conversation {row}: {error}") from None
            texts += [text for text, _ in found]
            plan.append([counts for _, counts in found])
        cut = iter(self.tokenizer.cut_all(texts))
        made = []
        for one, flags in zip(objects, plan):
            around = (start, [self.end]) if isinstance(one, str) else ([], [])
            found = [(ids, counts) for counts, ids in zip(flags, cut)]
            found = [(around[0], False), *found, (around[1], True)]
            ids = np.array([token for part, _ in found for token in part], np.int32)
            made.append((ids, np.repeat([counts for _, counts in found], [len(part) for part, _ in found])))
        return made

    def questions(self, objects: list[Conversation] | list[str]) -> list[Conversation] | list[str]:
        """Conversations up to their first answer; of documents the first half, at most 200 characters."""
        made: list[Any] = []
        for one in objects:
            if isinstance(one, str):
                made.append(one[: max(1, min(200, len(one) // 2))])
            else:
                roles = [message["role"] for message in one]
                made.append(one[: roles.index("assistant")] if "assistant" in roles else one)
        return made

    def evidence(self, objects: list[Conversation] | list[str], given: dict[str, Any] | None = None) -> Tensor:
        """Frames (N, T): the tokens of each prompt, then -1 for each token of the answer to be drawn."""
        length = int((given or {}).get("length", self.config.length))
        prompts = [self.tokenizer.cut(one) if isinstance(one, str) else self.prompt(one) for one in objects]
        frame = torch.full((len(prompts), max(map(len, prompts)) + length), -1)
        for row, ids in enumerate(prompts):
            frame[row, : len(ids)] = torch.tensor(ids)
        return frame

    def complete(
        self, objects: list[Conversation] | list[str], x: Tensor, rng: torch.Generator | None = None
    ) -> list[Any]:
        """The objects with an answer of the assistant, or how the document goes on, from written frames x (N, T)."""
        made: list[Any] = []
        for one, row in zip(objects, x.tolist()):
            prompt = self.tokenizer.cut(one) if isinstance(one, str) else self.prompt(one)
            ids = row[len(prompt) :]
            stop = next((at for at, token in enumerate(ids) if token in self.ends), len(ids))
            text = self.tokenizer.join(ids[:stop])
            made.append(one + text if isinstance(one, str) else [*one, {"role": "assistant", "content": text}])
        return made

    def counted(self, objects: list[Conversation] | list[str]) -> np.ndarray:
        """How many tokens count in each object that is scored: a conversation, or a window of a stream, (N,)."""
        encoded = self.encode(objects)
        if encoded.mask is not None:
            return encoded.mask[:, 1:].sum(1).numpy()
        whole, rest = divmod(len(encoded.x) - 1, encoded.window)
        return np.array([encoded.window] * whole + [rest] * bool(rest))

    def unigrams(self, train: list[Conversation] | list[str], objects: list[Conversation] | list[str]) -> np.ndarray:
        """Nats of each object's tokens that count under their frequencies in training, one added to each, (N,)."""
        seen = np.concatenate([ids[counts] for ids, counts in self.tokens(train)])
        nats = np.log(np.bincount(seen, minlength=self.space.vocab) + 1.0) - np.log(len(seen) + self.space.vocab)
        return np.array([nats[ids[1:][counts[1:]]].sum() for ids, counts in self.tokens(objects)])

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

    def _stream(self, documents: list[str]) -> Encoded:
        """Documents behind each other, an end after each, seen `pack` tokens at a time."""
        ids = np.concatenate([ids for ids, _ in self.tokens(documents)])
        if len(ids) < 2:
            raise DataError(f"a text of {len(ids)} tokens is too short: at least 2 are needed")
        return Encoded(torch.from_numpy(ids), window=min(self.config.row, len(ids) - 1))

    def state(self) -> dict[str, Any]:
        kept = {"template": self.template, "ends": self.ends, "vocab": self.space.vocab}
        return {"config": asdict(self.config), "tokenizer": self.tokenizer.state(), **kept}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> ChatCodec:
        config = fill(cls.Config, state["config"], "codec")
        return cls(config, Tokenizer(**state["tokenizer"]), state["template"], state["ends"], state["vocab"])
