"""The Wasserstein game: a critic of slope one measures how far samples are from data, a generator closes in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from conjure.core.batch import Batch
from conjure.core.errors import ConfigError
from conjure.core.privacy import Ledger
from conjure.objectives.game import Game
from conjure.objectives.protocol import Move

CHORD = 0.05  # of the line from a made example to a real one, over which a private critic's slope is taken


class Wasserstein(Game):
    """min over the generator, max over critics of slope one, of E critic(real) - E critic(fake).

    Arjovsky et al. 2017, eq. 2; the slope by penalty (Gulrajani et al. 2017, eq. 3), by spectral normalisation
    (Miyato et al. 2018), or both. A step's batch is cut into `critic_moves` parts, one a critic move; then the
    generator moves once, on as many examples as the batch has.

    Under a privacy budget the critic alone sees data, by noisy gradients, one move a step; the generator moves in each
    `critic_moves`-th step (Xie et al. 2018, alg. 1, with a penalty in the place of clipped weights; many critic moves
    are what noise asks for, Bie, Kamath and Zhang 2023). There what a pair of a real and a made example says is clipped
    as one, and the slope between them is that of a chord of the line through both, where the best critic has slope
    one (Gulrajani et al. 2017, proposition 1), since a slope by autograd hides which example moves which weight.
    """

    descends: ClassVar = "critic"
    usual = 0

    @dataclass(frozen=True)
    class Config(Game.Config):
        """penalty is lambda of eq. 3 (10 there; 1 came closer on a ring of Gaussians and on digits); 0 leaves
        the slope to `spectral`.
        """

        critic_moves: int = 3

    def settings(self, player: str) -> dict[str, Any]:
        """Momentum makes the game circle, so there is none (Gulrajani et al. 2017, alg. 1)."""
        return {"betas": (0.0, 0.9), "decay": 0.0, "rate": self.config.critic_rate if player == "critic" else 1.0}

    def under(self, ledger: Ledger) -> None:
        if self.config.spectral:
            raise ConfigError("a private critic has its slope from the penalty alone: leave out objective.spectral")
        self.usual = (ledger.descent or {})["batch"]  # of examples made a step: how many are drawn is private

    def moves(self, batch: Batch) -> Iterator[Move]:
        c = self.config
        if self.usual:
            yield from self._noisy_moves(batch)
            return
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

    def _noisy_moves(self, batch: Batch) -> Iterator[Move]:
        with torch.no_grad():
            fake, real = self.fake(batch), self.critic.spread(batch.x)
        line = real - fake
        mix = batch.noise.uniform(len(batch), 1).to(fake.device) * (1 - CHORD)
        points = torch.cat([fake, real, fake + mix * line, fake + (mix + CHORD) * line])
        low, high, one, other = self.critic(points, None).chunk(4)
        slope = (other - one) / (CHORD * line.norm(dim=1).clamp_min(0.1))
        each = low - high + self.config.penalty * (slope - 1).square()
        yield Move("critic", each.mean(), each=each)
        if not self.critic.turn(self.config.critic_moves):
            return
        z, spread = self.model.noise(batch.noise, self.usual)
        made = self.model.generate(z.to(fake.device), None if spread is None else spread.to(fake.device), None)
        yield Move("model", -self.critic(made, None).mean())
