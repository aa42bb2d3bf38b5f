"""The encoder-decoder: probabilities that sum to one, padding that means nothing, cached equal to full decoding."""

from __future__ import annotations

import itertools

import pytest
import torch

from conjure.core.errors import ConfigError
from conjure.core.space import Tokens
from conjure.models.beam import Beam
from conjure.models.decoding import Choice
from conjure.models.seq2seq import Seq2Seq, by_length, up_to

SPACE, GIVEN = Tokens(4, (4,), end=0), Tokens(4, (6,), end=0)
SMALL = Seq2Seq.Config(layers=(2, 2), width=16, heads=2)
ASKED = torch.tensor([[1, 2, 0, 0, 0, 0], [3, 1, 1, 2, 3, 0], [0, 0, 0, 0, 0, 0]])


def stirred(space=SPACE, given=GIVEN, config=SMALL):
    """A model none of whose weights is zero, as after training."""
    model = Seq2Seq(space, given, config)
    rng = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.3 * torch.randn(p.shape, generator=rng))
    return model.eval()


def every_ended(space):
    rows = torch.tensor(list(itertools.product(range(space.vocab), repeat=space.length)))
    return rows[[space.contains(row[None]) for row in rows]]


@pytest.mark.parametrize(
    "config",
    [
        SMALL,
        Seq2Seq.Config(layers=(1, 2), width=16, heads=2, tied=False),
        Seq2Seq.Config(layers=(1, 1), width=16, heads=4, groups=2),
    ],
)
def test_probabilities_of_every_ended_sequence_sum_to_one(config):
    model, every = stirred(config=config), every_ended(SPACE)
    for asked in ASKED:
        total = model.log_prob(every, asked.expand(len(every), -1)).double().exp().sum().item()
        assert total == pytest.approx(1, abs=1e-5)


def test_padding_and_neighbours_change_no_probability():
    model = stirred()
    x = torch.tensor([[1, 2, 3, 3], [2, 0, 0, 0], [3, 0, 0, 0]])
    together = model.log_prob(x, ASKED)
    alone = [model.log_prob(x[i : i + 1], ASKED[i : i + 1]) for i in range(3)]
    torch.testing.assert_close(together, torch.cat(alone), atol=1e-5, rtol=0)
    shorter = model.log_prob(x[:1], ASKED[:1, :3])
    torch.testing.assert_close(shorter, together[:1], atol=1e-5, rtol=0)


def test_the_encoder_looks_both_ways_and_the_decoder_back():
    model = stirred(Tokens(4, (6,)), Tokens(4, (6,)))
    x, given = torch.tensor([[1, 2, 3, 1, 2, 3]]), torch.tensor([[1, 2, 3, 3, 2, 1]])

    def odds(x, given):
        (_, hidden, _, _) = next(iter(model._parts(x, given, torch.ones_like(x, dtype=torch.bool))))
        return model.logits(hidden).log_softmax(-1)[0]

    base = odds(x, given)
    last_source = given.clone()
    last_source[0, -1] = 2
    assert ((odds(x, last_source) - base).abs().amax(1) > 1e-6).all()
    changed = x.clone()
    changed[0, 3] = 2
    moved = (odds(changed, given) - base).abs().amax(1)
    assert moved[:4].max() < 1e-6
    assert moved[4] > 1e-6


@pytest.mark.parametrize("copies", [1, 3])
def test_reading_step_by_step_equals_reading_at_once(copies):
    model = stirred()
    x = torch.tensor([[1, 2, 3, 0], [3, 3, 0, 0], [2, 1, 1, 1]])
    at_once = torch.stack([model.log_prob(x[i : i + 1], ASKED[i : i + 1])[0] for i in range(3)])
    with torch.no_grad():
        rows = x.repeat_interleave(copies, 0)
        reading, total = model.begin(3 * copies, ASKED, copies), torch.zeros(3 * copies)
        tokens = rows[:, :0]
        counts = up_to(rows, 0)
        for t in range(4):
            odds = model.read(tokens, reading).log_softmax(-1)
            tokens = rows[:, t : t + 1]
            total += odds.gather(1, tokens)[:, 0] * counts[:, t]
    torch.testing.assert_close(total, at_once.repeat_interleave(copies), atol=1e-4, rtol=0)


