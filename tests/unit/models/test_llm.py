"""The published shapes read in any batches what they score in one."""

from __future__ import annotations

import pytest
import torch

from conjure.core.space import Tokens
from conjure.models.llm import LLM

SHAPES = {
    "llama": {"groups": 2},
    "qwen": {"groups": 2, "query_bias": True, "query_norm": True, "channels": 12},
    "mistral": {"groups": 1, "window": 5, "tied": False},
    "gpt2": {"norm": "layer", "gated": False, "positions": "learned", "out_bias": True, "feed_bias": True},
    "long": {"stretch": (8.0, 1.0, 4.0, 16.0)},
}


def made(shape: str) -> LLM:
    torch.manual_seed(0)
    config = LLM.Config(layers=2, width=32, heads=4, **SHAPES[shape])
    return LLM(Tokens(50, (64,), None, True), None, config).eval()


@pytest.mark.parametrize("shape", SHAPES)
@torch.no_grad()
def test_rows_of_unequal_length_are_read_as_each_alone(shape: str):
    model, rng = made(shape), torch.Generator().manual_seed(1)
    texts = [torch.randint(50, (n,), generator=rng) for n in (17, 3, 9)]
    whole = [model.logits(model._hidden(t[None], None))[0, -1] for t in texts]
    reading, first = model.begin(3, room=4), torch.tensor([5, 1, 6])
    begun = torch.stack([torch.cat([t[:n], t.new_zeros(6 - n)]) for t, n in zip(texts, first.tolist())])
    model.read(begun, reading, first)
    for row in (2, 0, 1):  # one at a time, then token by token
        rest = texts[row][int(first[row]) :]
        if len(rest) > 3:
            model.read(rest[None, :-3], reading, rows=torch.tensor([row]))
            rest = rest[-3:]
        for token in rest:
            logits = model.read(token.view(1, 1), reading, rows=torch.tensor([row]))
        torch.testing.assert_close(logits[0], whole[row], atol=1e-5, rtol=1e-4)
    assert reading.counts.tolist() == [17, 3, 9]


@torch.no_grad()
def test_documents_behind_each_other_do_not_see_each_other():
    model, rng = made("llama"), torch.Generator().manual_seed(1)
    one, two = (torch.randint(50, (n,), generator=rng) for n in (7, 5))
    row = torch.cat([one, two])[None]
    places = torch.cat([torch.arange(7), torch.arange(5)])[None]
    parts = torch.tensor([[0] * 7 + [1] * 5])
    packed = model.trunk(model.embed(row), places, parts)
    apart = torch.cat([model._hidden(one[None], None), model._hidden(two[None], None)], 1)
    torch.testing.assert_close(packed, apart, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_rows_may_come_in_any_order_and_with_as_many_logits_as_are_wanted():
    model, rng = made("llama"), torch.Generator().manual_seed(1)
    texts = torch.randint(50, (3, 8), generator=rng)
    for stepping in (True, False):
        reading, order = model.begin(3, room=4), torch.tensor([2, 0, 1])
        reading.stepping = reading.stepping if stepping else None
        model.read(texts[:, :3], reading)
        lengths, wanted = torch.tensor([5, 2, 4]), torch.tensor([3, 0, 1])
        found = model.read(texts[order, 3:], reading, lengths, order, wanted)
        whole = [
            model.logits(model._hidden(texts[row, : 3 + n][None], None))[0] for row, n in zip((2, 0, 1), (5, 2, 4))
        ]
        expected = torch.cat([part[len(part) - n :] for part, n in zip(whole, (3, 0, 1))])
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)
        assert reading.counts.tolist() == [5, 7, 8]
        reading.copy(2, 0, 6)
        reading.rewind(1, 6)
        again = model.read(torch.stack([texts[2, 6:], texts[1, 6:]]), reading, rows=torch.tensor([0, 1]))
        for row, text in zip(again, (texts[2], texts[1])):
            torch.testing.assert_close(row, model.logits(model._hidden(text[None], None))[0, -1], atol=1e-5, rtol=1e-4)
