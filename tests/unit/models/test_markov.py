"""The n-gram model: Kneser-Ney by hand, probabilities that sum to one, draws as frequent as probable."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

from conjure.core.space import Tokens
from conjure.models.markov import Markov


def learnt(space, rows, order):
    model = Markov(space, None, Markov.Config(order))
    model.observe(torch.tensor(rows))
    return model


def test_kneser_ney_by_hand():
    """Bigrams (^, 0), (0, 1), (1, 1), each once: D = 4/6. Tokens 0 and 1 follow 1 and 2 tokens: D = 2/6.

    P(0) = (1 - 1/3)/3 + 2/9/2 = 1/3 and P(1) = 2/3, so P(0|^) = 1/3 + 2/3 1/3 and P(1|0) = P(1|1) = 1/3 + 2/3 2/3.
    """
    model = learnt(Tokens(2, (3,)), [[0, 1, 1]], 2)
    assert model.log_prob(torch.tensor([[0, 1, 1]])).item() == pytest.approx(math.log(5 / 9 * 7 / 9 * 7 / 9), abs=1e-6)
    # 0 was never seen after 1: 2/3 P(0)
    assert model.log_prob(torch.tensor([[0, 1, 0]])).item() == pytest.approx(math.log(5 / 9 * 7 / 9 * 2 / 9), abs=1e-6)


@pytest.mark.parametrize("order", [1, 2, 3, 6])
@pytest.mark.parametrize("end", [None, 0])
def test_probabilities_of_every_sequence_sum_to_one(order, end):
    space = Tokens(3, (4,), end=end)
    every = torch.tensor([s for s in itertools.product(range(3), repeat=4) if space.contains(torch.tensor([s]))])
    model = learnt(space, [[1, 2, 0, 0], [1, 1, 2, 0], [2, 2, 2, 2]], order)
    assert model.log_prob(every).double().exp().sum().item() == pytest.approx(1, abs=1e-5)
    blank = Markov(space, None, Markov.Config(order))
    assert blank.log_prob(every).double().exp().sum().item() == pytest.approx(1, abs=1e-5)


def test_samples_are_as_frequent_as_they_are_probable():
    model = learnt(Tokens(2, (3,)), [[0, 1, 1], [0, 0, 1], [1, 0, 1]], 3)
    every = torch.tensor(list(itertools.product(range(2), repeat=3)))
    drawn = model.sample(20_000, rng=torch.Generator().manual_seed(0))
    share = (drawn[:, None] == every).all(-1).float().mean(0)
    torch.testing.assert_close(share, model.log_prob(every).exp(), atol=0.012, rtol=0)


def test_counting_in_parts_is_counting_at_once():
    rows = torch.randint(5, (40, 12), generator=torch.Generator().manual_seed(0))
    whole, parts = (Markov(Tokens(5, (12,)), None, Markov.Config(4)) for _ in range(2))
    whole.observe(rows)
    for part in rows.split(7):
        parts.observe(part)
        parts.log_prob(rows[:1])
    assert torch.equal(whole.log_prob(rows), parts.log_prob(rows))
    assert torch.equal(whole.state_dict()["counts"], parts.state_dict()["counts"])


def test_the_first_token_of_a_window_is_context_only():
    model = learnt(Tokens(3, (4,), stream=True), [[0, 1, 2, 0, 1], [1, 2, 0, 1, 2]], 3)
    every = torch.tensor(list(itertools.product(range(3), repeat=4)))
    sums = [model.log_prob(every[every[:, 0] == first]).double().exp().sum().item() for first in range(3)]
    assert sums == pytest.approx([1, 1, 1], abs=1e-5)


def test_a_prompt_is_kept():
    model = learnt(Tokens(3, (5,), stream=True), [[0, 1, 2, 0, 1]], 3)
    drawn = model.sample(4, given=torch.tensor([[0, 1, -1, -1, -1, -1, -1]]), rng=torch.Generator().manual_seed(0))
    assert drawn.shape == (4, 7)
    assert (drawn[:, :2] == torch.tensor([0, 1])).all()


def test_too_high_an_order_is_refused():
    assert "order" in Markov.refuses(Tokens(1000, (8,)), None, Markov.Config(7))
    assert Markov.refuses(Tokens(1000, (8,)), None, Markov.Config(6)) is None
