"""A policy learns what is rewarded, and stays near what it was when that is dear."""

import pytest
import torch

from conjure.core.batch import Batch
from conjure.core.rng import Noise
from conjure.core.space import Tokens
from conjure.domains.protocol import Encoded
from conjure.models.decoder import Decoder
from conjure.models.recurrent import Recurrent
from conjure.objectives.ppo import PPO
from tests.learning.toys import learn

SPACE, WANTED = Tokens(8, (12,), stream=True), 5


def share(rollout):
    """How many of the tokens drawn are the wanted one, (B,)."""
    return ((rollout.x == WANTED) & rollout.real).sum(1) / rollout.real.sum(1)


def improved(kind, steps=40, **settings):
    """(mean reward, mean KL) after training from a policy that draws evenly: reward 1/8 at no distance."""
    torch.manual_seed(0)
    sizes = {"heads": 2} if kind is Decoder else {}
    goal = PPO(kind(SPACE, None, kind.Config(layers=1, width=32, **sizes)), PPO.Config(tokens=8, **settings))
    goal.reward = share
    prompts = torch.randint(8, (256, 2), generator=torch.Generator().manual_seed(0))
    learn(goal, (Encoded(prompts), Encoded(prompts[:64])), steps=steps, batch=64, rate=5e-3, validate_every=steps)
    with torch.no_grad():
        found = goal.validate(Batch(prompts, noise=Noise(9, "test")))
    return float(found["reward"]), float(found["kl"])


@pytest.mark.parametrize("kind", [Decoder, Recurrent])
def test_the_rewarded_token_takes_over(kind):
    reward, kl = improved(kind, kl=0.0)
    assert reward > 0.8
    assert kl > 4


def test_a_dear_reference_keeps_the_policy_near_it():
    """The best policy weighs each token by exp(its reward / price): 5 gets e / (e + 7) = 0.28 at a price of 1/8."""
    reward, kl = improved(Decoder, steps=60, kl=0.125, value="head")
    assert 0.2 < reward < 0.4
    assert kl < 1.5
