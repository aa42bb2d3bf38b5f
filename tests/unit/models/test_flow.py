"""The flow against equations with a known solution: solvers, likelihood, guidance."""

import math

import pytest
import torch
from torch import nn
from torch.distributions import Normal

from conjure.core.errors import ConfigError
from conjure.core.space import Category, Columns, Dense, Number
from conjure.models.flow import Flow
from conjure.models.solvers import adams, adaptive, euler, heun

PLANE = Dense((2,))
LABEL = Columns((Category("label", 3),))
TURN = torch.tensor([[-0.5, 2.0], [-2.0, 0.3]], dtype=torch.float64)
START = torch.tensor([[1.0, 0.5], [-2.0, 1.0], [0.1, 0.0]], dtype=torch.float64)


def made(space=PLANE, given=None, **settings):
    torch.manual_seed(0)
    return Flow(space, given, Flow.Config(**{"width": 16, "layers": 1, "channels": 4, **settings})).eval()


def gentle(space, **settings):
    """A field at random whose density has no narrow peaks."""
    model = made(space, **settings)
    with torch.no_grad():
        model.field.net.leave.weight.mul_(0.1)
    return model


def turn(x, t, rows):
    """dx/dt = t A x, whose solution is exp(t^2 A / 2) x."""
    return t[:, None] * x @ TURN.T


EXACT = START @ torch.linalg.matrix_exp(TURN / 2).T


class ToNormal(nn.Module):
    """The velocity that carries N(0, 1) to N(mean, scale^2): that of the paths a x_1 + c x_0, given x_t."""

    def __init__(self, path, mean, scale):
        super().__init__()
        self.path, self.mean, self.scale = path, mean, scale

    def forward(self, x, t, given=None, keep=None):
        t = t.reshape(-1, *[1] * (x.ndim - 1))
        if self.path == "rectified":
            a, c, da, dc = t, 1 - t, 1.0, -1.0
        else:
            a, c = (math.pi / 2 * t).sin(), (math.pi / 2 * t).cos()
            da, dc = math.pi / 2 * c, -math.pi / 2 * a
        gain = (a * da * self.scale**2 + c * dc) / (a**2 * self.scale**2 + c**2)
        return da * self.mean + gain * (x - a * self.mean)


def to_normal(path, space=PLANE, **settings):
    model = made(space, path=path, **settings)
    mean, scale = (torch.linspace(*ends, model.size).view(model.shape) for ends in ((-0.5, 1), (0.3, 1.4)))
    model.field = ToNormal(path, mean, scale)
    return model, Normal(mean, scale)


@pytest.mark.parametrize(("solve", "order"), [(euler, 1), (heun, 2), (adams, 2)])
def test_twice_the_calls_divide_the_error_by_two_to_the_order(solve, order):
    coarse, fine = ((solve(turn, START, (0.0, 1.0), calls) - EXACT).norm() for calls in (200, 400))
    assert math.log2(coarse / fine) == pytest.approx(order, abs=0.05)


@pytest.mark.parametrize("solve", [euler, heun, adams])
def test_the_network_is_called_as_often_as_asked(solve):
    calls = []
    solve(lambda x, t, rows: calls.append(1) or x, START, (0.0, 1.0), 12)
    assert len(calls) == 12


@pytest.mark.parametrize("tolerance", [1e-2, 1e-4, 1e-6, 1e-8])
def test_the_adaptive_solver_meets_its_tolerance(tolerance):
    found = adaptive(turn, START, (0.0, 1.0), tolerance)
    assert ((found - EXACT).abs() < 3 * tolerance * (1 + EXACT.abs())).all()


def test_a_row_keeps_its_own_pace():
    """Backwards too; each row takes the steps that it would take alone."""
    together = adaptive(turn, EXACT, (1.0, 0.0), 1e-6)
    alone = torch.cat([adaptive(turn, row[None], (1.0, 0.0), 1e-6) for row in EXACT])
    assert torch.allclose(together, alone, atol=1e-12)
    assert torch.allclose(together, START, atol=1e-5)


