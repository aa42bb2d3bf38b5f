"""What families with a latent code share: the shape of the code, the two networks around it, the likelihood of x."""

from __future__ import annotations

import math
from abc import ABC
from typing import Any, ClassVar

from torch import Tensor, nn

from conjure.core.space import Columns, Dense, Space, Tokens
from conjure.models.protocol import Model
from conjure.nets.ends import Reader, Sizes, Writer
from conjure.nets.grids import halvings
from conjure.nets.likelihoods import Bernoulli, Categorical, Gaussian, Logistic, MixedColumns
from conjure.nets.tokens import TokenReader, TokenWriter

CHUNK = 4096  # examples drawn at a time
NETS = {  # what `model.net` may be, by kind of space
    "sequence": ("auto", "recurrent", "transformer"),
    "grid": ("auto", "dense", "plain", "convolutional"),
    "picture": ("auto", "dense", "plain", "convolutional"),
    "other": ("auto", "dense", "plain"),
}


class Latent(Model, ABC):
    """A reader makes a code z of x, a writer makes of z the distribution of x.

    z is (B, *latent_shape): (latent,), or with `model.latent_sides` a picture (latent, h, w) whose shorter side
    that is. A config of these families has latent, latent_sides, net, width, layers, channels, likelihood, levels.
    """

    spaces = (Dense, Columns, Tokens)
    given_spaces = (Columns,)
    numbers: ClassVar[int] = 1  # that the reader gives for each of z
    latent_shape: tuple[int, ...]

    def __init__(self, space: Space, given: Columns | None, config: Any):
        super().__init__(space, given, config)
        c = config
        sizes = Sizes(c.width, c.layers, c.channels, net=c.net, grid=c.latent_sides)
        self.latent_shape = (c.latent,)
        if c.latent_sides:
            self.latent_shape = (c.latent, *halvings(*_sides(space), c.latent_sides)[-1])  # type: ignore[misc]
        self.latent = math.prod(self.latent_shape)  # numbers in z
        self.likelihood = _likelihood(space, c)
        if isinstance(space, Tokens):
            self.reader: nn.Module = TokenReader(space, given, self.numbers * self.latent, sizes)
            self.writer: nn.Module = TokenWriter(space, given, self.latent, sizes)
            return
        self.reader = Reader(space, given, self.numbers * self.latent, sizes)
        self.writer = Writer(space, given, self.latent, sizes, self.likelihood.depth)

    @classmethod
    def refuses(cls, space: Space, given: Space | None, config: Any) -> str | None:
        if reason := super().refuses(space, given, config):
            return reason
        if isinstance(space, Tokens) and space.stream:
            return f"{cls.__name__} needs texts with an end, not a stream: set codec.layout=documents"
        kind = _kind(space)
        if config.net not in NETS[kind]:
            return f"model.net {config.net!r} does not serve this data; it may be {', '.join(NETS[kind])}"
        bounded = isinstance(space, Dense) and math.isfinite(space.low) and math.isfinite(space.high)
        if isinstance(space, Dense) and config.likelihood in ("logistic", "bernoulli") and not bounded:
            return f"model.likelihood {config.likelihood!r} needs values between finite bounds; use 'gaussian'"
        if config.levels < 2 or config.latent < 1:
            return "model.levels is at least 2, model.latent at least 1"
        if config.latent_sides:
            if kind not in ("picture", "grid") or config.net in ("dense", "plain"):
                return "model.latent_sides is for pictures read by convolutions; set it to 0"
            possible = [min(s) for s in halvings(*_sides(space), 4)][1:] or ["none"]
            if not halvings(*_sides(space), config.latent_sides):
                words = " or ".join(map(str, possible))
                return f"model.latent_sides is {config.latent_sides}; halving this picture's sides gives {words}"
        return None

    def decode(self, z: Tensor, given: Tensor | None = None) -> Tensor:
        """The likeliest x for each z (B, *latent_shape), element by element, (B, ...) in the space."""
        return self.likelihood.mode(self.writer(z.flatten(1), given))

    def _log_likelihood(self, x: Tensor, z: Tensor, given: Tensor | None, mask: Tensor | None = None) -> Tensor:
        """log p(x | z_k) of K flat codes for each x; positions where mask (B, ...) is False do not count.

        Shapes: x (B, ...), z (B, K, latent), result (B, K).
        """
        draws = z.shape[1]
        written = self.writer(z.flatten(0, 1), _repeated(given, draws))
        if mask is None and isinstance(self.likelihood, Bernoulli):
            return self.likelihood.totals(written, x)
        terms = self.likelihood.log_prob(written, _repeated(x, draws))
        if mask is not None:
            mask = _repeated(mask, draws)
            terms = terms * mask.reshape(*mask.shape, *[1] * (terms.ndim - mask.ndim))
        return terms.flatten(1).sum(1).view(-1, draws)


def _repeated(t: Tensor | None, draws: int) -> Tensor | None:
    """Every row (B, ...) so many times over, (B draws, ...)."""
    return t if t is None or draws == 1 else t.repeat_interleave(draws, 0)


def _kind(space: Space) -> str:
    if isinstance(space, Tokens):
        return "sequence" if len(space.shape) == 1 else "grid"
    return "picture" if isinstance(space, Dense) and len(space.shape) == 3 else "other"


def _sides(space: Space) -> tuple[int, int]:
    """Height and width of a picture or a grid of tokens."""
    shape: tuple[int, ...] = space.shape  # type: ignore[union-attr]
    return (shape[0], shape[1]) if isinstance(space, Tokens) else (shape[1], shape[2])


def _likelihood(space: Space, config: Any) -> nn.Module:
    if isinstance(space, Columns):
        return MixedColumns(space)
    if isinstance(space, Tokens):
        return Categorical(space)
    kind = config.likelihood
    if kind == "auto":
        kind = "logistic" if len(space.shape) == 3 and math.isfinite(space.high - space.low) else "gaussian"
    match kind:
        case "logistic":
            return Logistic(space, config.levels)
        case "bernoulli":
            return Bernoulli(space)
        case _:
            return Gaussian(space)
