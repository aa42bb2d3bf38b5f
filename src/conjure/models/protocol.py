"""What every family promises: draw from P(x | given) and, where it can, say how probable x is."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from conjure.core.space import Space


class Model(nn.Module):
    """P(x | given) over one space: what an artifact ships.

    A family subclasses this once and is final. Its constructor takes the space of x, the space
    of the condition (None without one) and its own `Config`, a frozen dataclass nested in the class.
    """

    spaces: ClassVar[tuple[type, ...]] = ()  # kinds of space the family serves
    given_spaces: ClassVar[tuple[type, ...]] = ()  # kinds of condition it takes
    gradient: ClassVar[bool] = True  # False where what is learnt are counts, which no gradient moves
    methods: ClassVar[tuple[str, ...]] = ()  # methods an objective's loss may call; kept in step over processes

    def __init__(self, space: Space, given: Space | None, config: Any):
        super().__init__()
        self.space, self.given, self.config = space, given, config

    @classmethod
    def refuses(cls, space: Space, given: Space | None, config: Any) -> str | None:
        """Why this family cannot serve the space, in one sentence; None when it can.

        Families narrow this where the class of the space alone does not decide.
        """
        if not isinstance(space, cls.spaces):
            wanted = " or ".join(s.__name__ for s in cls.spaces)
            return f"{cls.__name__} models {wanted}, not {type(space).__name__}"
        if given is not None and not isinstance(given, cls.given_spaces):
            return f"{cls.__name__} takes no condition of kind {type(given).__name__}"
        return None

    def sample(self, n: int, *, given: Tensor | None = None, rng: torch.Generator | None = None) -> Tensor:
        """Draw n examples, (N, ...) in the space; the same generator state gives the same draw.

        `given` is (N, ...) or (1, ...) in the condition's space; for Columns it is evidence,
        (N or 1, sum of sizes) weights in [0, 1] on every column's codes, 1 where all is allowed.
        """
        raise TypeError(f"{type(self).__name__} cannot sample")

    @property
    def device(self) -> torch.device:
        return next((p.device for p in self.parameters()), torch.device("cpu"))


@runtime_checkable
class Scores(Protocol):
    """A family with a likelihood. `score_kind` is "exact", "bound" (from below), "estimate" or "energy"."""

    score_kind: str

    def log_prob(self, x: Tensor, given: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        """log P(x | given) in nats, (B,); positions where mask is False do not count."""
        ...


@runtime_checkable
class Encodes(Protocol):
    """A family with a latent code, (B, latent)."""

    def encode(self, x: Tensor, given: Tensor | None = None) -> Tensor: ...

    def decode(self, z: Tensor, given: Tensor | None = None) -> Tensor: ...
