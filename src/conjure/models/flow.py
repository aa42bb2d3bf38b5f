"""The continuous flow: noise moves along a learnt velocity field until it is data (flow matching and diffusion)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from conjure.core.errors import ConfigError
from conjure.core.rng import generator
from conjure.core.space import Columns, Dense, Space
from conjure.models.conditions import codes
from conjure.models.protocol import Model
from conjure.models.solvers import Function, adams, adaptive, euler, heun
from conjure.nets.analog import Analog
from conjure.nets.field import Field, Plan, refusal
from conjure.nets.likelihoods import normal

VALUES = 2**18  # numbers moved at a time, so that memory stays bounded
SOLVERS = {"euler": euler, "heun": heun, "adams": adams}
EXACT = 16  # up to so many dimensions the divergence is summed, beyond them it is estimated


class Flow(Model):
    """dx/dt = v(x, t, given) carries N(0, 1) at t = 0 to the data at t = 1 (Chen et al. 2018; Lipman et al. 2023).

    Between noise x_0 and data x_1 lies, by `path`: "rectified", t x_1 + (1 - t) x_0 (Liu et al. 2023), or
    "cosine", sin(pi t / 2) x_1 + cos(pi t / 2) x_0, whose velocity is the v of v-prediction diffusion but for the
    factor -pi / 2 (Salimans & Ho 2022, section 4). log_prob is the likelihood without guidance: exact, up to the
    solver's tolerance, for at most 16 real dimensions, else an estimate. A category is carried as a real number for
    each of its codes, the highest of which is drawn; a density of these is no probability, so there is no log_prob.
    """

    spaces: ClassVar = (Dense, Columns)
    given_spaces: ClassVar = (Columns,)
    methods: ClassVar = ("velocity",)
    score_kind = "estimate"

    @dataclass(frozen=True)
    class Config:
        """net: "auto" is a U-Net for pictures of at least 12 a side and clips of them, a Transformer for series and
        other clips, else a perceptron; patch: what the Transformer takes for a token (0: what fits). evaluations:
        calls of the network a draw with solver "euler", "adams" or "heun" (two calls a step); "adaptive" calls it until
        the error is within tolerance, as log_prob always does. guidance: how far to go from the field without a
        condition towards the one with it, and beyond. levels: pictures in a finite box hold that many even steps, and
        log_prob is that of the step. probes: random directions that estimate a divergence.
        """

        net: Literal["auto", "perceptron", "unet", "transformer"] = "auto"
        width: int = 256
        layers: int = 3
        channels: int = 32
        heads: int = 4
        patch: int = 0
        path: Literal["rectified", "cosine"] = "rectified"
        solver: Literal["euler", "heun", "adams", "adaptive"] = "heun"
        evaluations: int = 32
        tolerance: float = 1e-4
        guidance: float = 1.0
        levels: int = 256
        probes: int = 4

    def __init__(self, space: Dense | Columns, given: Columns | None, config: Config):
        super().__init__(space, given, config)
        self.analog = Analog(space) if isinstance(space, Columns) else None
        self.shape, self.step = _shape(space), 0.0
        self.size = math.prod(self.shape)
        self.field = Field(self.shape, given, _plan(config))
        if isinstance(space, Dense) and len(space.shape) == 3 and math.isfinite(space.high - space.low):
            self.step = (space.high - space.low) / (config.levels - 1)
        if self.size <= EXACT and not self.step:
            self.score_kind = "exact"
        if isinstance(space, Columns) and any(space.sizes):
            self.log_prob = None  # type: ignore[assignment]

    @classmethod
    def refuses(cls, space: Space, given: Space | None, config: Config) -> str | None:
        if config.evaluations < 1 or (config.solver == "heun" and config.evaluations % 2):
            return "model.evaluations is at least 1, and even for solver 'heun', which calls twice a step"
        if config.tolerance <= 0 or config.levels < 2 or config.probes < 1:
            return "model.tolerance is above 0, model.levels at least 2, model.probes at least 1"
        if config.guidance != 1 and given is None:
            return "model.guidance needs a condition to guide towards; leave it at 1"
        return super().refuses(space, given, config) or refusal(_shape(space), _plan(config))

    def real(self, x: Tensor) -> Tensor:
        """x (B, ...) as the real numbers that are carried, (B, *shape)."""
        return self.analog.widen(x) if self.analog is not None else x

    def between(self, noise: Tensor, x: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        """The point at time t on the path from noise to data, and the velocity there.

        Rectified: Lipman et al. 2023, eq. 22 and 23 without their smallest scale. Cosine: Salimans & Ho 2022.

        Shapes: noise, x and results (B, *shape), t (B,).
        """
        t = t.reshape(-1, *[1] * (x.ndim - 1))
        if self.config.path == "rectified":
            return t * x + (1 - t) * noise, x - noise
        angle = math.pi / 2 * t
        return angle.sin() * x + angle.cos() * noise, math.pi / 2 * (angle.cos() * x - angle.sin() * noise)

    def velocity(self, x: Tensor, t: Tensor, given: Tensor | None = None, keep: Tensor | None = None) -> Tensor:
        """v(x, t, given), (B, *shape); where keep (B,) is False the condition is not seen."""
        return self.field(x, t, given, keep)

    def guided(self, x: Tensor, t: Tensor, given: Tensor | None) -> Tensor:
        """v(x, t) + guidance (v(x, t, given) - v(x, t)): Ho & Salimans 2022, eq. 6, with guidance = 1 + their w.

        One call of the network, on a batch twice as large.
        """
        if given is None or self.config.guidance == 1:
            return self.velocity(x, t, given)
        keep = torch.arange(2 * len(x), device=x.device) < len(x)
        seen, unseen = self.velocity(*(torch.cat([a, a]) for a in (x, t, given)), keep).chunk(2)
        return unseen + self.config.guidance * (seen - unseen)

    def sample(self, n: int, *, given: Tensor | None = None, rng: torch.Generator | None = None) -> Tensor:
        given = codes(self, n, given)
        parts = []
        chunk = max(1, VALUES // self.size)
        for start in range(0, n, chunk):
            noise = normal(torch.empty(min(chunk, n - start), *self.shape, device=self.device), rng)
            here = None if given is None else given[start : start + chunk]
            parts.append(self._move(noise, here))
        made = torch.cat(parts)
        return made.clamp(self.space.low, self.space.high) if self.analog is None else self.analog.narrow(made)

    def log_prob(self, x: Tensor, given: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        """log P(x | given), (B,), by the change of variables along the path back to noise (Chen et al. 2018, eq. 8).

        For pictures the density is taken to be flat within a pixel's step, which makes it a probability. ConfigError
        when a mask hides something: a flow knows whole examples only.
        """
        if mask is not None and not bool(mask.all()):
            raise ConfigError("a Flow scores whole examples: fit a 'vae' to score what is partly known")
        x = self.real(x)
        directions = self._directions(x)
        chunk = max(1, VALUES // (self.size * len(directions)))
        parts = []
        for start in range(0, len(x), chunk):
            here = None if given is None else given[start : start + chunk]
            parts.append(self._log_density(x[start : start + chunk], here, directions))
        volume = self.size * math.log(self.step) if self.step else 0.0
        return torch.cat(parts) + volume if parts else x.new_zeros(0)

    def _move(self, x: Tensor, given: Tensor | None) -> Tensor:
        def slope(x: Tensor, t: Tensor, rows: Tensor) -> Tensor:
            return self.guided(x, t, None if given is None else given[rows])

        config = self.config
        if config.solver == "adaptive":
            return adaptive(slope, x, (0.0, 1.0), config.tolerance)
        return SOLVERS[config.solver](slope, x, (0.0, 1.0), config.evaluations)

    def _log_density(self, x: Tensor, given: Tensor | None, directions: Tensor) -> Tensor:
        start = torch.cat([x.flatten(1), x.new_zeros(len(x), 1)], 1)
        end = adaptive(self._with_divergence(given, directions), start, (1.0, 0.0), self.config.tolerance)
        noise, change = end[:, :-1], end[:, -1]
        return -0.5 * noise.square().sum(1) - 0.5 * self.size * math.log(2 * math.pi) + change

    def _with_divergence(self, given: Tensor | None, directions: Tensor) -> Function:
        """The slope of (x, integral of the divergence), rows (B, size + 1)."""

        def slope(state: Tensor, t: Tensor, rows: Tensor) -> Tensor:
            here, count = None if given is None else given[rows], len(directions)
            x = state[:, :-1].unflatten(1, self.shape)
            x, t = x.repeat(count, *[1] * (x.ndim - 1)), t.repeat(count)
            here = None if here is None else here.repeat(count, 1)
            along = directions.repeat_interleave(len(rows), 0)
            v, change = torch.func.jvp(lambda a: self.velocity(a, t, here), (x,), (along,))
            divergence = (along * change).flatten(1).sum(1).view(count, -1).sum(0)
            return torch.cat([v[: len(rows)].flatten(1), divergence[:, None]], 1)

        return slope

    def _directions(self, x: Tensor) -> Tensor:
        """Directions (K, *shape) along which the field's change sums up to its divergence.

        The axes, or random signs, the same for every example (Hutchinson's estimator as in Grathwohl et al. 2019).
        """
        if self.size <= EXACT:
            return torch.eye(self.size, device=x.device).unflatten(1, self.shape)
        rng = generator(0, "probes")
        signs = torch.randint(2, (self.config.probes, *self.shape), generator=rng) * 2.0 - 1
        return signs.to(x) / self.config.probes**0.5


def _shape(space: Space) -> tuple[int, ...]:
    """The shape of what is carried."""
    return (Analog.width(space),) if isinstance(space, Columns) else space.shape


def _plan(config: Flow.Config) -> Plan:
    return Plan(config.net, config.width, config.layers, config.channels, config.heads, config.patch)
