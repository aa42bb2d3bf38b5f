"""The min-max game: losses with known values, penalties with known slopes, whose turn it is, the watch for collapse."""

import math

import pytest
import torch

from conjure.core.batch import Batch
from conjure.core.errors import ConfigError
from conjure.core.rng import Noise
from conjure.core.space import Category, Columns, Dense, Number
from conjure.models.gan import Generator
from conjure.objectives.critic import real_slope
from conjure.objectives.minmax import MinMax, critic_loss, generator_loss
from conjure.objectives.spread import Watch, coverage, diversity
from conjure.objectives.wasserstein import Wasserstein

PLANE = Dense((2,))
PICTURE = Dense((1, 12, 12), -1.0, 1.0)
HIGH, LOW = torch.tensor([2.0, -1.0]), torch.tensor([0.5, 1.0])


def game(space=PLANE, given=None, kind=MinMax, **settings):
    torch.manual_seed(0)
    config = kind.Config(**{"width": 16, "layers": 1, "channels": 4, **settings})
    return kind(Generator(space, given, Generator.Config(latent=3, width=16, layers=1, channels=4)), config)


def pictures(n=6, seed=0):
    return Batch(torch.rand(n, 1, 12, 12, generator=torch.Generator().manual_seed(seed)) * 2 - 1, noise=Noise(seed))


def test_the_critics_loss_is_minus_equation_one():
    real, fake = HIGH.sigmoid(), LOW.sigmoid()
    expected = -(real.log().mean() + (1 - fake).log().mean())
    for form in ("minmax", "nonsaturating"):
        assert critic_loss(HIGH, LOW, form).item() == pytest.approx(expected.item(), rel=1e-6)


def test_the_generators_losses_are_those_of_the_papers():
    fake = LOW.sigmoid()
    assert generator_loss(LOW, None, "minmax").item() == pytest.approx((1 - fake).log().mean().item(), rel=1e-6)
    assert generator_loss(LOW, None, "nonsaturating").item() == pytest.approx(-fake.log().mean().item(), rel=1e-6)
    assert generator_loss(LOW, None, "hinge").item() == pytest.approx(-0.75)
    expected = -(LOW - HIGH).sigmoid().log().mean().item()
    assert generator_loss(LOW, HIGH, "relativistic").item() == pytest.approx(expected, rel=1e-6)


def test_hinge_and_relativistic_critics():
    assert critic_loss(HIGH, LOW, "hinge").item() == pytest.approx((0 + 2) / 2 + (1.5 + 2) / 2)
    assert critic_loss(HIGH, LOW, "relativistic").item() == pytest.approx(
        (math.log1p(math.exp(-1.5)) + math.log1p(math.exp(2))) / 2
    )


def test_a_losing_generator_feels_the_nonsaturating_form_only():
    for form, steep in (("minmax", False), ("nonsaturating", True)):
        low = torch.full((1,), -12.0, requires_grad=True)
        generator_loss(low, None, form).backward()
        assert (low.grad.abs().item() > 0.9) == steep


def test_the_slope_at_real_examples_of_a_plane_and_of_a_bowl():
    x = torch.randn(5, 2, requires_grad=True)
    assert real_slope(x @ torch.tensor([3.0, 4.0]) + 0 * x.sum(1) ** 2, x).item() == pytest.approx(25)
    assert real_slope((x**2).sum(1) / 2, x).item() == pytest.approx((x**2).sum(1).mean().item(), rel=1e-5)


def test_critic_first_then_the_generator_which_the_critics_loss_never_reaches():
    goal = game(critic_moves=2)
    moves = goal.moves(Batch(torch.randn(8, 2)))
    players = []
    for move in moves:
        players.append(move.player)
        goal.zero_grad()
        move.loss.backward()
        assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in goal.players()[move.player].parameters())
        if move.player == "critic":
            assert all(p.grad is None or not p.grad.any() for p in goal.model.parameters())
    assert players == ["critic", "critic", "model"]


def test_a_lazy_penalty_is_borne_every_so_many_moves_and_counted_in_the_checkpoint():
    goal = game(penalty=2.0, penalty_every=3)
    borne = ["penalty" in next(goal.moves(Batch(torch.randn(6, 2)))).metrics for _ in range(7)]
    assert borne == [True, False, False, True, False, False, True]
    assert int(goal.players()["critic"].state_dict()["moved"]) == 7


@pytest.mark.parametrize("kind", [MinMax, Wasserstein])
def test_augmented_games_pass_gradients_to_the_generator(kind):
    goal = game(PICTURE, kind=kind, augment=("translation", "cutout", "colour"))
    *_, last = goal.moves(pictures())
    last.loss.backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in goal.model.parameters())


def test_augmentation_follows_the_batchs_noise():
    losses = []
    for seed in (1, 1, 2):
        goal = game(PICTURE, augment=("translation",))
        losses.append(next(goal.moves(Batch(pictures().x, noise=Noise(seed)))).loss.item())
    assert losses[0] == losses[1] != losses[2]


def test_augmentation_of_what_is_no_picture_is_refused():
    with pytest.raises(ConfigError, match="changes pictures"):
        game(PLANE, augment=("cutout",))


@pytest.mark.parametrize("kind", [MinMax, Wasserstein])
@pytest.mark.parametrize("settings", [{"projection": True}, {"spectral": True}, {"projection": True, "spectral": True}])
def test_continuous_conditions_reach_both_players(kind, settings):
    given = Columns((Category("label", 3), Number("age")))
    goal = game(PICTURE, given, kind, **settings)
    asked = torch.stack([torch.randint(3, (6,)).float(), torch.randn(6)], 1)
    batch = Batch(pictures().x, given=asked, noise=Noise(3))
    assert all(torch.isfinite(move.loss) for move in goal.moves(batch))
    older = asked + torch.tensor([0.0, 1.0])
    with torch.no_grad():
        assert not torch.allclose(goal.critic(batch.x, asked), goal.critic(batch.x, older))
        drawn = [goal.model.sample(6, given=g, rng=torch.Generator().manual_seed(0)) for g in (asked, older)]
    assert not torch.allclose(*drawn)


def test_diversity_and_coverage_of_the_same_and_of_one_point():
    rng = torch.Generator().manual_seed(0)
    real, again = (torch.randn(400, 3, generator=rng) for _ in range(2))
    one = real[:1] + 0.01 * torch.randn(400, 3, generator=rng)
    assert diversity(real, again).item() == pytest.approx(1, abs=0.1)
    assert coverage(real, again).item() == pytest.approx(1, abs=0.15)
    assert diversity(real, one) < 0.05
    assert coverage(real, one) < 0.05


def test_the_watch_speaks_once_after_two_narrow_validations_in_a_row():
    rng = torch.Generator().manual_seed(0)
    real, wide = (torch.randn(64, 2, generator=rng) for _ in range(2))
    watch, told = Watch(), []
    for made in (0 * wide, wide, 0 * wide, 0 * wide, 0 * wide, wide, 0 * wide, 0 * wide):
        watch.look(real, made + 1e-3 * wide)
        told.append(len(watch.warnings()))
    assert told == [0, 0, 0, 1, 0, 0, 0, 1]
