"""Cycle consistency: two games of a translator and a critic, and what was translated there and back is unchanged."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from conjure.core.batch import Batch
from conjure.core.errors import ConfigError
from conjure.models.cycle import CycleGAN, apart
from conjure.nets.translation import PatchCritic
from conjure.objectives.pool import Pool
from conjure.objectives.protocol import Move, Objective
from conjure.objectives.spread import sliced_distance

NEARBY = 9  # pixels a side of the window in which a partner is trusted or not
ROUND = 0.025  # of the pixels' range: below it an error counts as its square, so that small ones have a slope


class Cycle(Objective):
    """L = game · (L_adv(F, D_B) + L_adv(G, D_A)) + cycle · (L_cyc(F, G) + identity · L_idt(F, G)) + partner · L_ot.

    Zhu et al. 2017: eq. 3, with L_cyc of eq. 2, L_idt of sec. 5.2, and the adversarial terms as squares (sec. 4,
    Mao et al. 2017): a translator brings D(made) to 1, a critic brings D(real) to 1 and D(made) to 0, where made
    comes out of a pool of earlier ones. An example holds a picture of either style, x and the one given; which two
    they are does not matter to these terms, since none looks at both. The last does: L_ot = E |F(a) - b| + E |G(b) - a|
    over partners whom optimal transport chose (codec.partners); a pixel counts the less, the further those around it
    are from the partner's: exp(-distance / trust). No pair need be a true one; what most of them share is learnt.
    Trust is narrowed down over the first half of the run: at once, a translator would stay at changing nothing.
    """

    needs: ClassVar = ("translate",)

    @dataclass(frozen=True)
    class Config:
        """cycle and identity are lambda and its factor for the identity term (10 and 0.5 in the paper; 10 holds a
        translator with `skip` where it starts, at changing nothing); pool is how many translations into
        each style are remembered; critic_rate multiplies the learning rate; channels and layers are the critics',
        of which small pictures take as many layers as fit; directions are those of the validation distance. trust is
        a part of the pixels' range; game=0 leaves the critics out.
        """

        cycle: float = 10.0
        identity: float = 0.5
        partner: float = 0.0
        trust: float = 0.2
        game: float = 1.0
        pool: int = 50
        critic_rate: float = 1.0
        channels: int = 32
        layers: int = 2
        directions: int = 128

        def __post_init__(self) -> None:
            if min(self.cycle, self.identity, self.pool, self.critic_rate, self.partner, self.game) < 0:
                raise ConfigError("objective.cycle, .identity, .pool, .critic_rate, .partner and .game are at least 0")
            if self.trust <= 0:
                raise ConfigError(
                    "objective.trust is above 0: how far from its partner a translation may be and heed it"
                )
            if min(self.channels, self.layers, self.directions) < 1:
                raise ConfigError("objective.channels, .layers and .directions are at least 1")

    def __init__(self, model: CycleGAN, config: Config):
        super().__init__(model, config)
        self.critics = Critics(model.space.shape, config)
        self.narrowed = 1.0  # 0 where all partners count alike, 1 where `trust` holds

    def progress(self, fraction: float) -> None:
        self.narrowed = min(1.0, 2 * fraction)

    def players(self) -> dict[str, nn.Module]:
        return {"model": self.model, "critic": self.critics}

    def settings(self, player: str) -> dict[str, Any]:
        """Adam with little momentum, as in the paper's sec. 4."""
        return {"betas": (0.5, 0.999), "decay": 0.0, "rate": self.config.critic_rate if player == "critic" else 1.0}

    def moves(self, batch: Batch) -> Iterator[Move]:
        real, config = sides(batch), self.config
        self.critics.requires_grad_(False)  # a translator's move needs no gradient of theirs
        made, terms = self._translated(real, bool(config.cycle), bool(config.cycle * config.identity))
        loss = config.cycle * (terms["cycle"] + config.identity * terms["identity"])
        if config.game:
            terms["fooled"] = sum(((self.critics(made[k], k) - 1) ** 2).mean() for k in (0, 1))
            loss = loss + config.game * terms["fooled"]
        if config.partner:
            terms["partner"] = sum(self._beside(made[k], real[k]) for k in (0, 1))
            loss = loss + config.partner * terms["partner"]
        yield Move("model", loss, {k: v.detach() for k, v in terms.items()})
        self.critics.requires_grad_(True)
        if not config.game:
            return
        draws = batch.noise.uniform(len(batch), 4)
        shown = [self.critics.pools[k].exchange(made[k].detach(), draws[:, 2 * k : 2 * k + 2]) for k in (0, 1)]
        yield Move("critic", self.critics.contrast(real, shown))

    def validate(self, batch: Batch) -> dict[str, Tensor]:
        """How far translations are from real pictures of their style, as sets: the sliced distance.

        Scores of critics that still learn are no measure, and what survives there and back is none of translating: a
        translator that changes nothing keeps all. Those terms stand beside the loss, as mean pixel errors.
        """
        real = sides(batch)
        made, terms = self._translated(real)
        flat = [(m.flatten(1), r.flatten(1)) for m, r in zip(made, real)]
        return {"loss": sum(sliced_distance(m, r, self.config.directions) for m, r in flat) / 2, **terms}

    def _translated(
        self, real: tuple[Tensor, Tensor], back: bool = True, still: bool = True
    ) -> tuple[list[Tensor], dict[str, Tensor]]:
        """Translations into each style, [style 0, style 1]; and the terms of eq. 2 and of sec. 5.2, both ().

        The first is 0 without `back`, the second without `still`.
        """
        n, zero = len(real[0]), real[0].new_zeros(())
        made, kept = [], []
        for k in (0, 1):  # one pass for what is to change and what is to stay
            both = self.model.translate(torch.cat([real[1 - k], real[k]]) if still else real[1 - k], k)
            made.append(both[:n])
            kept.append((both[n:] - real[k]).abs().mean() if still else zero)
        home = [(self.model.translate(made[1 - k], k) - real[k]).abs().mean() if back else zero for k in (0, 1)]
        return made, {"cycle": sum(home), "identity": sum(kept)}

    def _beside(self, made: Tensor, partner: Tensor) -> Tensor:
        """How far translations (B, C, H, W) are from partners, where these can be trusted, ()."""
        space = self.model.space
        span = space.high - space.low if math.isfinite(space.high - space.low) else 2.0
        with torch.no_grad():
            away = F.avg_pool2d((made - partner).abs(), NEARBY, 1, NEARBY // 2, count_include_pad=False).mean(
                1, keepdim=True
            )
            weight = (-away * self.narrowed / (self.config.trust * span)).exp()
        return (weight * F.smooth_l1_loss(made, partner, reduction="none", beta=ROUND * span)).mean()


