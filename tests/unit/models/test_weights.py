"""Weights kept as they are or in bytes: who takes it, and what a wrong word is told."""

from __future__ import annotations

import pytest
import torch

from conjure.core.errors import ConfigError
from conjure.core.space import Dense, Tokens
from conjure.models.decoder import Decoder
from conjure.models.flow import Flow
from conjure.models.weights import keep_weights


def test_bytes_are_for_decoders():
    model = Decoder(Tokens(5, (8,)), None, Decoder.Config(layers=1, width=16, heads=2))
    torch.nn.init.normal_(model.head.weight)
    before = model.head.weight.detach().clone()
    keep_weights(model, "fp32")
    assert torch.equal(model.head.weight, before)
    keep_weights(model, "int8")
    steps = model.head.weight.detach() / model.head.steps[:, None]
    torch.testing.assert_close(steps, steps.round(), atol=1e-4, rtol=0)
    assert "head.codes" not in model.state_dict()


def test_others_and_unknown_kinds_are_refused():
    flow = Flow(Dense((2,)), None, Flow.Config(width=8, layers=1))
    with pytest.raises(ConfigError, match="a Flow keeps its weights in fp32"):
        keep_weights(flow, "int8")
    with pytest.raises(ConfigError, match="did you mean 'int8'"):
        keep_weights(flow, "int4")
