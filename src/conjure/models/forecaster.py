"""The forecaster: the distribution of many channels' future, under their history with its gaps."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from conjure.core.errors import ConfigError
from conjure.core.space import Dense, Space
from conjure.models.protocol import Model
from conjure.nets.copula import Copula, Tails
from conjure.nets.forecast import SIGNS, LinearTrunk, PatchTrunk, read
from conjure.nets.likelihoods import floor_scale, normal
from conjure.nets.transformer import Sizes

CHUNK = 512  # examples at a time, so that memory stays bounded
SHOWN = 2048  # examples that the correlation of errors starts from


class Forecaster(Model):
    """P(future | history), x (B, T, C) under (B, 2, L, C): values, and 1 where there is one.

    x = centre + scale g(z): a linear map of the history, or a Transformer's correction of it; a learnt scale a step
    and channel, times the history's own restlessness; tails g a channel; z normal and correlated over steps and
    channels, so that paths and their sums are as uncertain as single values. `widen` (C,) is the conformal factor:
    by so much intervals are wider than learnt, so that on held-out data they cover what they promise (Romano et al.
    2019, with scaled errors).
    """

    spaces: ClassVar = (Dense,)
    given_spaces: ClassVar = (Dense,)
    methods: ClassVar = ("terms", "log_prob")
    score_kind = "exact"

    @dataclass(frozen=True)
    class Config:
        """ridge: penalty of the linear map's closed form, from which training starts; held: it stays there.
        factors: of the errors' correlation over time, 0 for independent errors; patch: steps of the Transformer's.
        """

        trunk: Literal["linear", "transformer"] = "linear"
        ridge: float = 0.01
        held: bool = True
        factors: int = 12
        patch: int = 16
        layers: int = 2
        width: int = 64
        heads: int = 4
        dropout: float = 0.1

    def __init__(self, space: Dense, given: Dense, config: Config):
        super().__init__(space, given, config)
        (horizon, channels), history = space.shape, given.shape[1]
        self.linear = LinearTrunk(history, horizon)
        self.linear.weight.requires_grad_(not config.held)
        self.patches = None
        if config.trunk == "transformer":
            longest = -(-max(history, horizon) // config.patch)
            sizes = Sizes(config.layers, config.width, config.heads, config.heads, longest, dropout=config.dropout)
            self.patches = PatchTrunk((history, horizon, channels), config.patch, sizes)
        self.log_scale = nn.Parameter(torch.zeros(horizon, channels))
        self.restless = nn.Parameter(torch.zeros(SIGNS, channels))
        self.tails = Tails(channels)
        self.copula = Copula(horizon, channels, config.factors) if config.factors else None
        self.register_buffer("widen", torch.ones(channels))

    @classmethod
    def refuses(cls, space: Space, given: Space | None, config: Config) -> str | None:
        if reason := super().refuses(space, given, config):
            return reason
        if given is None:
            return "Forecaster goes on with a history: it needs data with one, such as series with codec.history"
        if len(space.shape) != 2 or len(given.shape) != 3 or given.shape[::2] != (2, space.shape[1]):
            return f"Forecaster writes (steps, channels) under (2, steps, channels), not {space.shape}"
        if config.ridge < 0 or config.factors < 0 or config.patch < 1 or config.layers < 1:
            return "model.ridge and model.factors are at least 0, model.patch and model.layers at least 1"
        if config.width % config.heads or (config.width // config.heads) % 2:
            return f"model.width {config.width} should be an even multiple of model.heads {config.heads}"
        return None

    def terms(
        self, x: Tensor, given: Tensor, mask: Tensor | None = None, *, raw: bool = False
    ) -> tuple[Tensor, Tensor, Tensor]:
        """log density of each value by itself and z, (B, T, C) with 0 where missing, and that of their copula (B,).

        The three add up to log_prob, by Sklar's theorem. raw: without the conformal factor, and with z held where
        the copula's gradient is concerned, as inference for margins wants it (Joe 1997, sec. 10.1).
        """
        centre, log_scale = self._place(given)
        widen = torch.ones_like(self.widen) if raw else self.widen
        there = torch.ones_like(x, dtype=torch.bool) if mask is None else mask
        r = torch.where(there, (x - centre) * (-log_scale).exp(), 0.0)
        z, slope = self.tails.gather(r)
        z = z / widen
        nats = -0.5 * z.square() - 0.5 * math.log(2 * math.pi)
        nats = torch.where(there, nats + slope - log_scale - widen.log(), 0.0)
        joint = x.new_zeros(len(x))
        if self.copula is not None:
            joint = self.copula.log_density(z.detach() if raw else z, mask)
        return nats, z, joint

    def log_prob(self, x: Tensor, given: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        """log p(future | history), (B,); mask (B, T, C) is False where a value is missing and does not count."""
        nats, _, joint = self.terms(x, self._needed(given, len(x)), mask)
        return nats.sum((1, 2)) + joint

    def best(self, given: Tensor) -> Tensor:
        """The median of every step and channel, which is the centre, (N, T, C)."""
        return torch.cat([self._place(part)[0] for part in given.to(self.device).split(CHUNK)])

    def quantiles(self, given: Tensor, levels: tuple[float, ...]) -> Tensor:
        """The quantiles of every step and channel, (N, levels, T, C)."""
        z = torch.special.ndtri(torch.tensor(levels, device=self.device).clamp(1e-6, 1 - 1e-6))
        r = self.tails.spread(z[:, None] * self.widen)[:, None]  # (levels, 1, C)
        parts = []
        for part in given.to(self.device).split(CHUNK):
            centre, log_scale = self._place(part)
            parts.append(centre[:, None] + log_scale.exp()[:, None] * r)
        return torch.cat(parts).clamp(self.space.low, self.space.high)

    def sample(self, n: int, *, given: Tensor | None = None, rng: torch.Generator | None = None) -> Tensor:
        parts = []
        for part in self._needed(given, n).split(CHUNK):
            centre, log_scale = self._place(part)
            z = normal(centre, rng) if self.copula is None else self.copula.draw(len(part), rng)
            parts.append(centre + log_scale.exp() * self.tails.spread(z * self.widen))
        return torch.cat(parts).clamp(self.space.low, self.space.high)

    @torch.no_grad()
    def observe(self, x: Tensor, given: Tensor, mask: Tensor | None) -> None:
        """Start from closed forms: the linear map, how errors grow with restlessness and step, their correlation."""
        history = read(given)
        there = torch.ones_like(x, dtype=torch.bool) if mask is None else mask
        target, present = x.transpose(1, 2), there.transpose(1, 2)
        self.linear.solve(history, target, present, self.config.ridge)
        error = torch.where(present, target - history.mean - self.linear(history), 0.0)  # (B, C, T)
        size = (error.square().sum(-1) / present.sum(-1).clamp_min(1) + 1e-8).sqrt().log()
        signs = history.signs()
        signs = torch.cat([signs, torch.ones_like(signs[..., :1])], -1).transpose(0, 1)  # (C, B, 4)
        eye = 1e-2 * torch.eye(SIGNS + 1, device=x.device)
        found = torch.linalg.solve(signs.mT @ signs / len(x) + eye, signs.mT @ size.T.unsqueeze(-1) / len(x))
        self.restless.copy_(found[:, :SIGNS, 0].T)
        expected = (signs[..., :SIGNS] @ found[:, :SIGNS]).squeeze(-1).T.unsqueeze(-1)  # (B, C, 1)
        relative = error * (-expected).exp()
        counts = present.sum(0).clamp_min(1)
        self.log_scale.copy_(0.5 * (relative.square().sum(0) / counts + 1e-8).log().T)
        if self.copula is not None:
            some = slice(None, None, -(-len(x) // SHOWN))
            _, z, _ = self.terms(x[some], given[some], there[some], raw=True)
            self.copula.observe(z)

    def _place(self, given: Tensor) -> tuple[Tensor, Tensor]:
        """Centre and log scale of the future, (B, T, C) each."""
        history = read(given)
        centre, more = history.mean + self.linear(history), None
        if self.patches is not None:
            shift, more = self.patches(history)
            centre = centre + shift
        log_scale = self.log_scale + (history.signs() * self.restless.T).sum(-1)[:, None]
        if more is not None:
            log_scale = log_scale + more.transpose(1, 2)
        return centre.transpose(1, 2), floor_scale(log_scale)

    def _needed(self, given: Tensor | None, n: int) -> Tensor:
        if given is None:
            raise ConfigError("a Forecaster draws under a history: give history=FILE")
        return given.to(self.device).expand(n, *self.given.shape)
