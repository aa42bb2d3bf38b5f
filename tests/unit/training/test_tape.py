"""Per-example gradients without writing them down: against a loop of backward passes."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from conjure.core.errors import ConfigError
from conjure.training.tape import Tape
from tests.unit.training.private import FAMILIES, batch, ledger, losses, objective


def looped(each: torch.Tensor, params: list[torch.Tensor]) -> list[tuple[torch.Tensor, ...]]:
    return [torch.autograd.grad(e, params, retain_graph=True, materialize_grads=True) for e in each]


@pytest.mark.parametrize("model", FAMILIES)
def test_norms_and_sums_are_those_of_the_loop(model):
    made = objective(model, ledger())
    player = made.players()[made.descends]
    with Tape(player, 12) as tape:
        each = losses(made, batch())
    squares, weights = tape.squares(each), torch.rand(12)
    sums = tape.summed(weights)
    names = dict(player.named_parameters())
    grads = looped(losses(made, batch()), list(names.values()))
    exact = torch.stack([sum(g.square().sum() for g in gs) for gs in grads])
    torch.testing.assert_close(squares, exact, rtol=1e-4, atol=1e-5)
    assert set(sums) == set(names)
    for k, name in enumerate(names):
        expected = sum(w * gs[k] for w, gs in zip(weights, grads))
        torch.testing.assert_close(sums[name], expected, rtol=1e-4, atol=1e-4)


class Shared(nn.Module):
    """One map used on two halves of what comes in, a norm used twice, and a vector."""

    def __init__(self):
        super().__init__()
        self.map, self.norm, self.scale = nn.Linear(3, 3), nn.LayerNorm(3), nn.Parameter(torch.rand(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        one, other = x[:, :3], x[:, 3:]
        return (self.norm(self.map(one)) * self.scale - self.norm(torch.tanh(self.map(other)))).square().sum(1)


def test_parameters_used_twice_are_counted_as_one():
    net, x = Shared(), torch.randn(5, 6)
    with Tape(net, 5) as tape:
        each = net(x)
    grads = looped(net(x), list(net.parameters()))
    torch.testing.assert_close(tape.squares(each), torch.stack([sum(g.square().sum() for g in gs) for gs in grads]))


def test_what_hides_an_examples_gradient_is_refused():
    class Squared(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(torch.rand(3, 3))

        def forward(self, x):
            return F.linear(x, self.w @ self.w).sum(1)

    net = Squared()
    with pytest.raises(ConfigError, match="w is used as no linear map"), Tape(net, 4):
        net(torch.randn(4, 3))
    table = nn.EmbeddingBag(5, 2, mode="sum")
    with pytest.raises(ConfigError, match="looks one vector up twice"), Tape(table, 1):
        table(torch.tensor([[1, 1]]))
