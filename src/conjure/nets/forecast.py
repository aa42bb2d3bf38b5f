"""From a history with gaps to the centre and spread of its future, channel by channel."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from conjure.nets.cross import CrossTransformer
from conjure.nets.encoder import Encoder
from conjure.nets.transformer import Sizes

FLOOR = 0.05  # of the training data's standard deviation: a history that hardly moves is not blown up beyond it
SIGNS = 3  # numbers that say how restless a history is


@dataclass(frozen=True)
class History:
    """Histories with gaps bridged, relative to their own mean: values and present (B, C, L), mean, scale (B, C, 1)."""

    values: Tensor
    present: Tensor
    mean: Tensor
    scale: Tensor

    def signs(self) -> Tensor:
        """Log volatility, and by how much the last quarter's spread and steps exceed it, (B, C, 3)."""
        last = self.values[..., -max(2, self.values.shape[-1] // 4) :]
        spread = last.var(-1, correction=0, keepdim=True).add(FLOOR**2).sqrt()
        steps = last.diff(dim=-1).square().mean(-1, keepdim=True).add(FLOOR**2).sqrt()
        return torch.cat([self.scale.log(), (spread / self.scale).log(), (steps / self.scale).log()], -1)


def read(given: Tensor) -> History:
    """The history in a condition (B, 2, L, C): values, and 1 where there is one."""
    present = given[:, 1].transpose(1, 2) > 0.5
    values = bridged(given[:, 0].transpose(1, 2), present)
    count = present.sum(-1, keepdim=True).clamp_min(1)
    mean = (values * present).sum(-1, keepdim=True) / count
    values = torch.where(present.any(-1, keepdim=True), values - mean, 0.0)
    scale = ((values.square() * present).sum(-1, keepdim=True) / count + FLOOR**2).sqrt()
    return History(values, present, mean, scale)


def bridged(values: Tensor, present: Tensor) -> Tensor:
    """Gaps along the last dimension on the straight line between their ends; at a border, the nearest value.

    What stands in a gap beforehand is not looked at. Without any value all is 0.
    """
    if bool(present.all()):
        return values
    length = values.shape[-1]
    at = torch.arange(length, device=values.device).expand_as(values)
    before = torch.where(present, at, -1).cummax(-1).values
    after = torch.where(present, at, length).flip(-1).cummin(-1).values.flip(-1)
    left = torch.where(before < 0, after, before).clamp(0, length - 1)
    right = torch.where(after >= length, before, after).clamp(0, length - 1)
    clean = torch.where(present, values, 0.0)
    share = (at - left) / (right - left).clamp_min(1)
    return torch.lerp(clean.gather(-1, left), clean.gather(-1, right), share.to(values))


class LinearTrunk(nn.Module):
    """The future as one linear map of the history, the same for all channels, both relative to the history's mean.

    The direct linear forecaster (Zeng et al. 2023, sec. 4.1) in its normalised form (Li et al. 2023, RLinear).

    Shapes: a History of (B, C, L) to the centre (B, C, T).
    """

    def __init__(self, history: int, horizon: int):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(horizon, history))

    def forward(self, history: History) -> Tensor:
        return F.linear(history.values, self.weight)

    @torch.no_grad()
    def solve(self, history: History, target: Tensor, present: Tensor, ridge: float) -> None:
        """The map of least squared error with a penalty, each window weighing as much as its calm.

        W = (X^T X / n + ridge I)^-1 X^T Y / n in double precision, windows divided by the root of their volatility:
        between plain squares (stormy windows decide) and squares of what is standardised. Windows with a gap in
        the target (B, C, T) are left out where enough are left, else the gap counts on its straight line.
        """
        weight = history.scale.rsqrt()
        whole = present.all(-1) if present.all(-1).sum() >= 4 * self.weight.shape[1] else present.any(-1)
        x = (history.values * weight)[whole]
        y = ((bridged(target, present) - history.mean) * weight)[whole]
        gram = (x.T @ x).double() / len(x) + ridge * torch.eye(x.shape[1], dtype=torch.double, device=x.device)
        self.weight.copy_(torch.linalg.solve(gram, (x.T @ y).double() / len(x)).T)


class PatchTrunk(nn.Module):
    """An encoder over patches of the history, a decoder over patches of the future that looks at all of them.

    Channels go through by themselves (Nie et al. 2023, sec. 3.1) with a learnt vector each. It writes what to add to
    the centre, in units of the history's volatility, and to the log scale; at first nothing.

    Shapes: a History of (B, C, L) to (B, C, T) twice.
    """

    def __init__(self, shape: tuple[int, int, int], patch: int, sizes: Sizes):
        super().__init__()
        history, self.horizon, channels = shape
        self.patch, width = patch, sizes.width
        self.reads, self.writes = math.ceil(history / patch), math.ceil(self.horizon / patch)
        self.enter = nn.Linear(2 * patch, width)
        self.channel = nn.Parameter(torch.zeros(channels, width))
        self.ahead = nn.Parameter(0.02 * torch.randn(self.writes, width))
        self.encoder, self.decoder = Encoder(sizes), CrossTransformer(sizes)
        self.leave = nn.Linear(width, 2 * patch)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def forward(self, history: History) -> tuple[Tensor, Tensor]:
        values, present = history.values / history.scale, history.present
        n, channels, length = values.shape
        room = (self.reads * self.patch - length, 0)
        patches = [F.pad(a, room).unflatten(-1, (self.reads, self.patch)) for a in (values, present.to(values))]
        x = self.enter(torch.cat(patches, -1)) + self.channel[:, None]
        counts = (patches[1].any(-1) | ~present.any(-1, keepdim=True)).flatten(0, 1)  # an empty history sees zeros
        memory = self.encoder(x.flatten(0, 1), counts)
        asked = (self.ahead + self.channel[:, None]).expand(n, -1, -1, -1).flatten(0, 1)
        written = self.leave(self.decoder(asked, self.decoder.look(memory, counts)).to(values.dtype))
        written = written.view(n, channels, self.writes, 2, self.patch).transpose(2, 3).flatten(3)[..., : self.horizon]
        return written[:, :, 0] * history.scale, written[:, :, 1]
