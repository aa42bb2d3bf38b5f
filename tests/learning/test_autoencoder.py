"""An autoencoder finds all modes of the ring by the mixture over its codes, and writes what it read."""

import torch

from conjure.core.space import Dense
from conjure.domains.protocol import Encoded
from conjure.models.autoencoder import Autoencoder
from conjure.objectives.reconstruction import Reconstruction
from tests.learning.toys import MODES, learn, ring


def test_eight_modes_on_the_ring():
    train, held_out = Encoded(ring(8000, 0)), Encoded(ring(1000, 1))
    torch.manual_seed(0)
    model = Autoencoder(Dense((2,)), None, Autoencoder.Config(latent=2, width=128, components=32))
    learn(Reconstruction(model, Reconstruction.Config()), (train, held_out), steps=800, batch=256, rate=3e-3)
    with torch.no_grad():
        made = model.sample(4000, rng=torch.Generator().manual_seed(0))
        error = (model.decode(model.encode(held_out.x)) - held_out.x).norm(dim=1).mean()
    distance, mode = torch.cdist(made, MODES).min(1)
    near = distance < 3 * 0.05
    assert error < 0.03
    assert (torch.bincount(mode[near], minlength=8) > 100).all()
    assert near.float().mean() > 0.8