def test_fifth_order_steps_need_few_calls():
    calls = []
    adaptive(lambda x, t, rows: calls.append(1) or turn(x, t, rows), START, (0.0, 1.0), 1e-8)
    assert len(calls) < 400  # heun needs over ten thousand for the same error


@pytest.mark.parametrize("path", ["rectified", "cosine"])
@torch.no_grad()
def test_likelihood_and_samples_of_a_known_flow_are_right(path):
    model, target = to_normal(path, solver="adaptive")
    x = target.sample((50,))
    assert model.score_kind == "exact"
    assert torch.allclose(model.log_prob(x), target.log_prob(x).sum(1), atol=1e-3)
    drawn = model.sample(20_000, rng=torch.Generator().manual_seed(0))
    assert torch.allclose(drawn.mean(0), target.mean, atol=0.03)
    assert torch.allclose(drawn.std(0), target.stddev, atol=0.03)


@pytest.mark.parametrize("path", ["rectified", "cosine"])
def test_velocity_is_the_slope_of_the_path(path):
    model = made(path=path)
    noise, x, t = torch.randn(5, 2).double(), torch.randn(5, 2).double(), torch.rand(5).double() * 0.9
    at, velocity = model.between(noise, x, t)
    after, _ = model.between(noise, x, t + 1e-6)
    assert torch.allclose((after - at) / 1e-6, velocity, atol=1e-4)
    for end, value in ((0.0, noise), (1.0, x)):
        assert torch.allclose(model.between(noise, x, torch.full((5,), end).double())[0], value, atol=1e-12)


def test_the_divergence_is_the_trace_of_the_jacobian():
    """Against reverse mode; a perceptron with normalisation inside."""
    model, state = made(Dense((3,))), torch.randn(4, 4)
    found = model._with_divergence(None, torch.eye(3))(state, torch.full((4,), 0.3), torch.arange(4))
    for row in range(4):
        jacobian = torch.autograd.functional.jacobian(
            lambda x: model.velocity(x[None], torch.tensor([0.3]))[0], state[row, :3]
        )
        assert found[row, 3].item() == pytest.approx(jacobian.trace().item(), abs=1e-4)


@torch.no_grad()
def test_signs_estimate_a_diagonal_divergence_without_error():
    model, target = to_normal("rectified", Dense((20,)), probes=1)
    x = target.sample((10,))
    assert model.score_kind == "estimate"
    assert torch.allclose(model.log_prob(x), target.log_prob(x).sum(1), atol=5e-3)


@torch.no_grad()
def test_over_all_signs_the_estimate_is_the_divergence():
    model, state, t = made(Dense((4,))), torch.randn(6, 5), torch.rand(6)
    signs = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0])] * 4) / 4
    exact, mean = (model._with_divergence(None, d)(state, t, torch.arange(6)) for d in (torch.eye(4), signs))
    assert torch.allclose(mean, exact, atol=1e-5)


@torch.no_grad()
def test_the_density_of_any_field_integrates_to_one():
    model = gentle(Dense((1,)))
    x = torch.linspace(-8, 8, 2001)[:, None]
    assert torch.trapezoid(model.log_prob(x).exp(), x[:, 0]).item() == pytest.approx(1, abs=2e-3)


@torch.no_grad()
def test_a_picture_scores_the_probability_of_its_steps():
    space = Dense((1, 2, 2), -1.0, 1.0)
    model, target = to_normal("rectified", space, levels=51)
    x = torch.full((3, 1, 2, 2), 0.2)
    density = target.log_prob(x).flatten(1).sum(1)
    assert model.score_kind == "estimate"
    assert torch.allclose(model.log_prob(x), density + 4 * math.log(2 / 50), atol=1e-3)


@torch.no_grad()
def test_guidance_of_one_is_the_conditional_field_and_more_goes_beyond_it():
    x, t, given = torch.randn(6, 2), torch.rand(6), torch.arange(6)[:, None] % 3
    plain, strong = made(given=LABEL), made(given=LABEL, guidance=3.0)
    seen, unseen = plain.velocity(x, t, given), plain.velocity(x, t, given, torch.zeros(6, dtype=torch.bool))
    assert torch.equal(plain.guided(x, t, given), seen)
    assert torch.allclose(strong.guided(x, t, given), 3 * seen - 2 * unseen, atol=1e-5)
    almost = made(given=LABEL, guidance=1 + 1e-7)
    assert torch.allclose(almost.guided(x, t, given), seen, atol=1e-5)


