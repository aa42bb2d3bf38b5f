"""What a kind of data brings: a codec between its objects and tensors, and the words read, check and show.

A domain is a package `domains/<name>/` with `codec.py` (a class named in the catalog), `corpus.py`
(`read`, `split`, `write`, `embedded`), `checks.py` and `view.py`; the signatures stand here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from conjure.core.space import Space


@dataclass(frozen=True)
class Source:
    """Where data came from: shown in the card, so that a licence travels with what was learnt from it."""

    name: str
    path: str = ""
    sha256: str = ""
    licence: str = "unknown"
    rows: int = 0


@dataclass(frozen=True)
class Encoded:
    """Objects as tensors, row by row: x (B, ...), mask and given alike or None.

    `window` = T > 0 says that x is one long stream (S,), S > T: examples are (T + 1) neighbouring tokens of
    it, the first of which is context for T targets, x[:, :-1] -> x[:, 1:]. They are cut at random offsets in
    training and end to end over the whole stream when held out; then there is neither mask nor given.

    `spread`, shaped like x, says that x is the mean of a normal with that scale, drawn from anew at each use.

    `parts` (B, T) numbers the documents that lie behind each other in a row: none sees another.
    """

    x: Tensor
    mask: Tensor | None = None
    given: Tensor | None = None
    window: int = 0
    spread: Tensor | None = None
    parts: Tensor | None = None


class Chunked(Protocol):
    """Data too large for memory: `corpus.read` returns one instead of objects when a file is over the cap."""

    rows: int

    def sample(self, n: int, seed: int) -> Any:
        """At most n objects drawn evenly over the file, for the codec to learn from."""
        ...

    def chunks(self) -> Iterator[Any]:
        """All objects in order, some at a time."""
        ...


class Codec(Protocol):
    """Between objects and tensors. `learn` looks at training data only; state is plain JSON.

    Where a word of `given`, or a field of Config, names a file, the class (or Config) lists it in `FILES`: a server
    takes no paths from its clients.
    """

    Config: type
    space: Space
    given_space: Space | None

    @classmethod
    def learn(cls, objects: Any, config: Any) -> Codec: ...

    def encode(self, objects: Any) -> Encoded:
        """Tensors in the space; DataError names the row and column of what it cannot place."""
        ...

    def decode(self, x: Tensor, rng: torch.Generator | None = None, given: dict[str, Any] | None = None) -> Any:
        """Objects again; `given` are the words passed to `condition`, which the objects must satisfy."""
        ...

    def condition(self, given: dict[str, Any], n: int) -> Tensor | None:
        """The condition's tensor from words (key -> value); ConfigError names an unknown key or impossible value."""
        ...

    def state(self) -> dict[str, Any]: ...

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Codec: ...


class Completing(Codec, Protocol):
    """A codec whose objects may lack a part: cells of a table, the target of a pair, the future of a series."""

    def evidence(self, objects: Any, given: dict[str, Any] | None = None) -> Tensor:
        """What is there, as the model's condition (N, ...)."""
        ...

    def complete(self, objects: Any, x: Tensor, rng: torch.Generator | None = None) -> Any:
        """The objects with what they lack, decoded from x (N, ...)."""
        ...


class Answering(Completing, Protocol):
    """A codec of questions with answers: a report judges the answers given to held-out questions."""

    def questions(self, objects: Any) -> Any:
        """The same objects without their answers."""
        ...


class Corpus(Protocol):
    """The functions of a domain's `corpus.py`, as a protocol for readers (modules satisfy it)."""

    def read(self, data: Any, **options: Any) -> tuple[Any, Source]:
        """Objects (or Chunked) and where they came from; data is a path, an embedded name, or objects already."""
        ...

    def split(self, objects: Any, fraction: float, seed: int) -> tuple[Any, Any]:
        """(training part, held-out part), without overlap."""
        ...

    def write(self, objects: Any, path: Path) -> Path:
        """Objects to a file (beside, then renamed); returns what was written."""
        ...


class CompletingCorpus(Corpus, Protocol):
    """What `complete` needs more; `read_questions(data)` too where questions have a form of their own."""

    def cut(self, objects: Any, start: int, stop: int) -> Any:
        """Some of the objects, in order."""
        ...

    def join(self, parts: list[Any]) -> Any:
        """The inverse of cutting."""
        ...
