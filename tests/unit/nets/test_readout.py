"""The cross-entropy of a large readout against torch's own."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from conjure.nets import readout


@pytest.mark.parametrize("count", [1, 300, 2 * readout.PIECE])
def test_it_is_the_cross_entropy_and_its_gradient(count: int):
    torch.manual_seed(0)
    states, weight = torch.randn(count, 8, requires_grad=True), torch.randn(50, 8, requires_grad=True)
    targets = torch.randint(50, (count,))
    mine = torch.autograd.grad(3 * readout.mean_nats(states, weight, targets), (states, weight))
    theirs = torch.autograd.grad(3 * F.cross_entropy(states @ weight.T, targets), (states, weight))
    for one, other in zip(mine, theirs):
        torch.testing.assert_close(one, other)
    with torch.no_grad():
        value = readout.mean_nats(states, weight, targets)
    torch.testing.assert_close(value, F.cross_entropy(states @ weight.T, targets))
    torch.testing.assert_close(value, readout.nats(states, weight, targets).mean())


def test_a_target_all_but_impossible_keeps_its_price():
    states, weight = torch.tensor([[200.0]], requires_grad=True), torch.tensor([[1.0], [-1.0]])
    loss = readout.mean_nats(states, weight, torch.tensor([1]))
    loss.backward()
    assert float(loss.detach()) == pytest.approx(400)
    assert float(states.grad) == pytest.approx(2)


def test_nothing_to_predict_costs_nothing():
    states = torch.zeros(0, 8, requires_grad=True)
    loss = readout.mean_nats(states, torch.randn(50, 8), torch.zeros(0, dtype=torch.long))
    loss.backward()
    assert float(loss.detach()) == 0
