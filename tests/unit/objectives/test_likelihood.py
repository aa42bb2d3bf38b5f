"""Maximum likelihood is the mean over symbols that count, whoever computes it; counting takes no step."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from conjure.core.batch import Batch
from conjure.core.space import Tokens
from conjure.models.decoder import Decoder
from conjure.models.markov import Markov
from conjure.models.protocol import Model
from conjure.objectives.counting import Counting
from conjure.objectives.likelihood import Likelihood


class Coin(Model):
    """Independent tokens with learned odds, and nothing but log_prob."""

    def __init__(self, odds):
        super().__init__(Tokens(2, (4,)), None, None)
        self.logits = nn.Parameter(torch.tensor(odds).log())

    def log_prob(self, x, given=None, mask=None):
        nats = self.logits.log_softmax(0)[x]
        return (nats if mask is None else nats * mask).sum(1)


def test_it_is_the_mean_nats_a_symbol():
    x = torch.tensor([[0, 0, 1, 0], [1, 1, 1, 0]])
    goal = Likelihood(Coin([0.25, 0.75]), Likelihood.Config())
    (move,) = goal.moves(Batch(x))
    assert move.player == "model"
    assert move.loss.item() == pytest.approx(-(4 * math.log(0.25) + 4 * math.log(0.75)) / 8)
    mask = torch.tensor([[True, True, False, False], [True, False, False, False]])
    assert goal.loss(Batch(x, mask))[0].item() == pytest.approx(-(2 * math.log(0.25) + math.log(0.75)) / 3)


def test_a_models_own_mean_is_the_same_mean():
    x, config = torch.randint(3, (5, 6)), Decoder.Config(width=8, heads=2)
    goal = Likelihood(Decoder(Tokens(3, (6,)), None, config), Likelihood.Config())
    assert goal.quick
    slow = -goal.model.log_prob(x).sum() / x.numel()
    assert goal.loss(Batch(x))[0].item() == pytest.approx(slow.item(), abs=1e-6)


def test_counting_asks_for_no_gradient_and_learns_from_every_batch():
    goal = Counting(Markov(Tokens(3, (4,)), None, Markov.Config(2)), Counting.Config())
    x = torch.tensor([[0, 1, 2, 0]])
    before = goal.validate(Batch(x))["loss"].item()
    assert before == pytest.approx(math.log(3), abs=1e-6)
    for _ in range(2):
        (move,) = goal.moves(Batch(x))
        assert not move.loss.requires_grad
    assert goal.validate(Batch(x))["loss"].item() < before
    assert goal.model.state_dict()["counts"].tolist() == [2, 2, 2, 2]
    assert not Counting.pure
