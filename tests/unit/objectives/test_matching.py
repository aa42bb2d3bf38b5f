"""Flow matching: what is regressed on what, and which noise meets which example."""

import pytest
import torch

from conjure.core.batch import Batch
from conjure.core.errors import ConfigError
from conjure.core.rng import Noise
from conjure.core.space import Category, Columns, Dense
from conjure.models.flow import Flow
from conjure.objectives.matching import Matching

LABEL = Columns((Category("label", 3),))
X = torch.randn(8, 2, generator=torch.Generator().manual_seed(0))


def objective(given=None, guidance=1.0, **settings):
    torch.manual_seed(0)
    model = Flow(Dense((2,)), given, Flow.Config(width=8, layers=1, guidance=guidance))
    return Matching(model, Matching.Config(**settings))


def loss(goal, given=None):
    return goal.loss(Batch(X, given=given, noise=Noise(5)))[0]


def test_the_loss_is_the_squared_error_of_the_straight_velocity():
    goal, source = objective(), Noise(5)
    noise, t = source.normal(8, 2), source.uniform(8)
    at = (1 - t[:, None]) * noise + t[:, None] * X
    assert torch.allclose(loss(goal), ((goal.model.field(at, t) - (X - noise)) ** 2).mean())


def test_a_dropped_condition_is_not_seen():
    codes = torch.arange(8)[:, None] % 3
    for drop, same in ((0.999999, True), (0.0, False)):
        goal = objective(LABEL, drop=drop)
        assert torch.equal(loss(goal, codes), loss(goal, (codes + 1) % 3)) == same


def test_validation_sees_every_condition():
    batches = [Batch(X, given=torch.arange(8)[:, None] % 3, noise=Noise(5)) for _ in range(2)]
    assert torch.equal(*(objective(LABEL, drop=d).validate(b)["loss"] for d, b in zip((0.9, 0.0), batches)))


def test_pixels_are_spread_over_their_step():
    space = Dense((1, 2, 2), -1.0, 1.0)
    seen = []
    for levels in (2, 10**6):
        torch.manual_seed(0)
        goal = Matching(Flow(space, None, Flow.Config(width=8, layers=1, levels=levels)), Matching.Config())
        goal.model.between = lambda noise, x, t: seen.append(x) or (x, x)
        goal.loss(Batch(torch.zeros(2000, 1, 2, 2), noise=Noise(0)))
    assert seen[0].std().item() == pytest.approx(2 / 12**0.5, rel=0.03)  # uniform over a step of 2
    assert seen[1].abs().max() < 1e-5


def test_two_processes_see_what_one_sees():
    whole, goal = loss(objective()), objective()
    halves = [goal.loss(Batch(X[r::2], noise=Noise(5, rank=r, world=2)))[0] for r in (0, 1)]
    assert torch.allclose(sum(halves) / 2, whole, atol=1e-6)


def test_what_cannot_go_together_is_refused():
    with pytest.raises(ConfigError, match="transport"):
        objective(LABEL, coupling="transport")
    with pytest.raises(ConfigError, match=r"objective\.drop"):
        objective(LABEL, guidance=2.0, drop=0.0)
