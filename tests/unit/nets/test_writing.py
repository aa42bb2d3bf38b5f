"""One place at a time in C: the very numbers of the modules, for any shape, rounded or not."""

from __future__ import annotations

import pytest
import torch

from conjure.core.space import Category, Columns, Tokens
from conjure.models.decoder import Decoder
from conjure.nets import compiled, writing
from conjure.nets.rounding import round_rows

CONFIGS = [
    Decoder.Config(layers=2, width=48, heads=3, ngrams=(2, 3), slots=61),
    Decoder.Config(layers=1, width=36, heads=6, groups=2, positions="learned", expansion=3.5),
    Decoder.Config(layers=2, width=160, heads=1, positions="sinusoidal"),
]
needs_compiler = pytest.mark.skipif(compiled.library("writing") is None, reason="no C compiler")


def stirred(config, space=None, given=None):
    model = Decoder(space or Tokens(19, (40,), stream=True), given, config)
    rng = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.3 * torch.randn(p.shape, generator=rng) / p.shape[-1] ** 0.5)
    return model.eval()


@torch.no_grad()
def stepwise(model, x, given=None):
    """Logits (N, T, V) by reading one token after the other, and the reading."""
    reading = model.begin(len(x), given)
    return torch.stack([model.read(x[:, t : t + 1], reading) for t in range(x.shape[1])], 1), reading


def tokens(n, length=35):
    return torch.randint(19, (n, length), generator=torch.Generator().manual_seed(n))


@needs_compiler
@pytest.mark.parametrize("rows", [1, 3, 4, 5, 16, 19])
@pytest.mark.parametrize("config", CONFIGS)
def test_it_equals_reading_at_once(config, rows):
    model, x = stirred(config), tokens(rows)
    steps, reading = stepwise(model, x)
    assert reading.writing is not None
    with torch.no_grad():
        at_once = model.logits(model._hidden(x, None))
    torch.testing.assert_close(steps, at_once, atol=1e-5, rtol=1e-4)


def test_without_a_compiler_the_modules_give_the_same(monkeypatch):
    model, x = stirred(CONFIGS[0]), tokens(2)
    one, _ = stepwise(model, x)
    monkeypatch.setattr(writing, "library", lambda name: None)
    other, reading = stepwise(model, x)
    assert reading.writing is None
    torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("rows", [1, 6])
def test_rounded_weights_are_read_and_scored_alike(rows):
    model, x = stirred(CONFIGS[0]), tokens(rows)
    before, _ = stepwise(model, x)
    model.round_weights()
    steps, _ = stepwise(model, x)
    with torch.no_grad():
        at_once = model.logits(model._hidden(x, None))
    torch.testing.assert_close(steps, at_once, atol=1e-5, rtol=1e-4)
    assert 0 < (steps - before).abs().max() < 0.2 * before.abs().max()


def test_labels_and_starts_of_their_own_reach_the_writer():
    labels = Columns((Category("label", 3),))
    model = stirred(CONFIGS[1], Tokens(19, (5, 8)), labels)
    x, given = tokens(2, 40).view(2, 5, 8), torch.tensor([[0], [2]])
    with torch.no_grad():
        whole = model.logits(model._predict(x, given, None)[0])
        reading = model.begin(2, given)
        first = model.read(x.flatten(1)[:, :0], reading)
        steps = [first, *(model.read(x.flatten(1)[:, t : t + 1], reading) for t in range(39))]
    torch.testing.assert_close(torch.stack(steps, 1), whole, atol=1e-5, rtol=1e-4)


def test_gradients_are_never_lost_to_it():
    model = stirred(CONFIGS[0])
    reading = model.begin(1)
    logits = model.read(torch.tensor([[1]]), reading)
    assert reading.writing is None
    assert logits.requires_grad


def test_rows_are_whole_numbers_of_their_steps():
    weight = torch.tensor([[1.0, -0.5, 0.26], [0.0, 0.0, 0.0], [-12.7, 0.1, 0.04]])
    codes, steps = round_rows(weight)
    assert codes.tolist() == [[127, -64, 33], [0, 0, 0], [-127, 1, 0]]
    assert steps[0].item() == pytest.approx(1 / 127)
    assert steps[2].item() == pytest.approx(0.1)
    torch.testing.assert_close(codes * steps[:, None], weight, atol=0.05, rtol=0)
