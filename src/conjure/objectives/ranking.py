"""Ranking: a reward model learns from people who put completions of one prompt in order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from conjure.core.batch import Batch
from conjure.core.errors import ConfigError
from conjure.objectives.protocol import Objective


class Ranking(Objective):
    """Minimise -log P(the order that people gave), where a thing is preferred with odds exp(its reward).

    "pairs": every pair of a prompt's completions by Bradley and Terry (1952), log sigmoid(r_i - r_j), averaged within
    the prompt, so that one with more completions does not count for more (Ouyang et al. 2022, eq. 1); a tie is half a
    win of each. "list": the whole order at once by Plackett and Luce (1975): the best of what is left is drawn again
    and again; a tied group is drawn by the sum of its rewards (Breslow's rule).
    A batch holds x (B, K, T), mask (B, K, T) of real tokens, and given (B, K C + 1), or (B, R, K C + 1) for R raters of
    the same completions: the rank of each completion by each criterion, 1 is best, equal is a tie, NaN was not ranked;
    and last how far the rater is to be trusted.
    """

    needs: ClassVar = ("rewards",)

    @dataclass(frozen=True)
    class Config:
        """margin: how much higher the reward of the better of two should be, for each rank between them."""

        form: Literal["pairs", "list"] = "pairs"
        margin: float = 0.0

        def __post_init__(self) -> None:
            if self.margin < 0:
                raise ConfigError("objective.margin is at least 0")

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The mean of -log P over criteria and prompts, weighed by trust, (), beside the share of pairs in order."""
        loss, rewards, ranks = self._nats(batch, self.config.margin)
        return loss, {"accuracy": accuracy(rewards.detach(), ranks)}

    def validate(self, batch: Batch) -> dict[str, Tensor]:
        """The same without margins."""
        loss, rewards, ranks = self._nats(batch, 0.0)
        return {"loss": loss, "accuracy": accuracy(rewards, ranks)}

    def _nats(self, batch: Batch, margin: float) -> tuple[Tensor, Tensor, Tensor]:
        """The loss, (), with rewards and ranks (B R, K, C)."""
        ranks, trust = orders(batch)
        rewards = self.model.rewards(batch.x, batch.mask)  # (B, K, C)
        rewards = rewards.repeat_interleave(len(ranks) // len(rewards), 0)
        each = pairs(rewards, ranks, margin) if self.config.form == "pairs" else in_order(rewards, ranks)
        weights = trust[:, None] * comparable(ranks)
        return (each * weights).sum() / weights.sum().clamp(min=1e-8), rewards, ranks


def orders(batch: Batch) -> tuple[Tensor, Tensor]:
    """A batch's ranks (B R, K, C) and trust in its raters (B R,)."""
    given = batch.given.flatten(0, -2)  # type: ignore[union-attr]
    return given[:, :-1].unflatten(1, (batch.x.shape[1], -1)), given[:, -1]


def pairs(rewards: Tensor, ranks: Tensor, margin: float) -> Tensor:
    """The mean of -log P over a prompt's ranked pairs; rewards and ranks (B, K, C), result (B, C)."""
    first, second = torch.triu_indices(rewards.shape[1], rewards.shape[1], 1)
    apart = rewards[:, first] - rewards[:, second]  # (B, P, C)
    steps = (ranks[:, second] - ranks[:, first]).to(apart)  # above 0 where the first is the better
    known = torch.isfinite(steps)
    won = (steps.nan_to_num(0.0).sign() + 1) / 2
    apart = apart - margin * steps.nan_to_num(0.0)
    nats = -(won * F.logsigmoid(apart) + (1 - won) * F.logsigmoid(-apart))
    return (nats * known).sum(1) / known.sum(1).clamp(min=1)


def in_order(rewards: Tensor, ranks: Tensor) -> Tensor:
    """-log P of the whole order, for each rank drawn; rewards and ranks (B, K, C), result (B, C)."""
    known = torch.isfinite(ranks)
    place = ranks.to(rewards).masked_fill(~known, torch.inf)
    left = place[:, None] >= place[:, :, None]  # (B, i, j, C): j is still there when i is drawn
    odds = rewards[:, None].expand(-1, rewards.shape[1], -1, -1).masked_fill(~left, -torch.inf)
    odds = odds.masked_fill(~known[:, None], -torch.inf)
    drawn = odds.masked_fill(~known[:, :, None], 0.0).logsumexp(2)
    nats = (drawn - rewards) * known
    last = place.masked_fill(~known, -torch.inf).amax(1, keepdim=True)  # who is left over was not drawn
    nats = nats * (place < last)
    return nats.sum(1) / (known & (place < last)).sum(1).clamp(min=1)


def comparable(ranks: Tensor) -> Tensor:
    """Whether a criterion put at least two completions of a prompt in order, (B, C)."""
    return (torch.isfinite(ranks).sum(1) >= 2).float()


def accuracy(rewards: Tensor, ranks: Tensor) -> Tensor:
    """The share of pairs that people told apart whose rewards are in the same order, ()."""
    first, second = torch.triu_indices(rewards.shape[1], rewards.shape[1], 1)
    steps = (ranks[:, second] - ranks[:, first]).nan_to_num(0.0)
    right = (rewards[:, first] - rewards[:, second]) * steps > 0
    return right.sum() / (steps != 0).sum().clamp(min=1)
