"""The recurrent network learns a language of known entropy."""

from __future__ import annotations

import pytest

from conjure.core.space import Tokens
from conjure.domains.protocol import Encoded
from conjure.models.recurrent import Recurrent
from conjure.objectives.likelihood import Likelihood
from conjure.training.data import Examples
from conjure.training.settings import Training
from conjure.training.trainer import Trainer
from tests.learning.languages import chain, truth


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_it_comes_within_two_percent_of_the_entropy(cell):
    """About five seconds of training on one core for each cell."""
    stream, odds = chain(12, 60_000)
    kept, held_out = stream[:50_000], stream[50_000:]
    model = Recurrent(Tokens(12, (32,), stream=True), None, Recurrent.Config(cell=cell, width=32))
    training = Training(steps=400, batch=16, rate=0.02, schedule="linear", threads=1)
    data = tuple(Examples(Encoded(part, window=32)) for part in (kept, held_out))
    found = Trainer(Likelihood(model, Likelihood.Config()), training, data).run()["held_out_loss"]
    best = truth(held_out, odds)
    assert found > best - 0.01  # below the truth there is only leakage
    assert found < 1.02 * best