def test_mean_nats_is_the_mean_over_places_up_to_the_end():
    model = stirred()
    x = torch.tensor([[1, 2, 3, 3], [2, 0, 0, 0], [3, 1, 0, 0]])
    places = 4 + 2 + 3
    assert model.mean_nats(x, ASKED).item() == pytest.approx(-model.log_prob(x, ASKED).sum().item() / places, abs=1e-5)
    mask = torch.arange(4).expand(3, 4) < 2
    assert model.mean_nats(x, ASKED, mask).item() == pytest.approx(
        -model.log_prob(x, ASKED, mask).sum().item() / 6, abs=1e-5
    )


def test_smoothing_mixes_in_the_mean_over_the_vocabulary():
    model = stirred()
    x = torch.tensor([[2, 0, 0, 0]])
    plain = model.mean_nats(x, ASKED[:1])
    with torch.no_grad():
        reading = model.begin(1, ASKED[:1])
        first = model.read(x[:, :0], reading).log_softmax(-1)
        second = model.read(x[:, :1], reading).log_softmax(-1)
    everywhere = -torch.cat([first, second]).mean()
    assert model.smoothed_nats(x, ASKED[:1], None, 0.2).item() == pytest.approx(
        (0.8 * plain + 0.2 * everywhere).item(), abs=1e-5
    )


def test_samples_are_as_frequent_as_they_are_probable():
    model = stirred(Tokens(2, (3,)), Tokens(2, (2,)))
    every = torch.tensor(list(itertools.product(range(2), repeat=3)))
    asked = torch.tensor([[0, 1]])
    drawn = model.sample(8000, given=asked, rng=torch.Generator().manual_seed(0))
    share = (drawn[:, None] == every).all(-1).float().mean(0)
    torch.testing.assert_close(share, model.log_prob(every, asked.expand(8, -1)).exp().detach(), atol=0.02, rtol=0)


def test_greedy_writing_is_the_narrowest_beam():
    model = stirred(Tokens(9, (7,), end=0), Tokens(9, (5,), end=0))
    asked = torch.randint(9, (12, 5), generator=torch.Generator().manual_seed(1))
    greedy = model.sample(12, given=asked, choice=Choice(temperature=0))
    assert torch.equal(greedy, model.best(asked, Beam(width=1, penalty=0.0, repeats=0)))


def test_rows_of_one_length_go_together_and_all_go():
    lengths = torch.tensor([5, 1, 4, 2, 3])
    groups = by_length(lengths, 2)
    assert [lengths[g].tolist() for g in groups] == [[1, 2], [3, 4], [5]]


@pytest.mark.parametrize(
    ("space", "given", "config", "word"),
    [
        (SPACE, None, {}, "given"),
        (Tokens(4, (2, 2)), SPACE, {}, "grids"),
        (SPACE, Tokens(5, (4,)), {}, "tied=false"),
        (SPACE, GIVEN, {"width": 30, "heads": 4}, "width"),
        (SPACE, GIVEN, {"heads": 4, "groups": 3}, "groups"),
    ],
)
def test_what_cannot_be_is_refused_by_name(space, given, config, word):
    assert word in Seq2Seq.refuses(space, given, Seq2Seq.Config(**config))


def test_impossible_settings_are_refused_by_name():
    with pytest.raises(ConfigError, match="layers"):
        Seq2Seq.Config(layers=(3,))
    with pytest.raises(ConfigError, match="beams"):
        Seq2Seq.Config(beams=0)
    with pytest.raises(ConfigError, match="given"):
        stirred().sample(2)
