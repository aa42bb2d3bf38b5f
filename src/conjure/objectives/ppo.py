"""Proximal policy optimisation: a model that writes token by token learns from rewards of what it wrote."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from conjure.core.batch import Batch
from conjure.core.errors import ConfigError, TrainingError
from conjure.core.rng import Noise
from conjure.models.decoding import Choice
from conjure.models.protocol import Model
from conjure.objectives.everywhere import mean, total
from conjure.objectives.protocol import Move, Objective
from conjure.objectives.reference import reference_of
from conjure.objectives.returns import advantages, divergence, masked_mean, others, surrogate, whiten
from conjure.objectives.rollout import Rollout, release, repeated, roll_out
from conjure.objectives.value import Critic

Reward = Callable[[Rollout], Tensor]
FAR = 0.1  # nats by which a policy may miss its own log-probabilities before the first step (0.0 but for rounding)


class PPO(Objective):
    """Maximise E[min(r_t A_t, clip(r_t, 1 - clip, 1 + clip) A_t)], r_t = pi(a_t | s_t) / pi_old(a_t | s_t).

    Schulman et al. 2017, eq. 7. A batch holds prompts; the policy completes them, `reward` says what each completion is
    worth, and every token pays kl · log(pi / pi_reference) on the way (Ziegler et al. 2019, eq. 2), so that the policy
    stays near the model it was. A value network of its own foretells the return of each place; advantages are its
    errors, gathered by `returns.advantages` and whitened over the tokens drawn.

    Dropout is off throughout: with it the ratio would not be one before the first step. The temperature that tokens
    are drawn at is in every log-probability. Prompts and padding count nowhere.
    """

    needs: ClassVar = ("trace", "begin", "read")

    @dataclass(frozen=True)
    class Config:
        """tokens: drawn for a prompt at most; end: the one that ends a completion (-1: that of the space).

        epochs and minibatches of a batch of episodes; clip and value_clip: how far a ratio and a value may go in one
        batch; stop_kl: nats a token from the old policy at which a batch's epochs end (0 = never).
        kl: price of a nat away from the reference, adapted towards `kl_target` nats an episode where that is above 0.
        discount, trace: gamma and lambda of the advantages; temperature: that tokens are drawn at.
        value: "own" network, a "head" on the policy's states, or none: the mean reward of the others in a "group" of
        completions of one prompt; value_rate: factor of its learning rate; value_steps: first steps in which it alone
        learns; value_whole: an own network learns with all its weights also where the policy has adapters. group: how
        often a prompt is completed. no_end: taken off the reward of a completion that did not end; reward_clip: rewards
        beyond it count as it (0 = all). whiten: advantages to mean 0 and variance 1. mix: weight of the likelihood of
        other texts (`past`), so that nothing is forgotten (PPO-ptx; Ouyang et al. 2022, eq. 2).
        """

        tokens: int = 32
        epochs: int = 4
        minibatches: int = 1
        clip: float = 0.2
        value_clip: float = 0.2
        kl: float = 0.05
        kl_target: float = 0.0
        discount: float = 1.0
        trace: float = 0.95
        temperature: float = 1.0
        stop_kl: float = 0.0
        value: Literal["own", "head", "group"] = "own"
        value_whole: bool = False
        group: int = 1
        value_rate: float = 1.0
        value_steps: int = 0
        end: int = -1
        no_end: float = 0.0
        reward_clip: float = 0.0
        whiten: bool = True
        mix: float = 0.0

        def __post_init__(self) -> None:
            if min(self.tokens, self.epochs, self.minibatches, self.group) < 1:
                raise ConfigError("objective.tokens, .epochs, .minibatches and .group are at least 1")
            if self.value == "group" and self.group < 2:
                raise ConfigError(
                    "objective.value=group compares completions of a prompt: objective.group is 2 or more"
                )
            if not (self.clip > 0 and self.value_clip > 0 and self.temperature > 0):
                raise ConfigError("objective.clip, .value_clip and .temperature are above 0")
            if min(self.kl, self.kl_target, self.stop_kl, self.no_end, self.reward_clip, self.mix) < 0:
                raise ConfigError("objective.kl, .kl_target, .stop_kl, .no_end, .reward_clip and .mix are at least 0")
            if not (0 <= self.discount <= 1 and 0 <= self.trace <= 1):
                raise ConfigError("objective.discount and objective.trace are in 0..1")

    reward: Reward | None = None
    past: Callable[[Noise], Batch] | None = None  # a batch of what the policy learnt from before, for `mix`

    def __init__(self, model: Model, config: Config):
        super().__init__(model, config)
        self.reference = reference_of(model)
        self.critic = Critic(
            model if config.value == "own" else None, model.config.width, config.kl, config.value_whole
        )
        if config.value == "group":
            self.critic.requires_grad_(False)  # it keeps the price alone
        self.train()

    def train(self, mode: bool = True) -> PPO:
        """Always in the mode of use: see the class."""
        return super().train(False)  # type: ignore[return-value]

    def players(self) -> dict[str, nn.Module]:
        return {"model": self.model, "critic": self.critic}

    def settings(self, player: str) -> dict[str, Any]:
        return {"rate": self.config.value_rate} if player == "critic" else {}

    def moves(self, batch: Batch) -> Iterator[Move]:
        c = self.config
        if c.mix and self.past is None:
            raise ConfigError("objective.mix needs texts to remember: align with --remember FILE")
        batch = repeated(batch, c.group)
        with torch.no_grad():
            play = self._play(batch)
        first = int(self.critic.steps) == 0
        self.critic.adapt(play.metrics["kl"], c.kl_target)
        learnt = int(self.critic.steps) >= c.value_steps
        self.critic.steps += 1
        for _ in range(c.epochs):
            for rows in self._minibatches(batch):
                part = play.rows(rows)
                log_probs, states = self.model.trace(part.x, part.given, part.real, c.temperature)
                ratio = (log_probs - part.old).detach()
                if first and float(ratio.abs().max()) > FAR:
                    raise TrainingError("a policy should repeat its own log-probabilities, which this model does not")
                first, count = False, total(torch.tensor(float(len(ratio)), device=ratio.device))
                moved = mean(divergence(part.old, part.old + ratio), count)
                if learnt:
                    loss = mean(surrogate(log_probs, part.old, part.gained, c.clip), count)
                    outside = mean(((ratio.exp() - 1).abs() > c.clip).float(), count)
                    yield Move(
                        "model", loss + self._remembered(batch), play.metrics | {"moved": moved, "clipped": outside}
                    )
                    play.metrics = {}
                if c.value != "group":
                    yield Move("critic", self._value_loss(part, states.detach(), count))
                if c.stop_kl and float(moved) > c.stop_kl:
                    return

    def validate(self, batch: Batch) -> dict[str, Tensor]:
        """Minus the mean reward of completions of held-out prompts, less what their distance costs; and both."""
        play = self._play(repeated(batch, self.config.group))
        reward, kl = play.rewards.mean(), play.kl.mean()
        return {"loss": self.critic.price * kl - reward, "reward": reward, "kl": kl}

    def _minibatches(self, batch: Batch) -> Iterator[Tensor]:
        """This process's rows of each minibatch of all processes' rows."""
        noise, n = batch.noise, len(batch)
        order = torch.rand(n * noise.world, generator=noise.generator, device=noise.device).argsort()
        for chunk in order.split(-(-len(order) // self.config.minibatches)):
            yield (chunk[chunk % noise.world == noise.rank] // noise.world).to(batch.x.device)

    def _remembered(self, batch: Batch) -> Tensor | float:
        """What the likelihood of other texts adds to the loss."""
        if not self.config.mix:
            return 0.0
        past = self.past(batch.noise).to(batch.x.device)  # type: ignore[misc]
        return self.config.mix * self.model.mean_nats(past.x, past.given, past.mask)

    def _play(self, batch: Batch) -> Play:
        """Completions of a batch's prompts with all that the steps need: nothing as wide as the vocabulary is kept."""
        c = self.config
        if self.reward is None:
            raise ConfigError("PPO needs a reward, a function of completions: see `conjure text align`")
        rollout = roll_out(self.model, batch, c.tokens, Choice(c.temperature), None if c.end < 0 else c.end)
        x, given, real = rollout.x, batch.given, rollout.real
        release(self.model)
        old, states = self.model.trace(x, given, real, c.temperature)
        reference, _ = self.reference.trace(x, given, real, c.temperature)
        scores = self._scores(rollout)
        if c.value == "group":
            values = others(scores, c.group)[:, None].expand(real.shape)[real]
        else:
            values = self.critic.values(x, given, real, states)
        kept = torch.isfinite(scores)
        if not total(kept.sum()):
            raise TrainingError("the reward is not a number for any completion of a batch: mend the reward")
        dense = torch.zeros(real.shape, device=x.device)
        apart = dense.masked_scatter(real, old - reference)  # a sample of the KL at each token
        kl = dense.masked_scatter(real, divergence(old, reference)).sum(1)
        paid = -float(self.critic.price) * apart
        ends = real.shape[1] - 1 - real.flip(1).int().argmax(1)  # the last real token
        paid[torch.arange(len(x)), ends] += scores.nan_to_num(0.0) - c.no_end * ~rollout.ended
        foretold = dense.masked_scatter(real, values)
        gained, returns = advantages(paid, foretold, real, c.discount, c.trace)
        real = real & kept[:, None]  # an episode without a reward teaches nothing
        flat = (whiten(gained, real) if c.whiten else gained, returns, foretold)
        lasts = dense.masked_scatter(rollout.real, old)
        play = Play(x, given, real, lasts[real], *(f[real] for f in flat), rewards=scores[kept], kl=kl[kept])
        play.metrics = {
            "reward": masked_mean(scores.nan_to_num(0.0), kept),
            "kl": masked_mean(kl, kept),
            "price": self.critic.price.clone(),
            "entropy": -masked_mean(lasts, real),
            "length": masked_mean(real.sum(1).float(), kept),
            "ended": masked_mean(rollout.ended.float(), torch.ones_like(kept)),
            "dropped": masked_mean((~kept).float(), torch.ones_like(kept)),
            "explained": _explained(foretold, returns, real),
        }
        return play

    def _scores(self, rollout: Rollout) -> Tensor:
        scores = self.reward(rollout).to(rollout.x.device, torch.float32)
        limit = self.config.reward_clip
        return scores.clamp(-limit, limit) if limit else scores

    def _value_loss(self, part: Play, states: Tensor, count: Tensor) -> Tensor:
        """Squared error of the values, the worse of free and clipped ones (Schulman et al. 2017's own code)."""
        values = self.critic.values(part.x, part.given, part.real, states)
        near = part.values + (values - part.values).clamp(-self.config.value_clip, self.config.value_clip)
        return 0.5 * mean(torch.maximum((values - part.returns) ** 2, (near - part.returns) ** 2), count)


