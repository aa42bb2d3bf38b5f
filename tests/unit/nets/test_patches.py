"""Patches cover x without overlap; the Transformer over them starts plain and sees everything."""

import math

import pytest
import torch

from conjure.core.space import Category, Columns
from conjure.nets.field import Field, Plan, refusal
from conjure.nets.patches import Patches, PatchTransformer, fitting

SHAPES = [((12,), 3), ((12, 5), 4), ((2, 6, 8), 2), ((3, 2, 6, 4), 2)]
LABEL = Columns((Category("label", 3),))


@pytest.mark.parametrize(("shape", "side"), SHAPES)
def test_joined_patches_are_x(shape, side):
    x, patches = torch.randn(4, *shape), Patches(shape, side)
    cut = patches.cut(x)
    assert cut.shape == (4, patches.tokens, patches.numbers)
    assert patches.tokens * patches.numbers == math.prod(shape)
    assert torch.equal(patches.join(cut), x)


def test_a_patch_is_a_square_of_the_picture():
    x = torch.arange(2 * 4 * 6).view(1, 2, 4, 6)
    cut = Patches((2, 4, 6), 2).cut(x)
    assert torch.equal(cut[0, 4], x[0, :, 2:4, 2:4].flatten())


@pytest.mark.parametrize(
    ("shape", "side"), [((28, 28), 4), ((32, 32), 4), ((8, 8), 1), ((64, 64), 8), ((97, 97), 1), ((20, 28), 4)]
)
def test_the_patch_that_fits_a_picture(shape, side):
    assert fitting((3, *shape)) == side
    assert fitting((5, 3, *shape)) == side


@pytest.mark.parametrize(("length", "side"), [(64, 1), (65, 5), (96, 2), (720, 12), (97, 1), (6, 1)])
def test_the_patch_that_fits_a_series(length, side):
    assert fitting((length, 7)) == fitting((length,)) == side


@pytest.mark.parametrize(("shape", "side"), SHAPES)
def test_every_number_sees_every_other_once_blocks_have_moved(shape, side):
    torch.manual_seed(0)
    net = PatchTransformer(Patches(shape, side), 16, 1, 2, 8)
    x, context = torch.randn(1, *shape), torch.randn(1, 8)
    plain = torch.autograd.functional.jacobian(lambda x: net(x, context)[0].flatten()[0], x)[0]
    near = Patches(shape, side).cut(plain[None])[0]
    assert (near[0] != 0).all()
    assert (near[1:] == 0).all()  # gates are shut: each patch by itself
    for block in net.blocks:
        torch.nn.init.normal_(block.modulation.weight, std=0.3)
    assert (torch.autograd.functional.jacobian(lambda x: net(x, context)[0].flatten()[0], x) != 0).all()


def test_attention_is_softmax_of_scaled_products():
    torch.manual_seed(0)
    block = PatchTransformer(Patches((6,), 1), 16, 1, 2, 8).blocks[0]
    x = torch.randn(3, 6, 16)
    q, k, v = (a.unflatten(-1, (2, 8)).transpose(1, 2) for a in block.query_key_value(x).chunk(3, -1))
    expected = block.out(torch.nn.functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))
    assert torch.allclose(block._attend(x), expected, atol=1e-5)


def test_a_field_by_transformer_takes_time_and_condition():
    torch.manual_seed(0)
    field = Field((12, 2), LABEL, Plan(width=16, layers=1, heads=2))
    assert isinstance(field.net, PatchTransformer)
    torch.nn.init.normal_(field.net.last.weight)
    x, label = torch.randn(2, 12, 2), torch.tensor([[0], [1]])
    one = field(x, torch.tensor([0.2, 0.2]), label)
    assert one.shape == x.shape
    assert not torch.allclose(one, field(x, torch.tensor([0.7, 0.7]), label))
    assert not torch.allclose(one, field(x, torch.tensor([0.2, 0.2]), 2 - label))


def test_plans_that_cannot_be_are_refused():
    assert refusal((12, 2), Plan(patch=4)) is None
    assert "does not divide 12 x 2" in refusal((12, 2), Plan(patch=5))
    assert "heads" in refusal((12, 2), Plan(width=30, heads=4))
    assert "pictures" in refusal((12, 2), Plan(net="unet"))
    assert "four dimensions" in refusal((2, 2, 2, 2, 2), Plan(net="transformer"))
    assert refusal((2, 2, 2, 2, 2), Plan()) is None
