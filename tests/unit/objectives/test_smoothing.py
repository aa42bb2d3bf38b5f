"""Label smoothing: trained on doubt, judged in plain nats."""

from __future__ import annotations

import pytest
import torch

from conjure.core.batch import Batch
from conjure.core.errors import ConfigError
from conjure.core.space import Tokens
from conjure.models.decoder import Decoder
from conjure.models.seq2seq import Seq2Seq
from conjure.objectives.smoothing import Smoothing


def test_training_is_smoothed_and_validation_is_not():
    torch.manual_seed(0)
    model = Seq2Seq(Tokens(4, (3,)), Tokens(4, (3,)), Seq2Seq.Config(layers=(1, 1), width=16, heads=2)).eval()
    batch = Batch(torch.tensor([[1, 2, 3]]), given=torch.tensor([[3, 2, 1]]))
    goal = Smoothing(model, Smoothing.Config(smoothing=0.3))
    plain = -model.log_prob(batch.x, batch.given) / 3
    assert goal.validate(batch)["loss"].item() == pytest.approx(plain.item(), abs=1e-6)
    assert goal.loss(batch)[0].item() == pytest.approx(
        model.smoothed_nats(batch.x, batch.given, None, 0.3).item(), abs=1e-6
    )
    assert abs(goal.loss(batch)[0].item() - plain.item()) > 1e-3


def test_what_cannot_be_smoothed_is_refused():
    assert "smoothed_nats" in Smoothing.refuses(Decoder)
    with pytest.raises(ConfigError, match="smoothing"):
        Smoothing.Config(smoothing=1.0)
