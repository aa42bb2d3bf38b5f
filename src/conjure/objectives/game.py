"""What all games of a generator against a critic share: the players, what the critic is shown, and the validation."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from torch import Tensor, nn

from conjure.core.batch import Batch
from conjure.core.errors import ConfigError
from conjure.core.space import Dense
from conjure.models.gan import NETS, Generator
from conjure.nets.augment import DRAWS, Augment, Kind
from conjure.nets.ends import Sizes
from conjure.objectives.critic import Critic
from conjure.objectives.protocol import Objective
from conjure.objectives.spread import Watch, sliced_distance


class Game(Objective):
    """A generator and a critic, each with its own optimizer; the equation that sets them at odds is the subclass's."""

    needs: ClassVar = ("generate", "noise")

    @dataclass(frozen=True)
    class Config:
        """penalty weighs the slope penalty, which every `penalty_every`-th critic move bears, times as much;
        critic_rate multiplies the learning rate; spectral normalises the critic's layers; projection lets it meet
        the condition at its end only; augment: what pictures suffer before it sees them; width, layers and
        channels are its sizes; directions are those of the validation distance.
        """

        penalty: float = 1.0
        penalty_every: int = 1
        critic_moves: int = 1
        critic_rate: float = 1.0
        spectral: bool = False
        projection: bool = False
        augment: tuple[Kind, ...] = ()
        net: Literal["strided", "residual"] = "strided"
        width: int = 256
        layers: int = 2
        channels: int = 32
        directions: int = 128

        def __post_init__(self) -> None:
            if min(self.critic_moves, self.penalty_every, self.directions) < 1 or self.penalty < 0:
                counts = "objective.critic_moves, .penalty_every and .directions"
                raise ConfigError(f"{counts} are at least 1, objective.penalty at least 0")

    def __init__(self, model: Generator, config: Any):
        super().__init__(model, config)
        space = model.space
        bounded = isinstance(space, Dense) and len(space.shape) == 3 and math.isfinite(space.high - space.low)
        if config.augment and not bounded:
            raise ConfigError("objective.augment changes pictures in a finite range; leave it empty for other data")
        sizes = Sizes(config.width, config.layers, config.channels, norm=False, net=NETS[config.net])
        self.critic = Critic(space, model.given, sizes, projection=config.projection, spectral=config.spectral)
        self.augment = Augment(space, config.augment) if config.augment else None
        self.watch = Watch()

    def players(self) -> dict[str, nn.Module]:
        return {"model": self.model, "critic": self.critic}

    def parts(self, batch: Batch) -> list[Batch]:
        """The batch cut into one part for each move of the critic."""
        size = max(1, len(batch) // self.config.critic_moves)
        starts = (k * size % len(batch) for k in range(self.config.critic_moves))
        return [batch.rows(slice(start, start + size)) for start in starts]

    def fake(self, batch: Batch) -> Tensor:
        """Made examples under a batch's conditions, in the form the critic reads."""
        z, spread = self.model.noise(batch.noise, len(batch))
        where = batch.x.device
        return self.model.generate(z.to(where), None if spread is None else spread.to(where), batch.given)

    def shown(self, x: Tensor, batch: Batch) -> Tensor:
        """What the critic gets to see of examples in the form it reads."""
        if self.augment is None:
            return x
        return self.augment(x, batch.noise.uniform(len(x), DRAWS).to(x.device))

    def validate(self, batch: Batch) -> dict[str, Tensor]:
        """Sliced distance of samples to held-out data; beside it the critic's own, and how widely samples spread.

        The critic's distance shrinks when the critic is weak, so it cannot tell when to stop; the sliced one can.
        Spread over processes each measures its own rows, which are fewer, so the figure is a little higher there.
        """
        fake, real = self.fake(batch), self.critic.spread(batch.x)
        gap = self.critic(real, batch.given).mean() - self.critic(fake, batch.given).mean()
        fake, real = fake.flatten(1), real.flatten(1)
        loss = sliced_distance(real, fake, self.config.directions)
        return {"loss": loss, "distance": gap, **self.watch.look(real, fake)}

    def warnings(self) -> list[str]:
        return self.watch.warnings()
