"""Many processes take one mean: each counts for as many symbols as it holds."""

from __future__ import annotations

import pytest
import torch

from conjure.core.batch import Batch
from conjure.core.space import Tokens
from conjure.models.llm import LLM
from conjure.objectives import likelihood
from conjure.objectives.likelihood import Likelihood


def test_unequal_shares_of_a_batch_add_up_to_its_mean(monkeypatch: pytest.MonkeyPatch):
    torch.manual_seed(0)
    model = LLM(Tokens(11, (16,), None, True), None, LLM.Config(layers=1, width=16, heads=2))
    goal = Likelihood(model, Likelihood.Config())
    x, mask = torch.randint(11, (4, 16)), torch.rand(4, 16) < 0.5
    mask[::2, :12] = False  # what falls to the first process
    parts = (torch.arange(16) >= 7).long().expand(4, -1)
    whole = Batch(x, mask, parts=parts)
    alone = goal.loss(whole)[0]
    counts = [model.symbols(*(t[rank::2] for t in (x, mask, parts))) for rank in (0, 1)]
    assert counts[0] < counts[1]
    monkeypatch.setattr(likelihood, "world", lambda: 2)
    monkeypatch.setattr(likelihood, "total", lambda own: sum(counts).float())
    shares = [goal.loss(whole.rows(torch.arange(rank, 4, 2)))[0] for rank in (0, 1)]
    torch.testing.assert_close(sum(shares) / 2, alone)
