"""A flow finds every mode of a mixture, and puts nearly all it makes on one."""

import pytest
import torch

from conjure.core.space import Category, Columns, Dense
from conjure.domains.protocol import Encoded
from conjure.models.flow import Flow
from conjure.objectives.matching import Matching
from tests.learning.toys import GRID, MODES, grid, hits, learn, ring


def trained(data, given=None, steps=1000, **settings):
    torch.manual_seed(0)
    model = Flow(Dense((2,)), given, Flow.Config(**{"width": 128, "layers": 2, **settings}))
    objective = Matching(model, Matching.Config())
    learn(objective, data, steps=steps, batch=512, rate=3e-3, average=0.99, validate_every=500)
    return model


@pytest.mark.parametrize(("draw", "modes", "path"), [(ring, MODES, "cosine"), (grid, GRID, "rectified")])
def test_every_mode_is_reached_and_little_falls_between(draw, modes, path):
    """Ten seconds: the edges of a field with twenty-five targets take a thousand steps."""
    model = trained((Encoded(draw(8000, 0)), Encoded(draw(1000, 1))), path=path)
    with torch.no_grad():
        share, each = hits(model.sample(4000, rng=torch.Generator().manual_seed(0)), modes)
    assert share > 0.9  # three standard deviations hold 0.989 of the data
    assert (each > 0.4 / len(modes)).all()


def test_a_condition_chooses_the_mode_and_raises_its_score():
    labels = Columns((Category("label", 8),))
    train, held_out = (
        Encoded(x, given=torch.cdist(x, MODES).argmin(1, keepdim=True)) for x in (ring(4000, 0), ring(500, 1))
    )
    model = trained((train, held_out), labels, steps=300, width=64, guidance=1.5)
    wanted = torch.arange(8).repeat(50)[:, None]
    with torch.no_grad():
        made = model.sample(400, given=wanted, rng=torch.Generator().manual_seed(0))
        right, wrong = (model.log_prob(held_out.x[:20], (held_out.given[:20] + shift) % 8) for shift in (0, 1))
    assert (torch.cdist(made, MODES).argmin(1) == wanted[:, 0]).float().mean() > 0.98
    assert (right > wrong).all()
