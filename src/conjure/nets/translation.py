"""Networks that turn a picture into another of the same shape, and the patch critics that judge them."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

SLOPE = 0.2  # of the critics' leaky rectifiers


class ResNetTranslator(nn.Module):
    """Down by strided convolutions, residual blocks, up again (Johnson et al. 2016, as in Zhu et al. 2017, sec. 7.2).

    Reflected borders, since a border of zeros shows in a picture; instance norm, since contrast is a matter of the
    single picture. Sides grow by repeating pixels before a convolution, which leaves no checkerboard (Odena et al.
    2016), and may be of any size from 8 upward.

    Shapes: (B, C, H, W) to (B, C, H, W).
    """

    def __init__(self, colours: int, channels: int, blocks: int, halvings: int):
        super().__init__()
        counts = [channels * 2**k for k in range(halvings + 1)]
        self.enter = nn.Sequential(*convolution(colours, channels, 7))
        self.shrink = nn.ModuleList(nn.Sequential(*convolution(n, 2 * n, 3, stride=2)) for n in counts[:-1])
        self.blocks = nn.ModuleList(ResidualBlock(counts[-1]) for _ in range(blocks))
        self.grow = nn.ModuleList(nn.Sequential(*convolution(2 * n, n, 3)) for n in counts[-2::-1])
        self.leave = nn.Sequential(nn.ReflectionPad2d(3), nn.Conv2d(channels, colours, 7))

    def forward(self, x: Tensor) -> Tensor:
        h = self.enter(x)
        sides = []
        for shrink in self.shrink:
            sides.append(h.shape[2:])
            h = shrink(h)
        for block in self.blocks:
            h = block(h)
        for grow in self.grow:
            h = grow(F.interpolate(h, size=sides.pop(), mode="nearest"))
        return self.leave(h)


class ResidualBlock(nn.Module):
    """Two convolutions around the identity, the sum left as it is."""

    def __init__(self, channels: int):
        super().__init__()
        self.body = nn.Sequential(*convolution(channels, channels, 3), *convolution(channels, channels, 3)[:-1])

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


class PatchCritic(nn.Module):
    """Says of every patch whether it looks real (Isola et al. 2017, sec. 3.2.2): style is a matter of patches.

    With `layers` 1, 2, 3 a patch has 16, 34, 70 pixels a side.

    Shapes: (B, C, H, W) to (B, 1, H', W').
    """

    def __init__(self, colours: int, channels: int, layers: int):
        super().__init__()
        parts: list[nn.Module] = [nn.Conv2d(colours, channels, 4, stride=2, padding=1), nn.LeakyReLU(SLOPE)]
        for k in range(layers):
            before, after = (channels * min(2**n, 8) for n in (k, k + 1))
            parts += [
                nn.Conv2d(before, after, 4, stride=2 if k < layers - 1 else 1, padding=1, bias=False),
                nn.InstanceNorm2d(after, affine=True),
                nn.LeakyReLU(SLOPE),
            ]
        self.body = nn.Sequential(*parts, nn.Conv2d(channels * min(2**layers, 8), 1, 4, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)

    @staticmethod
    def fitting(side: int, most: int) -> int:
        """The most layers, up to `most`, that leave 2 x 2 places to norm in pictures of so many pixels a side."""
        return max(1, max((n for n in range(1, most + 1) if 3 * 2**n <= side), default=1))


def convolution(before: int, after: int, size: int, stride: int = 1) -> list[nn.Module]:
    """Reflected border, convolution, instance norm, rectifier."""
    return [
        nn.ReflectionPad2d(size // 2),
        nn.Conv2d(before, after, size, stride, bias=False),
        nn.InstanceNorm2d(after, affine=True),
        nn.ReLU(),
    ]
