"""The Wasserstein game: the penalty on functions of known slope, distances with known answers, whose turn it is."""

import pytest
import torch

from conjure.core.batch import Batch
from conjure.core.privacy import Budget, Ledger
from conjure.core.rng import Noise
from conjure.core.space import Category, Columns, Dense, Number
from conjure.models.gan import Generator
from conjure.objectives.critic import slope_penalty
from conjure.objectives.spread import sliced_distance
from conjure.objectives.wasserstein import Wasserstein

PLANE = Dense((2,))


def game(space=PLANE, given=None, **settings):
    torch.manual_seed(0)
    config = Wasserstein.Config(**{"width": 16, "layers": 1, **settings})
    return Wasserstein(Generator(space, given, Generator.Config(latent=3, width=16, layers=1)), config)


def test_the_penalty_is_the_squared_distance_of_the_slope_from_one():
    real, fake, mix = torch.randn(6, 2), torch.randn(6, 2), torch.rand(6)
    steep = torch.tensor([3.0, 4.0])
    assert slope_penalty(lambda x: x @ steep, real, fake, mix).item() == pytest.approx(16)
    assert slope_penalty(lambda x: x @ (steep / 5), real, fake, mix).item() == pytest.approx(0, abs=1e-10)


def test_the_penalty_is_taken_between_real_and_fake():
    real, fake = torch.full((1, 1), 2.0), torch.zeros(1, 1)  # the slope of x^2 / 2 is x
    for mix, expected in ((0.0, 1.0), (0.5, 0.0), (1.0, 1.0), (0.75, 0.25)):
        got = slope_penalty(lambda x: (x**2 / 2).sum(1), real, fake, torch.tensor([mix]))
        assert got.item() == pytest.approx(expected, abs=1e-6)


def test_the_penalty_moves_the_critic():
    weight = torch.tensor([3.0, 4.0], requires_grad=True)
    slope_penalty(lambda x: x @ weight, torch.randn(5, 2), torch.randn(5, 2), torch.rand(5)).backward()
    assert torch.allclose(weight.grad, 2 * 4 * torch.tensor([0.6, 0.8]), atol=1e-5)


def test_the_sliced_distance_of_a_shift_on_the_line_is_the_shift():
    a = torch.randn(500, 1)
    assert sliced_distance(a, a[torch.randperm(500)] + 2, 7).item() == pytest.approx(2, abs=1e-5)
    assert sliced_distance(a, a, 7).item() == 0


def test_the_sliced_distance_tells_the_centre_from_the_corners():
    corners = torch.tensor([[-1.0, -1], [-1, 1], [1, -1], [1, 1]]).repeat(50, 1)
    assert sliced_distance(corners, corners + 0.01, 64) < 0.05 < sliced_distance(corners, 0 * corners, 64)


def test_under_a_budget_the_critic_moves_in_each_step_and_the_generator_in_each_third():
    goal = game(Columns((Category("a", 3), Category("b", 2))), critic_moves=3)
    plan = Ledger(Budget(1.0), key=b"k" * 32)
    plan.descent = {"batch": 6}
    goal.under(plan)
    batch = Batch(torch.tensor([[0, 1], [2, 0], [1, 1]]), noise=Noise(1))
    said = [[move.player for move in goal.moves(batch)] for _ in range(4)]
    assert said == [["critic", "model"], ["critic"], ["critic"], ["critic", "model"]]


def test_the_critic_moves_first_and_sees_every_example_once():
    goal, x = game(critic_moves=3), torch.randn(12, 2)
    seen = []
    original = goal.critic.contrast
    goal.critic.contrast = lambda real, *rest: seen.append(real) or original(real, *rest)
    players = [move.player for move in goal.moves(Batch(x))]
    assert players == ["critic"] * 3 + ["model"]
    assert torch.equal(torch.cat(seen), x)


def test_a_batch_smaller_than_the_critics_moves_is_used_again():
    assert len(list(game(critic_moves=5).moves(Batch(torch.randn(2, 2))))) == 6


def test_the_critics_loss_does_not_reach_the_generator():
    goal = game()
    next(goal.moves(Batch(torch.randn(6, 2)))).loss.backward()
    assert all(p.grad is None for p in goal.model.parameters())


def test_rows_and_conditions_take_part():
    space, label = Columns((Category("a", 3), Number("n"))), Columns((Category("label", 2),))
    goal = game(space, label)
    x = torch.stack([torch.randint(3, (12,)).float(), torch.randn(12)], 1)
    batch = Batch(x, given=torch.randint(2, (12, 1)), noise=Noise(3))
    assert all(torch.isfinite(move.loss) for move in goal.moves(batch))
    with torch.no_grad():
        assert goal.validate(batch)["loss"] > 0
