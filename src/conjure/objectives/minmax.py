"""The min-max game of generative adversarial nets, as written and in its non-saturating form."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import torch.nn.functional as F
from torch import Tensor

from conjure.core.batch import Batch
from conjure.objectives.game import Game
from conjure.objectives.protocol import Move

Form = Literal["minmax", "nonsaturating", "hinge", "relativistic"]


class MinMax(Game):
    """min over generators, max over critics, of E log D(real) + E log(1 - D(fake)), D = sigmoid(critic).

    Goodfellow et al. 2014, eq. 1, with the penalty of the critic's slope at real examples that makes the game
    settle (Mescheder et al. 2018, eq. 9). The batch is cut into one part a critic move; the generator moves last.
    """

    @dataclass(frozen=True)
    class Config(Game.Config):
        """form: "minmax" as in eq. 1; "nonsaturating", where the generator climbs E log D(fake) instead (ibid.,
        section 3), whose slope does not vanish while it loses; "hinge" (Lim & Ye 2017, eq. 5); "relativistic",
        where critic scores count only against those of the other side (Jolicoeur-Martineau 2019, eq. 6).
        penalty is gamma of Mescheder et al.
        """

        form: Form = "nonsaturating"

    def settings(self, player: str) -> dict[str, Any]:
        """Without momentum, which makes the game circle (Mescheder et al. 2018, section 5)."""
        return {"betas": (0.0, 0.99), "decay": 0.0, "rate": self.config.critic_rate if player == "critic" else 1.0}

    def moves(self, batch: Batch) -> Iterator[Move]:
        for part in self.parts(batch):
            fake = self.fake(part)
            yield self._critic_move(part, fake.detach())
        if len(fake) < len(batch):  # else those that the critic just saw, made by the same weights
            fake = self.fake(batch)
        low, high = self.critic(self.shown(fake, batch), batch.given), None
        if self.config.form == "relativistic":
            high = self.critic(self.shown(self.critic.spread(batch.x), batch), batch.given)
        yield Move("model", generator_loss(low, high, self.config.form))

    def _critic_move(self, part: Batch, fake: Tensor) -> Move:
        c = self.config
        penalised = c.penalty > 0 and self.critic.turn(c.penalty_every)
        real, fake = self.shown(self.critic.spread(part.x), part), self.shown(fake, part)
        high, low, slope = self.critic.judge(real, fake, part.given, penalised=penalised)
        loss = critic_loss(high, low, c.form) + 0.5 * c.penalty * c.penalty_every * slope
        metrics = {"distance": (high.mean() - low.mean()).detach()}
        return Move("critic", loss, metrics | ({"penalty": slope.detach()} if penalised else {}))


def critic_loss(high: Tensor, low: Tensor, form: Form) -> Tensor:
    """Minus what the critic climbs, (), from its scores of real (`high`) and fake (`low`), (B,) each."""
    match form:
        case "hinge":
            return F.relu(1 - high).mean() + F.relu(1 + low).mean()
        case "relativistic":
            return F.softplus(low - high).mean()
        case _:
            return F.softplus(-high).mean() + F.softplus(low).mean()


def generator_loss(low: Tensor, high: Tensor | None, form: Form) -> Tensor:
    """What the generator descends, (), from the scores (B,) of what it made; `high` for "relativistic" alone."""
    match form:
        case "minmax":
            return -F.softplus(low).mean()  # log(1 - sigmoid(s)) = -softplus(s)
        case "hinge":
            return -low.mean()
        case "relativistic":
            return F.softplus(high - low).mean()
        case _:
            return F.softplus(-low).mean()
