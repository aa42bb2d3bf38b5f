"""Reading in C: the modules' numbers, and the same bits whatever else is read beside."""

from __future__ import annotations

import pytest
import torch

from conjure.core.space import Tokens
from conjure.models.llm import LLM
from conjure.nets.compiled import library
from conjure.nets.lora import adapters, add_lora, without_lora
from conjure.nets.rounding import BLOCK, round_blocks
from conjure.nets.stepping import Pace
from tests.unit.models.test_llm import SHAPES

pytestmark = pytest.mark.skipif(library("language") is None, reason="needs a C compiler")
KINDS = {"fp32": 1e-4, "bf16": 0.02, "int8": 0.03}


def made(shape: str, kind: str, width: int = 48, vocab: int = 83) -> LLM:
    torch.manual_seed(0)
    config = LLM.Config(layers=2, width=width, heads=4, hidden=72, **SHAPES[shape])
    model = LLM(Tokens(vocab, (96,), None, True), None, config).eval()
    with torch.no_grad():  # as large as trained weights, so that rounding shows
        for p in model.parameters():
            p.mul_(4) if p.ndim > 1 else p.add_(0.1 * torch.randn(p.shape))
    model.round_weights(kind) if kind != "fp32" else None
    return model


def text(n: int, seed: int) -> torch.Tensor:
    return torch.randint(83, (n,), generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_c_gives_the_numbers_of_the_modules(shape: str, kind: str):
    model, x = made(shape, kind), torch.stack([text(21, 1), text(21, 2)])
    expected = model.logits(model._hidden(x, None))[:, -1]
    reading = model.begin(2, room=4)
    assert reading.stepping is not None
    model.read(x[:, :13], reading)
    for place in range(13, 21):
        found = model.read(x[:, place : place + 1], reading)
    scale = expected.abs().max()
    assert (found - expected).abs().max() <= KINDS[kind] * scale


@pytest.mark.parametrize("width", [48, 128])  # heads of 12 channels, and of a whole vector's 32
@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_the_batch_the_cut_and_the_threads_change_no_bit(kind: str, width: int):
    model, texts = made("llama", kind, width), [text(n, n) for n in (30, 9, 17, 3, 22, 11, 5)]

    def alone(x: torch.Tensor) -> torch.Tensor:
        reading = model.begin(1)
        return model.read(x[None], reading)[0]

    expected = torch.stack([alone(x) for x in texts])
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        reading, cut = model.begin(len(texts), room=2), torch.tensor([2, 1, 9, 2, 21, 1, 4])
        begun = torch.stack([torch.cat([x[:n], x.new_zeros(22 - n)]) for x, n in zip(texts, cut.tolist())])
        model.read(begun, reading, cut)
        rest = [x[n:] for x, n in zip(texts, cut.tolist())]
        longest = max(map(len, rest))
        filled = torch.stack([torch.cat([x, x.new_zeros(longest - len(x))]) for x in rest])
        found = model.read(filled, reading, torch.tensor([len(x) for x in rest]))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(found, expected)


@torch.no_grad()
def test_a_prompt_longer_than_one_call_is_read_in_parts():
    model, x = made("llama", "fp32"), text(1100, 5)
    expected = model.logits(model._hidden(x[None], None))[0, -1]
    torch.testing.assert_close(model.read(x[None], model.begin(1))[0], expected, atol=1e-3, rtol=1e-3)


@torch.no_grad()
def test_weights_that_moved_are_read_anew():
    model, x = made("llama", "fp32"), text(5, 1)[None]
    model.read(x, model.begin(1))
    model.trunk.layers[0].feed.up.weight.mul_(2)
    expected = model.logits(model._hidden(x, None))[:, -1]
    torch.testing.assert_close(model.read(x, model.begin(1)), expected, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_adapters_are_read_with_the_weights_unless_disabled():
    model, x = made("llama", "fp32"), text(9, 1)[None]
    before = model.read(x, model.begin(1))
    add_lora(model, 2, 4.0)
    for part in adapters(model).values():
        part.lora_B.normal_(std=0.1, generator=torch.Generator().manual_seed(3))
    expected = model.logits(model._hidden(x, None))[:, -1]
    reading = model.begin(1)
    assert reading.stepping is not None
    torch.testing.assert_close(model.read(x, reading), expected, atol=1e-4, rtol=1e-4)
    assert (expected - before).abs().max() > 0.01
    with without_lora(model):
        assert torch.equal(model.read(x, model.begin(1)), before)


def test_the_quicker_number_of_threads_is_kept(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    pace, asked = Pace(), []
    for _ in range(20):
        asked.append(pace.threads(1))
        pace.note(1, asked[-1], 0.01 if asked[-1] == 1 else 0.02)
    assert sorted(asked[:8]) == [1] * 4 + [2] * 4
    assert asked[8:] == [1] * 12
    assert pace.threads(100) == 2


def test_blocks_of_weights_are_rounded_by_half_a_step_at_most():
    weight = torch.randn(7, 3 * BLOCK, generator=torch.Generator().manual_seed(0))
    weight[2, :BLOCK] = 0
    codes, steps = round_blocks(weight)
    error = (codes.unflatten(1, (-1, BLOCK)) * steps.unsqueeze(2)).flatten(1) - weight
    assert (error.abs() <= 0.5001 * steps.repeat_interleave(BLOCK, 1)).all()
    assert codes.abs().max() <= 127
    assert torch.equal(steps, steps.bfloat16().float())