def sides(batch: Batch) -> tuple[Tensor, Tensor]:
    """The batch's pictures of the first and of the second style, (B, C, H, W) each."""
    other, style = apart(batch.given)
    second = style.bool()[:, None, None, None]
    return torch.where(second, other, batch.x), torch.where(second, batch.x, other)


class Critics(nn.Module):
    """One critic a style, each with its pool."""

    methods: ClassVar = ("contrast",)

    def __init__(self, shape: tuple[int, ...], config: Cycle.Config):
        super().__init__()
        layers = PatchCritic.fitting(min(shape[1:]), config.layers)
        self.nets = nn.ModuleList(PatchCritic(shape[0], config.channels, layers) for _ in range(2))
        self.pools = nn.ModuleList(Pool(config.pool, shape) for _ in range(2))

    def forward(self, x: Tensor, style: int) -> Tensor:
        """A score for each patch of pictures (B, C, H, W): 1 is real, 0 made."""
        return self.nets[style](x)

    def contrast(self, real: tuple[Tensor, Tensor], made: list[Tensor]) -> Tensor:
        """What both critics get wrong: mean of (D(real) - 1)^2 and D(made)^2, over both styles, ()."""
        total = real[0].new_zeros(())
        for k in (0, 1):
            high, low = Critics.forward(self, torch.cat([real[k], made[k]]), k).chunk(2)
            total = total + (((high - 1) ** 2).mean() + (low**2).mean()) / 2
        return total
