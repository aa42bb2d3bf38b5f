"""Proximal policy optimisation: a model that writes token by token learns from rewards of what it wrote."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from conjure.core.batch import Batch
from conjure.core.errors import ConfigError, TrainingError
from conjure.models.decoding import Choice
from conjure.models.protocol import Model
from conjure.objectives.protocol import Move, Objective
from conjure.objectives.returns import advantages, masked_mean, surrogate, whiten
from conjure.objectives.rollout import Rollout, roll_out

Reward = Callable[[Rollout], Tensor]
STEP, MOST = 0.1, 0.2  # of the adaptive coefficient (Ziegler et al. 2019, section 2.2)


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
        value: "own" network, or a "head" on the policy's states; value_rate: factor of its learning rate; value_steps:
        first steps in which it alone learns. no_end: taken off the reward of a completion that did not end;
        reward_clip: rewards beyond it count as it (0 = all).
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
        value: Literal["own", "head"] = "own"
        value_rate: float = 1.0
        value_steps: int = 0
        end: int = -1
        no_end: float = 0.0
        reward_clip: float = 0.0

        def __post_init__(self) -> None:
            if min(self.tokens, self.epochs, self.minibatches) < 1:
                raise ConfigError("objective.tokens, .epochs and .minibatches are at least 1")
            if not (self.clip > 0 and self.value_clip > 0 and self.temperature > 0):
                raise ConfigError("objective.clip, .value_clip and .temperature are above 0")
            if min(self.kl, self.kl_target, self.stop_kl, self.no_end, self.reward_clip) < 0:
                raise ConfigError("objective.kl, .kl_target, .stop_kl, .no_end and .reward_clip are at least 0")
            if not (0 <= self.discount <= 1 and 0 <= self.trace <= 1):
                raise ConfigError("objective.discount and objective.trace are in 0..1")

    reward: Reward | None = None

    def __init__(self, model: Model, config: Config):
        super().__init__(model, config)
        self.reference = copy.deepcopy(model).requires_grad_(False)
        self.critic = Critic(model if config.value == "own" else None, model.config.width, config.kl)
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
        with torch.no_grad():
            play = self._play(batch)
        self.critic.adapt(play.kl.mean(), c.kl_target)
        learnt = int(self.critic.steps) >= c.value_steps
        self.critic.steps += 1
        size = -(-len(play) // c.minibatches)
        for _ in range(c.epochs):
            order = torch.argsort(batch.noise.uniform(len(play))).to(play.real.device)
            for rows in order.split(size):
                part = play.rows(rows)
                log_probs, states = self.model.trace(part.x, part.given, part.real, c.temperature)
                moved = (log_probs - part.old).detach()
                if learnt:
                    loss = surrogate(log_probs, part.old, part.gained, c.clip).mean()
                    yield Move("model", loss, play.metrics)
                    play.metrics = {}
                yield Move("critic", self._value_loss(part, states.detach()))
                if c.stop_kl and float(((-moved).expm1() + moved).mean()) > c.stop_kl:
                    return

    def validate(self, batch: Batch) -> dict[str, Tensor]:
        """Minus the mean reward of completions of held-out prompts, and how far they are from the reference."""
        play = self._play(batch)
        return {"loss": -play.rewards.mean(), "reward": play.rewards.mean(), "kl": play.kl.mean()}

    def _play(self, batch: Batch) -> Play:
        """Completions of a batch's prompts with all that the steps need: nothing as wide as the vocabulary is kept."""
        c = self.config
        if self.reward is None:
            raise ConfigError("PPO needs a reward, a function of completions: see `conjure text align`")
        rollout = roll_out(self.model, batch, c.tokens, Choice(c.temperature), None if c.end < 0 else c.end)
        x, given, real = rollout.x, batch.given, rollout.real
        old, states = self.model.trace(x, given, real, c.temperature)
        reference, _ = self.reference.trace(x, given, real, c.temperature)
        values = self.critic.values(x, given, real, states)
        scores = self._scores(rollout)
        kept = torch.isfinite(scores)
        if not kept.any():
            raise TrainingError("the reward is not a number for any completion of a batch: mend the reward")
        dense = torch.zeros(real.shape, device=x.device)
        apart = dense.masked_scatter(real, old - reference)  # a sample of the KL at each token
        kl = apart.sum(1)
        paid = -float(self.critic.price) * apart
        ends = real.shape[1] - 1 - real.flip(1).int().argmax(1)  # the last real token
        paid[torch.arange(len(x)), ends] += scores.nan_to_num(0.0) - c.no_end * ~rollout.ended
        foretold = dense.masked_scatter(real, values)
        gained, returns = advantages(paid, foretold, real, c.discount, c.trace)
        real = real & kept[:, None]  # an episode without a reward teaches nothing
        flat = (whiten(gained, real), returns, foretold)
        lasts = dense.masked_scatter(rollout.real, old)
        play = Play(x, given, real, lasts[real], *(f[real] for f in flat), rewards=scores[kept], kl=kl[kept])
        play.metrics = {
            "reward": scores[kept].mean(),
            "kl": kl[kept].mean(),
            "price": self.critic.price.clone(),
            "entropy": -masked_mean(lasts, real),
            "length": real.sum(1).float().mean(),
            "ended": rollout.ended.float().mean(),
            "dropped": (~kept).float().mean(),
        }
        return play

    def _scores(self, rollout: Rollout) -> Tensor:
        scores = self.reward(rollout).to(rollout.x.device, torch.float32)
        limit = self.config.reward_clip
        return scores.clamp(-limit, limit) if limit else scores

    def _value_loss(self, part: Play, states: Tensor) -> Tensor:
        """Squared error of the values, the worse of free and clipped ones (Schulman et al. 2017's own code)."""
        values = self.critic.values(part.x, part.given, part.real, states)
        near = part.values + (values - part.values).clamp(-self.config.value_clip, self.config.value_clip)
        return 0.5 * torch.maximum((values - part.returns) ** 2, (near - part.returns) ** 2).mean()


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


class Critic(nn.Module):
    """What a place is worth, from a network of its own or from the policy's states; it also keeps the price of KL."""

    methods: ClassVar = ("values",)

    def __init__(self, trunk: Model | None, width: int, price: float):
        super().__init__()
        self.trunk = None if trunk is None else copy.deepcopy(trunk)
        self.head = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, 1))
        nn.init.zeros_(self.head[2].weight)  # at first a place is worth nothing
        self.register_buffer("price", torch.tensor(float(price)))
        self.register_buffer("steps", torch.zeros((), dtype=torch.long))

    def values(self, x: Tensor, given: Tensor | None, real: Tensor, states: Tensor) -> Tensor:
        """The worth of each real place before its token is drawn, (n,)."""
        if self.trunk is not None:
            states = self.trunk.states(x, given, real)
        return self.head(states.float()).sum(1)  # a view would slip past sharding

    def adapt(self, kl: Tensor, target: float) -> None:
        """Move the price towards what keeps an episode `target` nats from the reference (Ziegler et al. 2019, 2.2)."""
        if target:
            error = (kl / target - 1).clamp(-MOST, MOST)
            self.price.mul_(1 + STEP * error)
