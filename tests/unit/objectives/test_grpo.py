"""Gains within a group by hand, and a policy that learns without a value network."""

import pytest
import torch

from conjure.core.batch import Batch
from conjure.core.errors import ConfigError, TrainingError
from conjure.core.rng import Noise
from conjure.core.space import Tokens
from conjure.models.decoder import Decoder
from conjure.objectives.grpo import GRPO, relative

SPACE, WANTED = Tokens(8, (12,), stream=True), 5


def share(rollout):
    return ((rollout.x == WANTED) & rollout.real).sum(1) / rollout.real.sum(1)


def goal(**settings):
    torch.manual_seed(0)
    made = GRPO(Decoder(SPACE, None, Decoder.Config(layers=1, width=32, heads=2)), GRPO.Config(tokens=6, **settings))
    made.reward = share
    return made


def prompts(n=24, seed=0):
    return Batch(torch.randint(8, (n, 2), generator=torch.Generator().manual_seed(seed)), noise=Noise(seed, "test"))


def test_gains_by_hand():
    rewards = torch.tensor([1.0, 3.0, 2.0, 2.0, torch.nan, 4.0])
    assert relative(rewards, 2).tolist() == [-1, 1, 0, 0, 0, 0]


def test_before_the_first_step_only_the_gains_are_left():
    made = goal()
    (move,) = made.moves(prompts())
    assert move.metrics["kl"].abs() < 1e-6
    assert move.loss.abs() < 1e-5  # gains of a group sum to nothing
    move.loss.backward()
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in made.model.parameters())


def test_the_rewarded_token_takes_over():
    made = goal(kl=0.0, epochs=2)
    optimizer = torch.optim.AdamW(made.model.parameters(), lr=5e-3)
    for step in range(25):
        for move in made.moves(prompts(seed=step)):
            optimizer.zero_grad()
            move.loss.backward()
            optimizer.step()
    with torch.no_grad():
        assert -made.validate(prompts(seed=99))["loss"] > 0.6  # an even policy: 1/8


def test_rewards_that_are_no_numbers():
    made = goal()
    made.reward = lambda r: torch.where(torch.arange(len(r.x)) % 3 == 0, torch.nan, share(r))
    (move,) = made.moves(prompts())
    assert move.metrics["dropped"].item() == pytest.approx(1 / 3)
    assert torch.isfinite(move.loss)
    made.reward = lambda r: torch.full((len(r.x),), torch.nan)
    with pytest.raises(TrainingError, match="not a number for any"):
        next(made.moves(prompts()))
    with pytest.raises(ConfigError, match="group is at least 2"):
        GRPO.Config(group=1)
