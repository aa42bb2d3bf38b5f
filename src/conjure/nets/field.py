"""A vector at every point and time: the network behind a flow."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from conjure.core.space import Columns, Dense
from conjure.nets.columns import ColumnEmbedding
from conjure.nets.ends import is_picture
from conjure.nets.mlp import ResMLP
from conjure.nets.patches import Patches, PatchTransformer, divides, fitting
from conjure.nets.unet import UNet
from conjure.nets.video import VideoUNet

FASTEST = 16.0  # turns of the quickest wave over a unit of time; much quicker ones make a field solvers stumble on
WAVES = tuple(math.pi * turns for turns in (0.5, 1, 2, 4, 8))
FEW = 16  # up to so many dimensions x, of scale about one, is also shown as waves: narrow modes run together without


LONG = 8  # steps from which a series is read as one


@dataclass(frozen=True)
class Plan:
    """Which network, and its measures: channels are a U-Net's, heads and patch (0: what fits) a Transformer's."""

    net: str = "auto"
    width: int = 256
    layers: int = 3
    channels: int = 32
    heads: int = 4
    patch: int = 0


def chosen(shape: tuple[int, ...], plan: Plan) -> str:
    """The network behind "auto": a U-Net for pictures and clips of them, a Transformer for series and clips of small
    pictures, else a perceptron."""
    if plan.net != "auto":
        return plan.net
    if is_clip(shape):
        return "unet"
    if len(shape) == 4 or (len(shape) == 2 and shape[0] >= LONG):
        return "transformer"
    return "unet" if is_picture(Dense(shape)) else "perceptron"


def is_clip(shape: tuple[int, ...]) -> bool:
    """Whether x is a clip (T, C, H, W) of pictures large enough for convolutions."""
    return len(shape) == 4 and is_picture(Dense(shape[1:]))


def refusal(shape: tuple[int, ...], plan: Plan) -> str | None:
    """Why a plan does not serve a shape, in one sentence; None when it does."""
    match chosen(shape, plan):
        case "unet" if not (is_picture(Dense(shape)) or is_clip(shape)):
            return "model.net 'unet' is for pictures and clips of at least 12 a side; use 'transformer' or 'perceptron'"
        case "transformer":
            if len(shape) > 4:
                return f"a Flow cuts at most four dimensions into patches, not {len(shape)}; use model.net=perceptron"
            if plan.patch < 0 or not divides(shape, plan.patch or 1):
                return f"model.patch is {plan.patch}, which does not divide {' x '.join(map(str, shape))}"
            if plan.heads < 1 or plan.width % plan.heads:
                return f"model.width is {plan.width}, which model.heads = {plan.heads} does not divide"
    return None


class Field(nn.Module):
    """v(x, t, given): by a U-Net, a Transformer over patches or a residual perceptron.

    Where `keep` is False an example's condition is replaced by a learnt "nothing is given".

    Shapes: x (B, *shape), t (B,) in [0, 1], given codes (B, K) or None, keep (B,) or None, result (B, *shape).
    """

    def __init__(self, shape: tuple[int, ...], given: Columns | None, plan: Plan):
        super().__init__()
        width, self.shape = plan.width, shape
        self.time = TimeEmbedding(width)
        self.context = ColumnEmbedding(given, width) if given else None
        self.nothing = nn.Parameter(torch.zeros(width)) if given else None
        kind, size = chosen(shape, plan), math.prod(shape)
        self.modulated = kind != "perceptron"
        if kind == "unet":
            family = VideoUNet if is_clip(shape) else UNet
            self.net: nn.Module = family(shape, plan.channels, width)  # type: ignore[arg-type]
        elif kind == "transformer":
            patches = Patches(shape, plan.patch or fitting(shape))
            self.net = PatchTransformer(patches, width, plan.layers, plan.heads, width)
        else:
            self.waves = WAVES if size <= FEW else ()
            self.net = ResMLP(size * (1 + 2 * len(self.waves)) + width, size, width, plan.layers)

    def forward(self, x: Tensor, t: Tensor, given: Tensor | None = None, keep: Tensor | None = None) -> Tensor:
        context = self.time(t)
        if self.context is not None:
            label = self.context(given)
            context = context + (label if keep is None else torch.where(keep[:, None], label, self.nothing))
        if self.modulated:
            return self.net(x, context).clone()  # a view slips past sharding
        x = x.flatten(1)
        waves = [wave(turns * x) for turns in self.waves for wave in (torch.cos, torch.sin)]
        return self.net(torch.cat([x, *waves, context], 1)).unflatten(1, self.shape).clone()


class TimeEmbedding(nn.Module):
    """A time as waves of growing frequency, mixed by a small perceptron: (B,) to (B, width)."""

    def __init__(self, width: int, waves: int = 16):
        super().__init__()
        turns = torch.logspace(math.log10(0.25), math.log10(FASTEST), waves)
        self.register_buffer("speeds", 2 * math.pi * turns, persistent=False)
        self.mix = nn.Sequential(nn.Linear(2 * waves, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, t: Tensor) -> Tensor:
        angle = t[:, None] * self.speeds
        return self.mix(torch.cat([angle.cos(), angle.sin()], 1))