@torch.no_grad()
def test_a_hidden_condition_changes_nothing():
    model, x, t = made(given=LABEL), torch.randn(6, 2), torch.rand(6)
    given, hidden = torch.arange(6)[:, None] % 3, torch.zeros(6, dtype=torch.bool)
    assert torch.equal(model.velocity(x, t, given, hidden), model.velocity(x, t, (given + 1) % 3, hidden))
    assert not torch.allclose(model.velocity(x, t, given), model.velocity(x, t, (given + 1) % 3))


@pytest.mark.parametrize("shape", [(1, 13, 17), (3, 24, 28), (1, 8, 8)])
@torch.no_grad()
def test_pictures_of_any_shape_are_drawn_inside_the_box(shape):
    space = Dense(shape, -0.5, 0.5)
    model = made(space, evaluations=2)
    drawn = model.sample(3, rng=torch.Generator().manual_seed(0))
    assert space.contains(drawn)
    assert drawn.std() > 0.1


@torch.no_grad()
def test_a_score_does_not_depend_on_its_neighbours(monkeypatch):
    model = made(Dense((1, 12, 12), -1.0, 1.0), channels=2, probes=1, tolerance=1e-3)
    x = torch.rand(5, 1, 12, 12) * 2 - 1
    together = model.log_prob(x)
    monkeypatch.setattr("conjure.models.flow.VALUES", 300)
    assert torch.allclose(model.log_prob(x), together, atol=0.01)
    assert torch.allclose(model.log_prob(x[3:4]), together[3:4], atol=0.01)


def test_settings_that_cannot_be_are_refused():
    refuses = lambda **s: Flow.refuses(Dense((2,)), None, Flow.Config(**s))  # noqa: E731
    assert refuses() is None
    assert "even" in refuses(evaluations=5)
    assert refuses(evaluations=5, solver="euler") is None
    assert "guidance" in refuses(guidance=2.0)
    assert "tolerance" in refuses(tolerance=0.0)
    with pytest.raises(ConfigError, match="whole examples"):
        made().log_prob(torch.zeros(2, 2), mask=torch.tensor([[True, False]] * 2))


MIXED = Columns((Category("a", 3), Number("n"), Category("b", 2)))
ROWS = torch.tensor([[0.0, -0.7, 1.0], [2.0, 0.4, 0.0], [1.0, 1.9, 1.0]])


def test_rows_are_carried_as_real_numbers_and_come_back():
    model = made(MIXED)
    wide = model.real(ROWS)
    assert wide.shape == (3, 6)
    assert torch.equal(wide[:, 3], ROWS[:, 1])
    assert torch.allclose(wide[:, :3].sum(1), torch.zeros(3), atol=1e-6)
    assert wide[1, 2] - wide[1, 0] == pytest.approx(2)  # the height of a code above the others
    assert torch.equal(model.analog.narrow(wide), ROWS)
    codes = made(Columns((Category("a", 3), Category("b", 2))))
    assert codes.analog.narrow(codes.real(torch.tensor([[2, 1]]))).dtype == torch.int64


@torch.no_grad()
def test_only_rows_of_numbers_have_a_likelihood():
    assert made(MIXED).log_prob is None
    numbers = Columns((Number("x"), Number("y")))
    model, target = to_normal("rectified", numbers)
    x = target.sample((20,))
    assert model.score_kind == "exact"
    assert torch.allclose(model.log_prob(x), target.log_prob(x).sum(1), atol=1e-3)


@torch.no_grad()
def test_a_series_scores_through_a_transformer():
    model = made(Dense((12, 1)), heads=2, tolerance=1e-5)
    assert type(model.field.net).__name__ == "PatchTransformer"
    x = torch.randn(3, 12, 1)
    assert torch.isfinite(model.log_prob(x)).all()
    assert model.space.contains(model.sample(2, rng=torch.Generator().manual_seed(0)))
