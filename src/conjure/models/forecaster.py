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
AGAIN = 8  # forecasts made again within a history
COVERAGE, NORMAL_EDGE = 0.8, 1.2815516  # the interval that is calibrated, and the normal quantile at its end
SHOWN = 2048  # examples that the correlation of errors starts from


class Forecaster(Model):
    """P(future | history), x (B, T, C) under (B, 2, L, C): values, and 1 where there is one.

    x = centre + scale g(z): a linear map of the history, or a Transformer's correction of it; a learnt scale a step
    and channel, times the history's own restlessness; tails g a channel; z normal and correlated over steps and
    channels, so that paths and their sums are as uncertain as single values. Two conformal factors stretch z. One is
    found in each history: forecasts made again within it, whose futures it holds, say how wide intervals should have
    been of late (rolling calibration, as in Zaffran et al. 2022). For these the map reads half of the history only.
    The other, `widen` (C,), is what the held-out part still asked for (Romano et al. 2019, with scaled errors).
    """

    spaces: ClassVar = (Dense,)
    given_spaces: ClassVar = (Dense,)
    methods: ClassVar = ("terms", "log_prob")
    score_kind = "exact"

    @dataclass(frozen=True)
    class Config:
        """ridge: penalty of the linear map's closed form, from which training starts; held: it stays there.
        recent: how much of the factor found in the history is taken, as its exponent; at 0 the map reads it all.
        factors: of the errors' correlation over time, 0 for independent errors; patch: steps of the Transformer's.
        """

        trunk: Literal["linear", "transformer"] = "linear"
        ridge: float = 0.01
        held: bool = True
        recent: float = 1.0
        factors: int = 12
        patch: int = 16
        layers: int = 2
        width: int = 64
        heads: int = 4
        dropout: float = 0.1

    def __init__(self, space: Dense, given: Dense, config: Config):
        super().__init__(space, given, config)
        (horizon, channels), history = space.shape, given.shape[1]
        self.again = config.recent > 0 and history >= 2 * horizon
        self.reads = reads = history // 2 if self.again else history
        self.linear = LinearTrunk(reads, horizon)
        self.linear.weight.requires_grad_(not config.held)
        self.patches = None
        if config.trunk == "transformer":
            longest = -(-max(reads, horizon) // config.patch)
            sizes = Sizes(config.layers, config.width, config.heads, config.heads, longest, dropout=config.dropout)
            self.patches = PatchTrunk((reads, horizon, channels), config.patch, sizes)
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
        if min(config.ridge, config.factors, config.recent) < 0 or config.patch < 1 or config.layers < 1:
            return "model.ridge, model.factors and model.recent are at least 0, model.patch and model.layers at least 1"
        if config.width % config.heads or (config.width // config.heads) % 2:
            return f"model.width {config.width} should be an even multiple of model.heads {config.heads}"
        return None

    def terms(
        self, x: Tensor, given: Tensor, mask: Tensor | None = None, *, raw: bool = False
    ) -> tuple[Tensor, Tensor, Tensor]:
        """log density of each value by itself and z, (B, T, C) with 0 where missing, and that of their copula (B,).

        The three add up to log_prob, by Sklar's theorem. raw: without the conformal factors, and with z held where
        the copula's gradient is concerned, as inference for margins wants it (Joe 1997, sec. 10.1).
        """
        centre, log_scale = self._place(given)
        widen = torch.ones_like(self.widen) if raw else self.widen * self.recent(given)
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
        parts = []
        for part in given.to(self.device).split(CHUNK):
            centre, log_scale = self._place(part)
            widen = (self.widen * self.recent(part))[:, None]  # (B, 1, 1, C)
            r = self.tails.spread(z[:, None, None] * widen)  # (B, levels, 1, C)
            parts.append(centre[:, None] + log_scale.exp()[:, None] * r)
        return torch.cat(parts).clamp(self.space.low, self.space.high)

    def sample(self, n: int, *, given: Tensor | None = None, rng: torch.Generator | None = None) -> Tensor:
        parts = []
        for part in self._needed(given, n).split(CHUNK):
            centre, log_scale = self._place(part)
            z = normal(centre, rng) if self.copula is None else self.copula.draw(len(part), rng)
            widen = self.widen * self.recent(part)
            parts.append(centre + log_scale.exp() * self.tails.spread(z * widen))
        return torch.cat(parts).clamp(self.space.low, self.space.high)

    @torch.no_grad()
    def recent(self, given: Tensor) -> Tensor:
        """The conformal factor that forecasts made again within each history ask for, (B, 1, C).

        The 80 % quantile of |z| over that of a normal, to the power of `config.recent`. A forecast from a stretch of
        which most is missing does not count, nor does a missing value; where nothing is left the factor is 1.
        """
        horizon, channels = self.space.shape
        if not self.again:
            return given.new_ones(len(given), 1, channels)
        parts = []
        for start in torch.linspace(self.reads, given.shape[2] - horizon, AGAIN).round().long().unique().tolist():
            past, ahead = given[:, :, start - self.reads : start], given[:, :, start : start + horizon]
            centre, log_scale = self._place(past)
            counts = (ahead[:, 1] > 0.5) & ((past[:, 1] > 0.5).float().mean(1, keepdim=True) > 0.5)
            z, _ = self.tails.gather((ahead[:, 0] - centre) * (-log_scale).exp())
            parts.append(torch.where(counts, z.abs(), torch.inf))
        found = torch.cat(parts, 1).sort(1).values  # (B, forecasts T, C)
        count = found.isfinite().sum(1, keepdim=True)
        edge = found.gather(1, ((count * COVERAGE).ceil().long() - 1).clamp_min(0))
        factor = torch.where(count > 0, edge / NORMAL_EDGE, 1.0)
        return factor.clamp(0.2, 5.0) ** self.config.recent

    @torch.no_grad()
    def observe(self, x: Tensor, given: Tensor, mask: Tensor | None) -> None:
        """Start from closed forms: the linear map, how errors grow with restlessness and step, their correlation."""
        history = read(given[:, :, -self.reads :])
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
        history = read(given[:, :, -self.reads :])
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
