"""Spectral normalisation beside the singular value decomposition, and over a state that is saved and taken up."""

import torch
from torch import nn

from conjure.nets.spectral import constrain


def sigma(weight):
    return torch.linalg.svdvals(weight.flatten(1))[0].item()


def test_every_layer_has_a_largest_singular_value_of_one():
    net = constrain(nn.Sequential(nn.Conv2d(3, 8, 3), nn.Flatten(), nn.Linear(8 * 16, 5)))
    for _ in range(30):
        net(torch.zeros(1, 3, 6, 6))
    assert abs(sigma(net[0].weight) - 1) < 1e-3
    assert abs(sigma(net[2].weight) - 1) < 1e-3


def test_no_two_inputs_are_pushed_further_apart():
    net = constrain(nn.Linear(20, 30))
    for _ in range(30):
        net(torch.zeros(1, 20))
    a, b = torch.randn(100, 20), torch.randn(100, 20)
    assert ((net(a) - net(b)).norm(dim=1) <= 1.001 * (a - b).norm(dim=1)).all()


def test_the_iteration_stands_still_when_not_in_training():
    net = constrain(nn.Linear(4, 3)).eval()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    net(torch.randn(2, 4))
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())


def test_a_state_taken_up_goes_on_bit_for_bit():
    def step(net, optimizer, seed):
        torch.manual_seed(seed)
        optimizer.zero_grad()
        net(torch.randn(8, 6)).square().sum().backward()
        optimizer.step()

    def made():
        net = constrain(nn.Linear(6, 4))
        return net, torch.optim.SGD(net.parameters(), 0.1)

    whole, mover = made()
    for seed in range(3):
        step(whole, mover, seed)
    again, other = made()
    again.load_state_dict(whole.state_dict())
    step(whole, mover, 7)
    step(again, other, 7)
    assert all(torch.equal(a, b) for a, b in zip(whole.state_dict().values(), again.state_dict().values()))


def test_the_slope_of_the_norm_itself_is_felt():
    """The gradient of W / sigma(W) is at right angles to W: growing W changes nothing."""
    net = constrain(nn.Linear(5, 5, bias=False))
    for _ in range(100):
        net(torch.zeros(1, 5))
    net(torch.randn(9, 5)).square().sum().backward()
    original = net.parametrizations.weight.original
    assert abs((original * original.grad).sum().item()) < 1e-3 * original.norm() * original.grad.norm()
