"""The Wasserstein game: a critic of slope one measures how far samples are from data, a generator closes in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch

from conjure.core.batch import Batch
from conjure.objectives.game import Game
from conjure.objectives.protocol import Move


class Wasserstein(Game):
    """min over the generator, max over critics of slope one, of E critic(real) - E critic(fake).

    Arjovsky et al. 2017, eq. 2; the slope by penalty (Gulrajani et al. 2017, eq. 3), by spectral normalisation
    (Miyato et al. 2018), or both. A step's batch is cut into `critic_moves` parts, one a critic move; then the
    generator moves once, on as many examples as the batch has.
    """

    @dataclass(frozen=True)
    class Config(Game.Config):
        """penalty is lambda of eq. 3 (10 there; 1 came closer on a ring of Gaussians and on digits); 0 leaves
        the slope to `spectral`.
        """

        critic_moves: int = 3

    def settings(self, player: str) -> dict[str, Any]:
        """Momentum makes the game circle, so there is none (Gulrajani et al. 2017, alg. 1)."""
        return {"betas": (0.0, 0.9), "decay": 0.0, "rate": self.config.critic_rate if player == "critic" else 1.0}

    def moves(self, batch: Batch) -> Iterator[Move]:
        c = self.config
        for part in self.parts(batch):
            with torch.no_grad():
                fake = self.shown(self.fake(part), part)
            real = self.shown(self.critic.spread(part.x), part)
            penalised = c.penalty > 0 and self.critic.turn(c.penalty_every)
            mix = part.noise.uniform(len(part)).to(fake.device) if penalised else None
            distance, penalty = self.critic.contrast(real, fake, part.given, mix)
            metrics = {"distance": distance.detach()} | ({"penalty": penalty.detach()} if penalised else {})
            yield Move("critic", c.penalty * c.penalty_every * penalty - distance, metrics)
        yield Move("model", -self.critic(self.shown(self.fake(batch), batch), batch.given).mean())
