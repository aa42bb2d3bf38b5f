"""Label smoothing: maximum likelihood of targets that keep a little doubt."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from conjure.core.batch import Batch
from conjure.core.errors import ConfigError
from conjure.objectives.protocol import Objective


class Smoothing(Objective):
    """Cross-entropy against 1 - smoothing of the target, smoothing / V of every token (Szegedy et al. 2016, eq. 7).

    It keeps a model from staking everything on one token, which helps a search over whole sequences and hurts
    the likelihood: validation reports plain nats a token, as maximum likelihood does.
    """

    needs = ("smoothed_nats", "mean_nats")

    @dataclass(frozen=True)
    class Config:
        """smoothing: the share of a target that is spread over the vocabulary."""

        smoothing: float = 0.1

        def __post_init__(self) -> None:
            if not 0 <= self.smoothing < 1:
                raise ConfigError(f"objective.smoothing is {self.smoothing:g}; it lies in [0, 1)")

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        return self.model.smoothed_nats(batch.x, batch.given, batch.mask, self.config.smoothing), {}

    def validate(self, batch: Batch) -> dict[str, Tensor]:
        return {"loss": self.model.mean_nats(batch.x, batch.given, batch.mask)}
