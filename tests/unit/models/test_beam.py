"""Beam search against the best of all sequences, and its rules about length and repetition."""

from __future__ import annotations

import pytest
import torch

from conjure.core.space import Tokens
from conjure.models.beam import Beam, search, without_repeats
from tests.unit.models.test_seq2seq import every_ended, stirred

SPACE = Tokens(4, (5,), end=0)
ASKED = torch.tensor([[1, 2, 0], [3, 1, 1], [0, 0, 0], [2, 2, 3]])


@pytest.fixture(scope="module")
def model():
    return stirred(SPACE, Tokens(4, (3,), end=0))


@pytest.mark.parametrize("penalty", [0.0, 0.6, 2.0])
def test_a_beam_wide_enough_finds_the_best_of_all(model, penalty):
    every = every_ended(SPACE)
    lengths = torch.where((every == 0).any(1), (every == 0).int().argmax(1) + 1, SPACE.length)
    found = search(model, ASKED, Beam(400, penalty, 0))
    for asked, answer in zip(ASKED, found):
        nats = model.log_prob(every, asked.expand(len(every), -1))
        worth = nats / ((5 + lengths) / 6) ** penalty
        assert torch.equal(answer, every[worth.argmax()])


def test_a_wider_beam_finds_nothing_less_probable(model):
    nats = [model.log_prob(search(model, ASKED, Beam(width, 0.0, 0)), ASKED).sum().item() for width in (1, 3, 9, 400)]
    assert nats[0] <= nats[1] + 1e-5
    assert nats[1] <= nats[-1] + 1e-5
    assert nats[2] <= nats[-1] + 1e-5


def test_sentences_do_not_disturb_each_other(model):
    together = search(model, ASKED, Beam(3, 1.0, 0))
    alone = [search(model, ASKED[i : i + 1], Beam(3, 1.0, 0)) for i in range(len(ASKED))]
    assert torch.equal(together, torch.cat(alone))
    assert SPACE.contains(together)


def test_the_penalty_lengthens(model):
    lengths = [(search(model, ASKED, Beam(50, p, 0)) != 0).sum().item() for p in (0.0, 1.0, 4.0)]
    assert lengths == sorted(lengths)
    assert lengths[0] < lengths[-1]


def test_a_run_of_four_stands_no_more_often_than_allowed():
    model = stirred(Tokens(3, (40,)), Tokens(3, (2,)))
    answer = search(model, torch.tensor([[1, 1], [2, 0]]), Beam(4, 1.0, 2))
    for row in answer.tolist():
        runs = list(zip(row, row[1:], row[2:], row[3:]))
        assert max(runs.count(run) for run in runs) <= 2


def test_only_a_token_that_ends_one_run_too_many_is_forbidden():
    tokens = torch.tensor([[[1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3]]])
    odds = without_repeats(torch.zeros(1, 1, 6), tokens, 2)
    assert odds.isinf().nonzero()[:, 2].tolist() == [4]
    assert torch.equal(without_repeats(torch.zeros(1, 1, 6), tokens, 3), torch.zeros(1, 1, 6))
