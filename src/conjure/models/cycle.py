"""Two translators between two styles of picture, each into the other, in one model."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from conjure.core.errors import ConfigError
from conjure.core.space import Dense, Space
from conjure.models.protocol import Model
from conjure.nets.translation import ResNetTranslator
from conjure.nets.unet import UNet

CHUNK = 256  # pictures translated at a time
SMALLEST = 8  # pixels a side


class CycleGAN(Model):
    """F: A -> B and G: B -> A (Zhu et al. 2017, sec. 3): P(x | picture, side) is a point, F or G of the picture.

    The condition is a picture with one plane more, (C + 1, H, W), which is negative where the picture shall come
    out in the first style and positive for the second.
    """

    spaces: ClassVar = (Dense,)
    given_spaces: ClassVar = (Dense,)
    methods: ClassVar = ("translate",)

    @dataclass(frozen=True)
    class Config:
        """channels are those at full size, doubled at each of the halvings; blocks and halvings are the resnet's.
        skip: a network writes what is to change, on top of the picture, instead of the whole of it.
        """

        net: Literal["resnet", "unet"] = "resnet"
        channels: int = 16
        blocks: int = 4
        halvings: int = 1
        skip: bool = True

    def __init__(self, space: Dense, given: Dense, config: Config):
        super().__init__(space, given, config)
        self.nets = nn.ModuleList(_net(space, config) for _ in range(2))  # into the first style, into the second

    @classmethod
    def refuses(cls, space: Space, given: Space | None, config: Config) -> str | None:
        if config.channels < 1 or config.blocks < 0 or config.halvings < 0:
            return "model.channels is at least 1, model.blocks and model.halvings at least 0"
        if reason := super().refuses(space, given, config):
            return reason
        if given is None:
            return "a CycleGAN needs a picture as its condition, as the 'unpaired' kind of data gives it"
        if len(space.shape) != 3 or given.shape != (space.shape[0] + 1, *space.shape[1:]):
            return f"a CycleGAN turns pictures (C, H, W) into pictures, given (C + 1, H, W), not {given.shape}"
        least = SMALLEST * 2 ** max(0, config.halvings - 1)
        if min(space.shape[1:]) < least:
            return f"with model.halvings={config.halvings} pictures need {least} pixels a side"
        return None

    def translate(self, pictures: Tensor, to: int) -> Tensor:
        """Pictures (B, C, H, W) in style 0 or 1, (B, C, H, W); with `skip` unbounded, for a gradient everywhere."""
        made = self.nets[to](pictures)
        if self.config.skip:
            return pictures + made
        low, high = self.space.low, self.space.high
        return low + (high - low) * (made.tanh() + 1) / 2 if math.isfinite(high - low) else made

    def best(self, given: Tensor) -> Tensor:
        """Each picture in the style its last plane asks for, (N, C, H, W)."""
        pictures, to = apart(given.to(self.device))
        made = torch.empty_like(pictures)
        for side in (0, 1):
            rows = (to == side).nonzero().squeeze(1)
            for start in range(0, len(rows), CHUNK):
                some = rows[start : start + CHUNK]
                made[some] = self.translate(pictures[some], side)
        return made.clamp(self.space.low, self.space.high)

    def sample(self, n: int, *, given: Tensor | None = None, rng: torch.Generator | None = None) -> Tensor:
        """The same as `best`: there is one translation of a picture, whatever the generator's state."""
        if given is None:
            raise ConfigError("a CycleGAN translates pictures: give one, and the style that it shall have")
        return self.best(given.expand(n, *given.shape[1:]))


def apart(given: Tensor) -> tuple[Tensor, Tensor]:
    """A condition's pictures (N, C, H, W), and the style they shall have, 0 or 1, (N,)."""
    return given[:, :-1], (given[:, -1].mean((1, 2)) > 0).long()


class _Across(UNet):
    """The U-Net without a context."""

    def forward(self, x: Tensor, context: None = None) -> Tensor:
        return super().forward(x, context)  # type: ignore[arg-type]


def _net(space: Dense, config: CycleGAN.Config) -> nn.Module:
    if config.net == "unet":
        net: nn.Module = _Across(space.shape, config.channels, 0)  # type: ignore[arg-type]
    else:
        net = ResNetTranslator(space.shape[0], config.channels, config.blocks, config.halvings)
    if config.skip:  # at first nothing is changed
        for p in net.leave.parameters():
            nn.init.zeros_(p)
    return net
