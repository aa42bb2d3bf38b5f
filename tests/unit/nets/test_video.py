"""The U-Net over space and time: shapes, a fresh net without an eye for time, and neighbours once learnt."""

from __future__ import annotations

import pytest
import torch

from conjure.core.space import Dense
from conjure.models.flow import Flow
from conjure.nets.field import Plan, chosen, refusal
from conjure.nets.video import Neighbours, VideoUNet


@pytest.mark.parametrize("shape", [(3, 1, 12, 12), (2, 3, 17, 13), (4, 1, 16, 24)])
def test_a_clip_keeps_its_shape(shape):
    net, x = VideoUNet(shape, 4, 8), torch.randn(2, *shape)
    y = net(x, torch.randn(2, 8))
    assert y.shape == x.shape
    y.square().mean().backward()
    assert all(p.grad is not None for p in net.parameters())


def test_a_fresh_net_sees_single_pictures():
    torch.manual_seed(0)
    net, x, context = VideoUNet((4, 1, 12, 12), 4, 8), torch.randn(1, 4, 1, 12, 12), torch.randn(1, 8)
    other = x.clone()
    other[:, 2] += 1
    changed = (net(other, context) - net(x, context)).abs().amax((0, 2, 3, 4))
    assert changed[[0, 1, 3]].max() == 0
    assert changed[2] > 0


def test_neighbours_reach_one_moment_each_way():
    torch.manual_seed(0)
    look, x = Neighbours(2), torch.randn(1, 5, 2, 3, 3)
    torch.nn.init.normal_(look.mix.weight)
    other = x.clone()
    other[:, 2] += torch.randn(2, 3, 3)
    changed = (look(other) - look(x)).abs().amax((0, 2, 3, 4))
    assert changed[[0, 4]].max() == 0
    assert changed[[1, 2, 3]].min() > 0


def test_clips_get_it_by_themselves_and_small_ones_a_transformer():
    assert chosen((3, 1, 12, 12), Plan()) == "unet"
    assert chosen((3, 4, 4, 4), Plan()) == "transformer"
    assert "pictures and clips" in refusal((3, 4, 4, 4), Plan(net="unet"))
    flow = Flow(Dense((3, 1, 12, 12), -1, 1), None, Flow.Config(width=16, channels=4, evaluations=2))
    assert isinstance(flow.field.net, VideoUNet)
    assert flow.space.contains(flow.sample(2, rng=torch.Generator().manual_seed(0)))
