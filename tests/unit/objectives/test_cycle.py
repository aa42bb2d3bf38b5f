"""The terms of cycle consistency against numbers worked out by hand; the pool's law of large numbers."""

import math

import pytest
import torch
from torch import nn

from conjure.core.batch import Batch
from conjure.core.errors import ConfigError
from conjure.core.rng import Noise
from conjure.core.space import Dense
from conjure.models.cycle import CycleGAN
from conjure.objectives.cycle import Cycle, sides
from conjure.objectives.pool import Pool

SPACE, GIVEN = Dense((1, 8, 8)), Dense((2, 8, 8))


class Times(nn.Module):
    def __init__(self, factor):
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(factor))

    def forward(self, x):
        return self.factor * x


def game(**settings):
    model = CycleGAN(SPACE, GIVEN, CycleGAN.Config(channels=2, blocks=1, skip=False))
    return Cycle(model, Cycle.Config(channels=2, **settings))


def flat(*values):
    return torch.tensor(values).reshape(-1, 1, 1, 1).expand(-1, 1, 8, 8)


def pair():
    """Pictures of 1 in the first style and of 2 in the second, once each as x."""
    x, other, wish = flat(1.0, 2.0), flat(2.0, 1.0), flat(-1.0, 1.0)
    return Batch(x, given=torch.cat([other, wish], 1), noise=Noise(0))


def test_a_batch_falls_into_its_two_styles():
    first, second = sides(pair())
    assert (first == 1).all()
    assert (second == 2).all()


def test_losses_are_those_of_the_paper():
    goal = game(cycle=10.0, identity=0.5)
    goal.model.nets = nn.ModuleList([Times(0.25), Times(0.5)])
    goal.critics.nets = nn.ModuleList([nn.Identity(), nn.Identity()])  # the score of a patch is its pixel
    moves = goal.moves(pair())
    first = next(moves)
    # into the second 0.5 · 1, into the first 0.25 · 2, so 0.5 both: fooled 2 (0.5 - 1)^2; there and back 0.125 and
    # 0.25, away by 0.875 and 1.75; what should stay becomes 0.25 and 1, away by 0.75 and 1
    assert first.player == "model"
    assert first.metrics["fooled"].item() == pytest.approx(0.5)
    assert first.metrics["cycle"].item() == pytest.approx(2.625)
    assert first.metrics["identity"].item() == pytest.approx(1.75)
    assert first.loss.item() == pytest.approx(0.5 + 10 * 2.625 + 5 * 1.75)
    second = next(moves)
    # ((1 - 1)^2 + 0.5^2) / 2 + ((2 - 1)^2 + 0.5^2) / 2
    assert second.player == "critic"
    assert second.loss.item() == pytest.approx(0.75)
    assert next(moves, None) is None


def test_partners_count_where_they_are_near_and_critics_can_be_left_out():
    goal = game(cycle=0.0, game=0.0, partner=3.0, trust=0.5)
    goal.model.nets = nn.ModuleList([Times(0.25), Times(0.5)])
    (move,) = goal.moves(pair())
    # into the second 0.5 beside 2, into the first 0.5 beside 1; a range of 2 without bounds; half of ROUND's share
    terms = [(away - 0.025) * math.exp(-away / 1.0) for away in (1.5, 0.5)]
    assert move.player == "model"
    assert move.metrics["partner"].item() == pytest.approx(sum(terms))
    assert move.loss.item() == pytest.approx(3 * sum(terms))
    goal.progress(0.0)
    assert next(goal.moves(pair())).metrics["partner"].item() == pytest.approx(1.5 + 0.5 - 0.05)
    with pytest.raises(ConfigError, match=r"objective\.trust"):
        Cycle.Config(trust=0.0)


def test_a_move_of_the_translators_leaves_the_critics_without_gradient():
    goal = game()
    moves = goal.moves(pair())
    next(moves).loss.backward()
    assert all(p.grad is None for p in goal.critics.parameters())
    next(moves).loss.backward()
    assert all(p.grad is not None for p in goal.critics.parameters())


def test_validation_is_a_distance_between_sets():
    goal = game()
    goal.model.nets = nn.ModuleList([Times(0.5), Times(2.0)])
    right = goal.validate(pair())
    assert right["loss"].item() == pytest.approx(0, abs=1e-6)
    assert right["cycle"].item() == pytest.approx(0, abs=1e-6)
    goal.model.nets = nn.ModuleList([Times(1.0), Times(1.0)])  # nothing is changed: all survives, nothing is translated
    same = goal.validate(pair())
    assert same["cycle"].item() == 0
    assert same["loss"] > 0.1


def test_negative_weights_are_refused():
    with pytest.raises(ConfigError, match=r"objective\.cycle"):
        Cycle.Config(cycle=-1.0)


def test_a_pool_fills_and_then_shows_old_ones_half_of_the_time():
    pool, noise = Pool(50, (1,)), Noise(1)
    shown = [pool.exchange(torch.arange(n, n + 10.0)[:, None], noise.uniform(10, 2)) for n in range(0, 50, 10)]
    assert torch.equal(torch.cat(shown)[:, 0], torch.arange(50.0))  # while there is room all are shown
    assert int(pool.filled) == 50
    old, ages = 0, []
    for n in range(50, 20050, 10):
        made = torch.arange(n, n + 10.0)[:, None]
        out = pool.exchange(made, noise.uniform(10, 2))
        late = (made - out)[:, 0]
        old += int((late > 0).sum())
        ages += late[late > 0].tolist()
    assert old / 20000 == pytest.approx(0.5, abs=0.02)
    # one comes in for every two made and leaves with odds of 1 in 50 each time: 100 made later on average
    assert sum(ages) / len(ages) == pytest.approx(100, rel=0.1)


def test_a_pool_shows_each_example_once_and_loses_none():
    pool, noise, seen = Pool(7, (1,)), Noise(2), []
    for n in range(0, 400, 8):  # more at once than the pool holds
        seen += pool.exchange(torch.arange(n, n + 8.0)[:, None], noise.uniform(8, 2))[:, 0].tolist()
    kept = pool.kept[:, 0].tolist()
    assert len(set(kept)) == 7
    assert set(seen) | set(kept) == set(map(float, range(400)))


def test_an_empty_pool_shows_what_it_is_given():
    made = torch.randn(3, 2)
    assert torch.equal(Pool(0, (2,)).exchange(made, torch.rand(3, 2)), made)


def test_what_is_no_number_is_never_kept():
    pool = Pool(4, (1,))
    made = torch.tensor([[1.0], [float("nan")]])
    assert pool.exchange(made, torch.rand(2, 2)).isnan().any()
    assert int(pool.filled) == 0
