"""The forecaster: gaps that change nothing, a density that is one, closed forms, calibration."""

from __future__ import annotations

import math

import pytest
import torch

from conjure.core.batch import Batch
from conjure.core.errors import ConfigError
from conjure.core.space import Dense
from conjure.models.forecaster import Forecaster
from conjure.nets.copula import Copula, Tails
from conjure.nets.forecast import LinearTrunk, bridged, read
from conjure.objectives.margins import Margins

SPACE, GIVEN = Dense((6, 2)), Dense((2, 12, 2))


def history(n: int, seed: int = 0) -> torch.Tensor:
    rng = torch.Generator().manual_seed(seed)
    values = torch.randn(n, 12, 2, generator=rng).cumsum(1)
    present = (torch.rand(n, 12, 2, generator=rng) < 0.8).float()
    return torch.stack([values * present, present], 1)


def made(**config: object) -> Forecaster:
    torch.manual_seed(0)
    model = Forecaster(SPACE, GIVEN, Forecaster.Config(**config)).eval()
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.1 * torch.randn_like(p))
    return model


@pytest.mark.parametrize("trunk", ["linear", "transformer"])
@torch.no_grad()
def test_what_stands_in_a_gap_changes_nothing(trunk):
    model = made(trunk=trunk, width=16, heads=2, patch=4, layers=1)
    given, x = history(4), torch.randn(4, 6, 2)
    mask = torch.rand(4, 6, 2) < 0.7
    other = given.clone()
    other[:, 0] = torch.where(given[:, 1] > 0, given[:, 0], 99.0)
    assert torch.equal(model.best(given), model.best(other))
    elsewhere = torch.where(mask, x, torch.full_like(x, 50.0))
    assert torch.equal(model.log_prob(x, given, mask), model.log_prob(elsewhere, other, mask))


@torch.no_grad()
def test_missing_values_are_integrated_out():
    """With all but two values missing the density is that of the two, whose integral over a grid is one."""
    model = made(factors=2)
    given = history(1)
    assert model.recent(given).min() > 0.1
    grid = torch.linspace(-30, 30, 301)
    x = torch.zeros(301 * 301, 6, 2)
    x[:, 1, 0], x[:, 4, 1] = grid.repeat_interleave(301), grid.repeat(301)
    mask = torch.zeros(6, 2, dtype=torch.bool)
    mask[1, 0] = mask[4, 1] = True
    nats = [model.log_prob(p, given.expand(len(p), -1, -1, -1), mask.expand(len(p), -1, -1)) for p in x.split(5000)]
    assert torch.cat(nats).double().exp().sum().item() * 0.2**2 == pytest.approx(1, abs=0.01)


@torch.no_grad()
def test_the_copula_is_a_normal_density():
    torch.manual_seed(1)
    copula = Copula(3, 2, 2)
    for p in copula.parameters():
        p.copy_(torch.randn_like(p))
    u, own = copula._parts()
    whole = u @ u.T + torch.diag(own)
    assert torch.allclose(whole.diagonal(), torch.ones(6), atol=1e-5)
    z = torch.randn(5, 3, 2)
    exact = torch.distributions.MultivariateNormal(torch.zeros(6), whole).log_prob(z.flatten(1))
    alone = torch.distributions.Normal(0, 1).log_prob(z).sum((1, 2))
    assert torch.allclose(copula.log_density(z), exact - alone, atol=1e-4)
    mask = torch.ones(5, 3, 2, dtype=torch.bool)
    mask[:, 2] = False
    part = torch.distributions.MultivariateNormal(torch.zeros(4), whole[:4, :4]).log_prob(z.flatten(1)[:, :4])
    alone = torch.distributions.Normal(0, 1).log_prob(z[:, :2]).sum((1, 2))
    assert torch.allclose(copula.log_density(z, mask), part - alone, atol=1e-4)
    drawn = copula.draw(40_000, torch.Generator().manual_seed(0)).flatten(1)
    assert torch.allclose(drawn.T.cov(), whole, atol=0.04)


@torch.no_grad()
def test_quantiles_are_those_of_the_draws():
    model = made(factors=3)
    model.widen.copy_(torch.tensor([0.7, 1.4]))
    given = history(1)
    drawn = model.sample(20_000, given=given, rng=torch.Generator().manual_seed(0))
    levels = (0.1, 0.5, 0.9)
    told = model.quantiles(given, levels)[0]
    shares = torch.stack([(drawn <= q).float().mean(0) for q in told])
    assert torch.allclose(shares, torch.tensor(levels)[:, None, None].expand_as(shares), atol=0.015)
    assert torch.allclose(told[1], model.best(given)[0], atol=1e-5)


def test_tails_go_there_and_back():
    tails, z = Tails(2), torch.randn(50, 2)
    back, slope = tails.gather(tails.spread(z))
    assert torch.allclose(back, z, atol=1e-4)
    r = tails.spread(z).detach().requires_grad_()
    (by_autograd,) = torch.autograd.grad(tails.gather(r)[0].sum(), r)
    assert torch.allclose(slope.exp(), by_autograd, atol=1e-4)


def test_gaps_are_bridged_by_straight_lines():
    values = torch.tensor([9.0, 1.0, 9.0, 9.0, 4.0, 9.0])
    present = torch.tensor([False, True, False, False, True, False])
    assert bridged(values, present).tolist() == [1, 1, 2, 3, 4, 4]
    assert bridged(values, torch.zeros(6, dtype=torch.bool)).tolist() == [0] * 6


def test_the_closed_form_finds_a_linear_map():
    rng = torch.Generator().manual_seed(0)
    given = torch.stack([torch.randn(500, 12, 1, generator=rng), torch.ones(500, 12, 1)], 1)
    seen = read(given)
    weight = torch.randn(3, 12, generator=rng)
    target = seen.values @ weight.T + seen.mean
    trunk = LinearTrunk(12, 3)
    trunk.solve(seen, target, torch.ones_like(target, dtype=torch.bool), 1e-6)
    with torch.no_grad():
        assert torch.allclose(trunk(seen) + seen.mean, target, atol=1e-3)


def test_validation_widens_intervals_to_what_they_promise():
    model = made(factors=0, recent=0.0)
    with torch.no_grad():
        model.log_scale.sub_(1.0)
    goal = Margins(model, Margins.Config(calibrate=1.0)).eval()
    given = history(400)
    x = model.best(given).detach() + torch.randn(400, 6, 2, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        goal.validate(Batch(x, given=given))
        low, high = (model.quantiles(given, (p,))[:, 0] for p in (0.1, 0.9))
    assert ((x >= low) & (x <= high)).float().mean().item() == pytest.approx(0.8, abs=0.02)
    assert (model.widen > 1.2).all()
    goal.train()
    assert goal.counts is None


def test_a_history_is_needed_and_shapes_must_fit():
    config = Forecaster.Config()
    assert "needs data with one" in Forecaster.refuses(SPACE, None, config)
    assert "not (6, 2)" in Forecaster.refuses(SPACE, Dense((2, 12, 3)), config)
    assert Forecaster.refuses(SPACE, GIVEN, config) is None
    with pytest.raises(ConfigError, match="history=FILE"):
        made().sample(1)
    assert math.isfinite(float(made().log_prob(torch.zeros(1, 6, 2), torch.zeros(1, 2, 12, 2)).detach()))
