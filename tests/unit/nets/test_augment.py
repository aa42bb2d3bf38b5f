"""Augmentations with known answers; gradients pass through them."""

import pytest
import torch

from conjure.core.space import Dense
from conjure.nets.augment import DRAWS, Augment, hole, moved, recoloured

PICTURE = Dense((3, 16, 24), -1.0, 1.0)


def test_half_draws_move_nothing_and_recolour_nothing():
    x = torch.rand(4, 3, 16, 24) * 2 - 1
    assert torch.equal(moved(x, torch.full((4, 2), 0.5)), x)
    assert torch.allclose(recoloured(x, torch.full((4, 3), 0.5)), x, atol=1e-6)


def test_a_picture_moves_by_whole_pixels_with_zeros_behind():
    x = torch.ones(1, 1, 16, 24)
    down_right = moved(x, torch.tensor([[0.999, 0.999]]))  # an eighth: 2 and 3
    assert down_right[0, 0, :2].sum() == 0
    assert down_right[0, 0, :, :3].sum() == 0
    assert (down_right[0, 0, 2:, 3:] == 1).all()
    up_left = moved(x, torch.tensor([[0.0, 0.0]]))
    assert up_left.sum() == (16 - 2) * (24 - 3)


def test_the_hole_has_half_the_sides_and_may_lie_partly_outside():
    middle = hole(torch.zeros(1, 1, 16, 24), torch.tensor([[0.5, 0.5]]))
    assert middle.sum() == 8 * 12
    corner = hole(torch.zeros(1, 1, 16, 24), torch.tensor([[0.0, 0.0]]))
    assert corner.sum() == 4 * 6
    assert corner[0, 0, 0, 0]


def test_brightness_contrast_and_saturation_do_what_they_say():
    x = torch.rand(2, 3, 8, 8)
    draws = torch.tensor([[1.0, 0.5, 0.5], [0.5, 0.0, 0.5]])
    brighter, grey = recoloured(x, draws)
    assert torch.allclose(brighter, x[0] + 0.5, atol=1e-6)
    assert grey.std(0).max() < 1e-6
    flat = recoloured(x, torch.tensor([[0.5, 0.5, 0.0]]).expand(2, 3))
    assert torch.allclose(flat.std((1, 2, 3)), 0.5 * x.std((1, 2, 3)), atol=1e-5)


@pytest.mark.parametrize("kinds", [("translation",), ("cutout",), ("colour",), ("translation", "cutout", "colour")])
def test_gradients_flow_and_the_same_draws_give_the_same_picture(kinds):
    augment, draws = Augment(PICTURE, kinds), torch.rand(5, DRAWS)
    x = (torch.rand(5, 3, 16, 24) * 2 - 1).requires_grad_()
    out = augment(x, draws)
    assert out.shape == x.shape
    assert torch.equal(out, augment(x, draws))
    out.square().sum().backward()
    assert (x.grad.flatten(1).abs().sum(1) > 0).all()


def test_what_is_cut_out_is_the_middle_of_the_range():
    x = torch.full((1, 1, 16, 16), 9.0)
    out = Augment(Dense((1, 16, 16), 0.0, 10.0), ("cutout",))(x, torch.full((1, DRAWS), 0.5))
    assert set(out.unique().tolist()) == {5.0, 9.0}
