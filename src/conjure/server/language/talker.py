"""An artifact that writes text: its tokens, its context, its writer and the queue before it."""

from __future__ import annotations

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import conjure
from conjure.artifact import Artifact
from conjure.core.config import nearest
from conjure.core.errors import ConjureError
from conjure.domains.chat.codec import ChatCodec
from conjure.domains.chat.tokenizer import Tokenizer
from conjure.generation import Writer
from conjure.models.autoregression import Autoregression
from conjure.server.errors import Refusal
from conjure.server.gate import Gate
from conjure.server.service import Service


def talks(artifact: Artifact) -> bool:
    """Whether an artifact can go on with a text, token by token."""
    known = artifact.recipe.domain in ("chat", "text") and artifact.first is None
    return known and isinstance(artifact.model, Autoregression)


class Talker:
    """One such artifact in service; `gate` bounds who is written for and who waits."""

    def __init__(self, name: str, artifact: Artifact, service: Service):
        settings = service.settings
        self.name, self.artifact, self.codec = name, artifact, artifact.codec
        self.writer = Writer(artifact, slots=settings.slots, weights=settings.weights)
        self.gate = Gate(settings.slots, settings.limits.waiting)
        self.embedding = Gate(1, settings.limits.waiting)
        self.threads = ThreadPoolExecutor(settings.slots + 1, f"conjure-{name}")
        self.metrics = service.metrics
        self.fingerprint = fingerprint(artifact, settings.weights)
        self.metrics.busy.labels(name).set_function(lambda: self.gate.busy)
        self.metrics.queued.labels(name).set_function(lambda: self.gate.queued)
        self._longest = max(map(len, self.tokenizer.inner.get_vocab())) if self.tokenizer else 1

    @property
    def tokenizer(self) -> Tokenizer | None:
        """That of a codec of published weights, None for one that we learnt."""
        return self.codec.tokenizer if isinstance(self.codec, ChatCodec) else None

    @property
    def context(self) -> int | None:
        """Tokens of prompt and answer together, None where nothing bounds them."""
        return self.writer.script.context

    def cut(self, text: str, param: str, begin: bool = True) -> list[int]:
        """Tokens of a text, after the token that begins a document where `begin` and the model knows one."""
        try:
            if self.tokenizer is None:
                return [int(t) for t in self.codec.units.cut(text)]  # type: ignore[attr-defined]
            start = self.tokenizer.start if begin else None
            return [*([] if start is None else [start]), *self.tokenizer.cut(text)]
        except ConjureError as error:
            raise Refusal(400, f"{param} cannot be read by this model: {error}", param=param) from None

    def join(self, tokens: list[int]) -> str:
        """The text of tokens, special ones included."""
        if self.tokenizer is None:
            return self.codec.units.join([t for t in tokens if t != self.codec.end])  # type: ignore[attr-defined]
        return self.tokenizer.join(tokens, special=True)

    def check(self, tokens: list[int], param: str) -> list[int]:
        """The same tokens; Refusal 400 names one that the model does not have."""
        vocab = self.writer.script.vocab
        if wrong := [t for t in tokens if not 0 <= t < vocab]:
            raise Refusal(400, f"{param} holds token {wrong[0]}; this model's are 0 to {vocab - 1}", param=param)
        return tokens

    def check_length(self, characters: int, param: str) -> None:
        """Refusal 400 for a text so long that its tokens need not be counted."""
        if self.context is not None and characters > self._longest * self.context:
            raise self.too_long(f"{param} has {characters:,} characters and", param)

    def too_long(self, what: str, param: str) -> Refusal:
        return Refusal(
            400,
            f"{what} is longer than the context of {self.context} tokens: shorten it, or ask for its beginning to be "
            "cut with truncate_prompt_tokens=-1",
            param=param,
            code="context_length_exceeded",
        )

    def close(self) -> None:
        self.writer.close()
        self.threads.shutdown(wait=False, cancel_futures=True)


def fingerprint(artifact: Artifact, weights: str) -> str:
    """What answers of equal seeds depend on, in a few letters: version, model, how its weights are kept."""
    made = json.dumps(
        [conjure.__version__, artifact.recipe.nested(), artifact.card.get("source"), weights], default=str
    )
    return f"fp_{hashlib.sha256(made.encode()).hexdigest()[:10]}"


class Talkers:
    """All of a server's, by the names clients know them by."""

    def __init__(self, service: Service):
        self.known: dict[str, Talker] = {}
        for name, artifact in service.settings.artifacts.items():
            if talks(artifact):
                self.known[name] = Talker(name, artifact, service)
                service.closers.append(self.known[name].close)

    def find(self, name: str | None) -> Talker:
        """The one of that name (without a name the only one); Refusal 404 offers the nearest."""
        if name is None and len(self.known) == 1:
            return next(iter(self.known.values()))
        if name is None:
            raise Refusal(400, f"model is missing: {', '.join(self.known) or 'none is served here'}", param="model")
        if name not in self.known:
            told = nearest(name, list(self.known)) if self.known else "no artifact that writes text is served here"
            raise Refusal(404, f"there is no model {name!r}: {told}", param="model", code="model_not_found")
        return self.known[name]


def talker_of(state: Any, name: str | None) -> Talker:
    """The talker that a request names, from the application's state."""
    return state.talkers.find(name)
