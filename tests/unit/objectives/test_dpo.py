"""The loss by hand, and a policy that comes to prefer what people do."""

import math

import pytest
import torch

from conjure.core.batch import Batch
from conjure.core.space import Tokens
from conjure.models.decoder import Decoder
from conjure.objectives.dpo import DPO

SPACE = Tokens(6, (10,), stream=True)


def policy():
    torch.manual_seed(0)
    return Decoder(SPACE, None, Decoder.Config(layers=1, width=16, heads=2, dropout=0.2))


def preferences(n, seed=0):
    """A prompt of two tokens; of two completions the one that ends in a 4 is preferred."""
    x = torch.randint(6, (n, 2, 6), generator=torch.Generator().manual_seed(seed))
    x[:, 1, :2] = x[:, 0, :2]
    x[:, 0, -1], x[:, 1, -1] = 4, 2
    return Batch(x, (torch.arange(6) >= 2).expand(n, 2, -1))


def test_at_first_the_loss_is_log_two_whatever_the_dropout():
    goal = DPO(policy(), DPO.Config())
    goal.train()
    assert goal.loss(preferences(8))[0].item() == pytest.approx(math.log(2), abs=1e-6)


def test_the_loss_by_hand():
    goal, batch = DPO(policy(), DPO.Config(beta=0.3, smoothing=0.1)), preferences(5)
    with torch.no_grad():
        for p in goal.model.parameters():
            p.add_(0.2 * torch.randn_like(p))
        sides = [batch.x[:, k] for k in (0, 1)]
        now, before = ([m.log_prob(s, mask=batch.mask[:, 0]) for s in sides] for m in (goal.model, goal.reference))
        margin = 0.3 * ((now[0] - before[0]) - (now[1] - before[1]))
        expected = -(0.9 * margin.sigmoid().log() + 0.1 * (-margin).sigmoid().log()).mean()
        assert goal.loss(batch)[0].item() == pytest.approx(expected.item(), abs=1e-5)


def test_the_preferred_becomes_more_probable_and_the_reference_stays():
    goal = DPO(policy(), DPO.Config(beta=0.5))
    before = {k: v.clone() for k, v in goal.reference.state_dict().items()}
    optimizer = torch.optim.AdamW(goal.model.parameters(), lr=1e-2)
    for step in range(40):
        optimizer.zero_grad()
        goal.loss(preferences(32, step))[0].backward()
        optimizer.step()
    found = goal.validate(preferences(64, 999))
    assert found["accuracy"] > 0.95
    assert found["loss"] < 0.4
    assert all(torch.equal(v, before[k]) for k, v in goal.reference.state_dict().items())
