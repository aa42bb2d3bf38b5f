"""Group relative policy optimisation: what a completion gained is judged by the others of its own prompt."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from conjure.core.batch import Batch
from conjure.core.errors import ConfigError, TrainingError
from conjure.models.decoding import Choice
from conjure.models.protocol import Model
from conjure.objectives.everywhere import total, world
from conjure.objectives.protocol import Move, Objective
from conjure.objectives.reference import reference_of
from conjure.objectives.returns import divergence, masked_mean, surrogate
from conjure.objectives.rollout import Rollout, release, repeated, roll_out

Reward = Callable[[Rollout], Tensor]


class GRPO(Objective):
    """Maximise the clipped surrogate with A = (reward - group mean) / group deviation, less kl · KL(pi || reference).

    Shao et al. 2024, eq. 3; the KL term by the estimator of eq. 4, which is never negative. There is no value network:
    each prompt is completed `group` times, and every token of a completion has gained what the whole has. Dropout is
    off, and the temperature in every log-probability, as for PPO.
    """

    needs: ClassVar = ("trace", "begin", "read")

    @dataclass(frozen=True)
    class Config:
        """group: completions of a prompt; tokens: drawn at most; end: the token that ends one (-1: that of the space);
        epochs over a batch of groups; clip of the ratio; kl: price of a nat from the reference.
        """

        group: int = 8
        tokens: int = 32
        end: int = -1
        epochs: int = 1
        clip: float = 0.2
        kl: float = 0.04
        temperature: float = 1.0

        def __post_init__(self) -> None:
            if self.group < 2 or min(self.tokens, self.epochs) < 1:
                raise ConfigError("objective.group is at least 2, objective.tokens and .epochs at least 1")
            if self.clip <= 0 or self.temperature <= 0 or self.kl < 0:
                raise ConfigError("objective.clip and .temperature are above 0, objective.kl at least 0")

    reward: Reward | None = None

    def __init__(self, model: Model, config: Config):
        super().__init__(model, config)
        self.reference = reference_of(model)
        self.train()

    def train(self, mode: bool = True) -> GRPO:
        """Always in the mode of use."""
        return super().train(False)  # type: ignore[return-value]

    def moves(self, batch: Batch) -> Iterator[Move]:
        c = self.config
        with torch.no_grad():
            made, rewards = self._play(batch)
            given, kept = made.batch.given, torch.isfinite(rewards)
            real = made.real & kept[:, None]
            if not total(kept.sum()):
                raise TrainingError("the reward is not a number for any completion of a batch: mend the reward")
            old, _ = self.model.trace(made.x, given, real, c.temperature)
            reference, _ = self.reference.trace(made.x, given, real, c.temperature)
            gained = relative(rewards, c.group)[:, None].expand(real.shape)[real]
            each = world() / (real.sum(1).clamp(min=1) * total(kept.sum()))  # a completion counts as one
            share = each[:, None].expand(real.shape)[real]
        for _ in range(c.epochs):
            log_probs, _ = self.model.trace(made.x, given, real, c.temperature)
            kl = divergence(log_probs, reference)
            loss = ((surrogate(log_probs, old, gained, c.clip) + c.kl * kl) * share).sum()
            metrics = {
                "reward": masked_mean(rewards.nan_to_num(0.0), kept),
                "kl": _episodes(kl.detach(), real, kept),
                "entropy": -_episodes(old, real, kept) / masked_mean(real.sum(1).float(), kept).clamp(min=1),
                "dropped": masked_mean((~kept).float(), torch.ones_like(kept)),
            }
            yield Move("model", loss, metrics)

    def validate(self, batch: Batch) -> dict[str, Tensor]:
        """Minus the mean reward of completions of held-out prompts, less what their distance costs; and both."""
        made, rewards = self._play(batch)
        c, kept = self.config, torch.isfinite(rewards)
        now, before = (
            m.trace(made.x, made.batch.given, made.real, c.temperature)[0] for m in (self.model, self.reference)
        )
        reward = rewards[kept].mean()
        kl = _episodes(divergence(now, before), made.real, kept)
        return {"loss": c.kl * kl - reward, "reward": reward, "kl": kl}

    def _play(self, batch: Batch) -> tuple[Rollout, Tensor]:
        """Each prompt `group` times, one below the other, completed; with rewards (B group,)."""
        c = self.config
        if self.reward is None:
            raise ConfigError("GRPO needs a reward, a function of completions: see `conjure text align`")
        end = None if c.end < 0 else c.end
        made = roll_out(self.model, repeated(batch, c.group), c.tokens, Choice(c.temperature), end)
        release(self.model)
        return made, self.reward(made).to(made.x.device, torch.float32)


def _episodes(values: Tensor, real: Tensor, kept: Tensor) -> Tensor:
    """The mean over episodes of a sum over their real tokens, values (n,), ()."""
    sums = torch.zeros(real.shape, device=real.device).masked_scatter(real, values).sum(1)
    return masked_mean(sums, kept)


def relative(rewards: Tensor, group: int) -> Tensor:
    """Rewards (B group,) less their group's mean, over its deviation; 0 where all of a group are equal, or unknown."""
    table = rewards.view(-1, group)
    known = torch.isfinite(table)
    count = known.sum(1, keepdim=True).clamp(min=1)
    filled = table.nan_to_num(0.0, 0.0, 0.0) * known
    apart = (filled - filled.sum(1, keepdim=True) / count) * known
    spread = ((apart**2).sum(1, keepdim=True) / count).sqrt()
    return torch.where(spread > 1e-6, apart / spread.clamp(min=1e-6), 0.0).flatten()
