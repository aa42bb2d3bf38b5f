"""The Wasserstein game finds all of what there is, and what belongs together."""

import torch

from conjure.core.space import Dense
from conjure.domains.protocol import Encoded
from conjure.models.gan import Generator
from conjure.objectives.spread import sliced_distance
from conjure.objectives.wasserstein import Wasserstein
from tests.learning.toys import MODES, ROWS, joint, learn, ring, table


def test_every_mode_of_a_ring_is_reached():
    """Ten seconds: a game needs some hundred rounds before the last mode is found."""
    train, held_out = ring(8000, 0), ring(2000, 1)
    torch.manual_seed(0)
    model = Generator(Dense((2,)), None, Generator.Config(latent=8, width=128, layers=1))
    game = Wasserstein(model, Wasserstein.Config(penalty=0.1, width=128, layers=1))
    learn(game, (Encoded(train), Encoded(held_out)), steps=300, batch=384, rate=2e-3, clip=0, average=0.99)
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
