"""A Transformer over patches: vectors, series, pictures and clips as rows of tokens that a context modulates."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from conjure.nets.attention import waves

MOST, LEAST = 64, 4  # tokens that an automatic patch aims for


@dataclass(frozen=True)
class Patches:
    """How x is cut: a vector (D,) into runs of numbers, a series (T, C) into runs of steps, a picture (C, H, W), or
    each of a clip (T, C, H, W), into squares of `side` a side."""

    shape: tuple[int, ...]
    side: int

    @property
    def tokens(self) -> int:
        return math.prod(self.shape) // self.numbers

    @property
    def numbers(self) -> int:
        """Numbers in a patch."""
        match self.shape:
            case (_,):
                return self.side
            case (_, channels):
                return self.side * channels
            case (*_, channels, _, _):
                return self.side**2 * channels
        raise ValueError(f"patches are cut out of one to four dimensions, not {len(self.shape)}")

    def cut(self, x: Tensor) -> Tensor:
        """(B, *shape) to (B, tokens, numbers)."""
        if len(self.shape) < 3:
            return x.reshape(len(x), self.tokens, self.numbers)
        squares = x.unflatten(-1, (-1, self.side)).unflatten(-3, (-1, self.side))  # (..., C, h, p, w, p)
        return squares.movedim((-5, -3), (-3, -2)).reshape(len(x), self.tokens, self.numbers)

    def join(self, tokens: Tensor) -> Tensor:
        """The inverse of `cut`."""
        if len(self.shape) < 3:
            return tokens.reshape(len(tokens), *self.shape)
        *clip, c, h, w = self.shape
        squares = tokens.reshape(len(tokens), *clip, h // self.side, w // self.side, c, self.side, self.side)
        return squares.movedim((-3, -2), (-5, -3)).reshape(len(tokens), *self.shape)


def fitting(shape: tuple[int, ...]) -> int:
    """The smallest patch that leaves at most 64 tokens (of each picture); 1 where it would leave hardly any."""
    sides = shape[-2:] if len(shape) > 2 else shape[:1]
    for side in range(1, min(sides) + 1):
        tokens = math.prod(s // side for s in sides)
        if tokens <= MOST and divides(shape, side):
            return side if tokens >= LEAST else 1
    return 1


def divides(shape: tuple[int, ...], side: int) -> bool:
    """Whether patches of that side cover x."""
    return not any(s % side for s in (shape[-2:] if len(shape) > 2 else shape[:1]))


class PatchTransformer(nn.Module):
    """x cut into patches, blocks of attention over all of them, and a number for every number of x.

    The context shifts and scales what each part of a block reads and gates what it adds, from a start at nothing
    (adaLN-Zero: Peebles & Xie 2023, fig. 3 and section 3.2).

    Shapes: x (B, *shape) and context (B, context) to (B, *shape).
    """

    def __init__(self, patches: Patches, width: int, layers: int, heads: int, context: int):
        super().__init__()
        self.patches = patches
        self.enter = nn.Linear(patches.numbers, width)
        self.places = nn.Parameter(0.5 * waves(patches.tokens, width))
        self.blocks = nn.ModuleList(_Block(width, heads, context) for _ in range(layers))
        self.last = _modulation(context, 2 * width)
        self.leave = nn.Linear(width, patches.numbers)

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        h, context = self.enter(self.patches.cut(x)) + self.places, F.silu(context)
        for block in self.blocks:
            h = block(h, context)
        shift, scale = self.last(context)[:, None].chunk(2, -1)
        return self.patches.join(self.leave(_modulated(h, shift, scale)))


class _Block(nn.Module):
    def __init__(self, width: int, heads: int, context: int):
        super().__init__()
        self.heads = heads
        self.modulation = _modulation(context, 6 * width)
        self.query_key_value, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.feed = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(approximate="tanh"), nn.Linear(4 * width, width))

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        """x (B, T, D) and context (B, context) to (B, T, D)."""
        shifts, scales, gates = self.modulation(context)[:, None].unflatten(-1, (3, 2, -1)).unbind(2)
        x = x + gates[:, :, 0] * self._attend(_modulated(x, shifts[:, :, 0], scales[:, :, 0]))
        return x + gates[:, :, 1] * self.feed(_modulated(x, shifts[:, :, 1], scales[:, :, 1]))

    def _attend(self, x: Tensor) -> Tensor:
        """softmax(Q K^T / sqrt(d)) V over all places; written out, for the fused one has no forward derivative."""
        q, k, v = self.query_key_value(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)  # (B, heads, T, d)
        weights = (q @ k.mT / q.shape[-1] ** 0.5).softmax(-1)
        return self.out((weights @ v).transpose(1, 2).flatten(2))


def _modulation(context: int, outputs: int) -> nn.Linear:
    """A linear map that starts at zero, so that a block starts as the identity."""
    linear = nn.Linear(context, outputs)
    nn.init.zeros_(linear.weight)
    nn.init.zeros_(linear.bias)
    return linear


def _modulated(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    return F.layer_norm(x, x.shape[-1:]) * (1 + scale) + shift