def _explained(values: Tensor, returns: Tensor, real: Tensor) -> Tensor:
    """The share of the returns' variance that values foretold, (); 1 at best, 0 for a constant."""
    spread = masked_mean((returns - masked_mean(returns, real)) ** 2, real)
    return 1 - masked_mean((returns - values) ** 2, real) / spread.clamp(min=1e-8)


@dataclass
class Play:
    """Episodes with what was known when they were drawn. x (B, T), real (B, T); old log-probabilities, advantages,
    returns and values are flat, (n,), one for each real token; rewards and kl one an episode that has a reward.
    """

    x: Tensor
    given: Tensor | None
    real: Tensor
    old: Tensor
    gained: Tensor
    returns: Tensor
    values: Tensor
    rewards: Tensor
    kl: Tensor
    metrics: dict[str, Tensor] | None = None

    def __len__(self) -> int:
        return len(self.x)

    def rows(self, where: Tensor) -> Play:
        """Some of the episodes."""
        at = torch.zeros(self.real.shape, dtype=torch.long, device=self.real.device)
        at[self.real] = torch.arange(int(self.real.sum()), device=self.real.device)
        flat = at[where][self.real[where]]
        cut = {k: getattr(self, k)[flat] for k in ("old", "gained", "returns", "values")}
        given = None if self.given is None else self.given[where]
        return replace(self, x=self.x[where], given=given, real=self.real[where], **cut)
