"""Networks between spaces and vectors, and the wide form of columns."""

import pytest
import torch

from conjure.core.space import Category, Columns, Dense, Number
from conjure.nets.columns import ColumnEmbedding, Layout
from conjure.nets.conv import scales
from conjure.nets.ends import Reader, Sizes, Writer

ROWS = Columns((Category("a", 3), Number("n"), Category("b", 2)))
LABEL = Columns((Category("label", 4),))
SMALL = Sizes(16, 1, 4, norm=False)
SPACES = [Dense((2,)), Dense((1, 8, 8)), Dense((3, 13, 18)), Dense((1, 28, 28)), Dense((3, 64, 48)), ROWS]


def some(space, n):
    if isinstance(space, Dense):
        return torch.randn(n, *space.shape)
    return torch.stack([torch.randint(s, (n,)).float() if s else torch.randn(n) for s in space.sizes], 1)


@pytest.mark.parametrize("space", SPACES, ids=str)
@pytest.mark.parametrize("given", [None, LABEL])
def test_a_writer_fills_the_space_and_a_reader_empties_it(space, given):
    codes = None if given is None else torch.randint(4, (3, 1))
    written = Writer(space, given, 5, SMALL, 1)(torch.randn(3, 5), codes)
    assert written.shape == ((3, 6) if space is ROWS else (3, 1, *space.shape))
    assert Reader(space, given, 7, SMALL)(some(space, 3), codes).shape == (3, 7)


@pytest.mark.parametrize("space", [Dense((2,)), Dense((1, 16, 16)), ROWS], ids=str)
@pytest.mark.parametrize("norm", [True, False])
def test_no_example_sees_another(space, norm):
    reader, x = Reader(space, None, 3, Sizes(16, 1, 4, norm)), some(space, 6)
    assert torch.allclose(reader(x, None)[2:3], reader(x[2:3], None), atol=1e-5)


@pytest.mark.parametrize("space", [Dense((2,)), Dense((1, 16, 16)), ROWS], ids=str)
def test_the_condition_changes_the_answer(space):
    reader, writer, x = Reader(space, LABEL, 3, SMALL), Writer(space, LABEL, 5, SMALL), some(space, 1)
    one, two = torch.tensor([[0]]), torch.tensor([[3]])
    assert not torch.allclose(reader(x, one), reader(x, two))
    assert not torch.allclose(writer(torch.ones(1, 5), one), writer(torch.ones(1, 5), two))


def test_sides_are_halved_and_rounded_up():
    assert scales(28, 28) == [(28, 28), (14, 14), (7, 7), (4, 4)]
    assert scales(12, 48) == [(12, 48), (6, 24), (3, 12)]


def test_the_wide_form_is_one_hot_and_back():
    layout, row = Layout(ROWS), torch.tensor([[2.0, -1.5, 0.0]])
    assert layout.widen(row).tolist() == [[0, 0, 1, -1.5, 1, 0]]
    assert torch.equal(layout.narrow(layout.widen(row)), row)


def test_rows_of_codes_come_back_as_integers():
    space = Columns((Category("a", 3), Category("b", 2)))
    row = torch.tensor([[1, 1]])
    assert torch.equal(Layout(space).narrow(Layout(space).widen(row)), row)


def test_an_embedding_is_the_wide_form_times_its_matrix():
    embedding, x = ColumnEmbedding(ROWS, 8), some(ROWS, 5)
    assert torch.allclose(embedding(x), embedding.layout.widen(x) @ embedding.embed, atol=1e-6)
