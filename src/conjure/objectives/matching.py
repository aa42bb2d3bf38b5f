"""Flow matching: regress a velocity field on the velocities of random paths from noise to data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor

from conjure.core.batch import Batch
from conjure.core.errors import ConfigError
from conjure.core.transport import pair
from conjure.models.protocol import Model
from conjure.objectives.protocol import Objective


class Matching(Objective):
    """Minimise |v(x_t, t) - dx_t/dt|^2 over noise, data and times.

    Lipman et al. 2023, eq. 23; Liu et al. 2023, eq. 1. Along a cosine path it is v-prediction (Salimans & Ho 2022).
    What the field learns is the mean velocity of all paths through a point, which carries noise to data.
    """

    needs: ClassVar = ("velocity", "between", "real")

    @dataclass(frozen=True)
    class Config:
        """drop: how often a condition is hidden, which guidance needs (Ho & Salimans 2022, algorithm 1). coupling:
        "transport" pairs each example with nearby noise for straighter paths (Tong et al. 2024, section 3.2), among
        the rows of one process; it takes no condition, which would then be told from the noise.
        """

        drop: float = 0.1
        coupling: Literal["independent", "transport"] = "independent"

        def __post_init__(self) -> None:
            if not 0 <= self.drop < 1:
                raise ConfigError("objective.drop is at least 0 and below 1")

    def __init__(self, model: Model, config: Config):
        super().__init__(model, config)
        if model.given is not None and config.coupling == "transport":
            raise ConfigError("objective.coupling 'transport' cannot be used under a condition; use 'independent'")
        if getattr(model.config, "guidance", 1) != 1 and not config.drop:
            raise ConfigError(
                "model.guidance needs objective.drop above 0: the field must be known without a condition"
            )

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The mean squared error of a velocity's components, ()."""
        return self._error(batch, self.config.drop), {}

    def validate(self, batch: Batch) -> dict[str, Tensor]:
        """The same with every condition seen."""
        return {"loss": self._error(batch, 0.0)}

    def _error(self, batch: Batch, drop: float) -> Tensor:
        x, source, device = self.model.real(batch.x), batch.noise, batch.x.device
        noise, t = source.normal(*x.shape).to(device), source.uniform(len(x)).to(device)
        if self.model.step:  # spread over its step, a pixel has a density (Theis et al. 2016, section 3.1)
            x = x + self.model.step * (source.uniform(*x.shape).to(device) - 0.5)
        if self.config.coupling == "transport":
            noise = noise[pair(noise, x)]
        keep = source.uniform(len(x)).to(device) >= drop if batch.given is not None else None
        at, velocity = self.model.between(noise, x, t)
        return (self.model.velocity(at, t, batch.given, keep) - velocity).square().mean()
