"""How prompts and completions become the tokens of a writer, whichever codec it has."""

from __future__ import annotations

import re
from typing import Any, Protocol

import numpy as np

from conjure.domains.chat.codec import ChatCodec

ROLES = {"Human": "user", "Assistant": "assistant"}
SPEAKER = re.compile(r"\n\n(Human|Assistant):")


class Spelling(Protocol):
    """Between texts and a writer's tokens: prompts perhaps by a template, completions as they are.

    A codec of streams that are no texts brings its own (`own_spelling`): its prompts are wishes, and it joins objects.
    """

    end: int

    def prompt(self, text: Any) -> list[int]: ...

    def completion(self, text: Any) -> list[int]: ...

    def join(self, ids: list[int]) -> Any: ...


class Plain:
    """Of a codec with units: a completion goes straight on with its prompt."""

    def __init__(self, codec: Any):
        self.units, self.end = codec.units, codec.end

    def prompt(self, text: str) -> list[int]:
        return self.completion(text)

    def completion(self, text: str) -> list[int]:
        return np.asarray(self.units.cut(text)).tolist()

    def join(self, ids: list[int]) -> str:
        return self.units.join(ids)


class Chat:
    """Of conversations: a prompt is what the user says, a completion what is answered."""

    def __init__(self, codec: ChatCodec):
        self.codec, self.end = codec, codec.end

    def prompt(self, text: str) -> list[int]:
        return self.codec.prompt(turns(text))

    def completion(self, text: str) -> list[int]:
        return self.codec.tokenizer.cut(text)

    def join(self, ids: list[int]) -> str:
        return self.codec.tokenizer.join(ids)


def turns(text: str) -> list[dict[str, str]]:
    """A prompt as messages: of a dialogue written as one text (as of Bai et al. 2022) its turns, else one of a user."""
    said = SPEAKER.split(text)
    roles = [ROLES[name] for name in said[1::2]]
    if said[0].strip() or len(roles) < 2 or roles[-1] != "assistant" or said[-1].strip():
        return [{"role": "user", "content": text}]
    return [{"role": role, "content": words.strip()} for role, words in zip(roles[:-1], said[2:-1:2])]


def spelling(codec: Any) -> Spelling:
    """That of a writer's codec."""
    if callable(own := getattr(codec, "own_spelling", None)):
        return own()
    return Chat(codec) if isinstance(codec, ChatCodec) else Plain(codec)
