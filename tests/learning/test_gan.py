"""Games find all of what there is, and what belongs together; a generator that falls together is noticed."""

import torch

from conjure.core.space import Columns, Dense, Number
from conjure.domains.protocol import Encoded
from conjure.models.gan import Generator
from conjure.objectives.minmax import MinMax
from conjure.objectives.spread import sliced_distance
from conjure.objectives.wasserstein import Wasserstein
from tests.learning.toys import MODES, ROWS, joint, learn, ring, table


def test_every_mode_of_a_ring_is_reached():
    """Ten seconds: a game needs some hundred rounds before the last mode is found."""
    train, held_out = ring(8000, 0), ring(2000, 1)
    torch.manual_seed(0)
    model = Generator(Dense((2,)), None, Generator.Config(latent=8, width=128, layers=1))
    game = Wasserstein(model, Wasserstein.Config(penalty=0.1, width=128, layers=1))
    data = Encoded(train), Encoded(held_out)
    summary = learn(game, data, steps=300, batch=384, rate=2e-3, clip=0, average=0.99)
    assert not summary["warnings"]
    with torch.no_grad():
        made = model.sample(2000, rng=torch.Generator().manual_seed(0))
    near, mode = torch.cdist(made, MODES).min(1)
    share = torch.bincount(mode[near < 0.25], minlength=8) / len(made)
    assert (share > 0.03).all()
    one_normal = train.mean(0) + train.std(0) * torch.randn(2000, 2)
    assert sliced_distance(made, held_out, 64) < 0.6 * sliced_distance(one_normal, held_out, 64)


def test_a_table_keeps_its_pairs():
    """Half as long: a critic must know all pairs of codes before the generator can."""
    train, held_out = table(4000, 0), table(1000, 1)
    torch.manual_seed(0)
    model = Generator(ROWS, None, Generator.Config(latent=8, width=64, layers=1))
    game = Wasserstein(model, Wasserstein.Config(width=64, layers=1))
    learn(game, (Encoded(train), Encoded(held_out)), steps=400, batch=384, rate=2e-3, clip=0, average=0.99)
    with torch.no_grad():
        made = model.sample(4000, rng=torch.Generator().manual_seed(0))
    assert 0.5 * (joint(made) - joint(train)).abs().sum() < 0.1  # independent columns: 0.68
    assert torch.corrcoef(made[:, [0, 2]].T)[0, 1] > 0.9


def test_the_minmax_game_reaches_every_mode_from_a_mixture():
    """Ten seconds: two hundred rounds and more to learn where modes are and then how narrow."""
    train, held_out = ring(8000, 0), ring(2000, 1)
    torch.manual_seed(0)
    model = Generator(Dense((2,)), None, Generator.Config(latent=4, width=128, components=64))
    game = MinMax(model, MinMax.Config(penalty=0.1, width=128))
    data = Encoded(train), Encoded(held_out)
    summary = learn(game, data, steps=300, batch=256, rate=1e-3, clip=0, average=0.99)
    assert not summary["warnings"]
    with torch.no_grad():
        made = model.sample(2000, rng=torch.Generator().manual_seed(0))
    near, mode = torch.cdist(made, MODES).min(1)
    share = torch.bincount(mode[near < 0.15], minlength=8) / len(made)
    assert (share > 0.02).all()
    assert share.sum() > 0.5


def test_a_number_as_condition_says_where():
    """A place on a half circle for each number in -1..1: one that heeds none of it is 0.6 off on average."""
    rng = torch.Generator().manual_seed(0)
    turn = torch.rand(4000, 1, generator=rng) * 2 - 1

    def place(turn):
        return torch.cat([(turn * torch.pi / 2).cos(), (turn * torch.pi / 2).sin()], 1)

    x = place(turn) + 0.1 * torch.randn(4000, 2, generator=rng)
    parts = Encoded(x[:3500], given=turn[:3500]), Encoded(x[3500:], given=turn[3500:])
    torch.manual_seed(0)
    model = Generator(Dense((2,)), Columns((Number("turn"),)), Generator.Config(latent=4, width=64, layers=1))
    game = Wasserstein(model, Wasserstein.Config(penalty=0.1, width=64, layers=1))
    learn(game, parts, steps=250, batch=384, rate=2e-3, clip=0, average=0.98)
    asked = torch.linspace(-0.9, 0.9, 1000)[:, None]
    with torch.no_grad():
        made = model.sample(1000, given=asked, rng=torch.Generator().manual_seed(0))
    away = made - place(asked)
    assert away.norm(dim=1).mean() < 0.25
    assert 0.03 < away.std(0).mean() < 0.2  # and it is still drawn


def test_a_generator_without_noise_is_called_collapsed():
    train, held_out = ring(2000, 0), ring(500, 1)
    torch.manual_seed(0)
    model = Generator(Dense((2,)), None, Generator.Config(latent=4, width=32, layers=1))
    model.noise = lambda source, n: (torch.zeros(n, 4), None)
    game = MinMax(model, MinMax.Config(width=32, layers=1))
    data = Encoded(train), Encoded(held_out)
    summary = learn(game, data, steps=30, batch=64, rate=1e-3, clip=0, validate_every=10)
    assert len(summary["warnings"]) == 1
    assert "has collapsed" in summary["warnings"][0]
