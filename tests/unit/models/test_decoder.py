"""The decoder: probabilities that sum to one, causality, and cached writing equal to reading at once."""

from __future__ import annotations

import itertools

import pytest
import torch
import torch.nn.functional as F

from conjure.core.space import Category, Columns, Tokens
from conjure.models.decoder import Decoder
from conjure.models.decoding import Choice, write

SMALL = Decoder.Config(layers=2, width=16, heads=2, ngrams=(2, 3, 5), slots=61)


def stirred(space, given=None, config=SMALL):
    """A decoder none of whose weights is zero, as after training."""
    model = Decoder(space, given, config)
    rng = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.3 * torch.randn(p.shape, generator=rng))
    return model.eval()


@pytest.mark.parametrize("shape", [(4,), (2, 2)])
def test_probabilities_of_every_sequence_sum_to_one(shape):
    model = stirred(Tokens(3, shape))
    every = torch.tensor(list(itertools.product(range(3), repeat=4))).view(-1, *shape)
    assert model.log_prob(every).double().exp().sum().item() == pytest.approx(1, abs=1e-5)


def test_probabilities_of_every_ended_sequence_sum_to_one():
    space = Tokens(3, (4,), end=0)
    every = torch.tensor([s for s in itertools.product(range(3), repeat=4) if space.contains(torch.tensor([s]))])
    assert len(every) == 31
    assert stirred(space).log_prob(every).double().exp().sum().item() == pytest.approx(1, abs=1e-5)


def test_the_first_token_of_a_window_is_context_only():
    model = stirred(Tokens(3, (4,), stream=True))
    every = torch.tensor(list(itertools.product(range(3), repeat=4)))
    sums = [model.log_prob(every[every[:, 0] == first]).double().exp().sum().item() for first in range(3)]
    assert sums == pytest.approx([1, 1, 1], abs=1e-5)


def test_mean_nats_is_the_mean_of_log_prob_over_what_counts():
    for space in (Tokens(5, (6,)), Tokens(5, (6,), end=1), Tokens(5, (6,), stream=True)):
        model = stirred(space)
        x = torch.tensor([[2, 3, 4, 1, 1, 1], [0, 2, 2, 3, 4, 2]])
        counted = {None: 12, 1: 4 + 6}[space.end] - 2 * space.stream
        assert model.mean_nats(x).item() == pytest.approx(-model.log_prob(x).sum().item() / counted, abs=1e-5)
        mask = torch.arange(6).expand(2, 6) < 3
        assert model.mean_nats(x, mask=mask).item() == pytest.approx(
            -model.log_prob(x, mask=mask).sum().item() / (6 - 2 * space.stream), abs=1e-5
        )


def test_a_later_token_changes_no_earlier_probability():
    model = stirred(Tokens(7, (9,), stream=True))
    x = torch.randint(7, (1, 9))
    logits = model.head(model._predict(x, None, None)[0])
    for at in range(1, 8):
        other = x.clone()
        other[0, at] = (x[0, at] + 1) % 7
        changed = (model.head(model._predict(other, None, None)[0]) - logits).abs().amax((0, 2))
        assert changed[:at].max() == 0
        assert changed[at] > 0


CONFIGS = [
    SMALL,
    Decoder.Config(layers=2, width=16, heads=4, groups=2, ngrams=(), slots=61),
    Decoder.Config(layers=1, width=16, heads=2, positions="none", ngrams=(3,), slots=61),
    Decoder.Config(layers=2, width=16, heads=4, groups=1, positions="learned"),
    Decoder.Config(layers=2, width=16, heads=2, positions="sinusoidal"),
]


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("space", [Tokens(7, (12,)), Tokens(7, (3, 4)), Tokens(7, (12,), stream=True)])
def test_reading_step_by_step_equals_reading_at_once(space, config):
    model = stirred(space, config=config)
    x = torch.randint(7, (3, 12), generator=torch.Generator().manual_seed(1))
    whole = x if space.stream else x.view(3, *space.shape)
    at_once = model.head(model._predict(whole, None, None)[0]).log_softmax(-1)
    first = 1 if space.stream else 0
    reading = model.begin(3)
    steps = [model.read(x[:, :first], reading)]
    steps += [model.read(x[:, t : t + 1], reading) for t in range(first, 11)]
    torch.testing.assert_close(torch.stack(steps, 1).log_softmax(-1), at_once, atol=1e-5, rtol=0)


def test_reading_several_tokens_onto_a_memory_equals_reading_one_by_one():
    model = stirred(Tokens(7, (12,), stream=True))
    x = torch.randint(7, (2, 10))
    one, other = model.begin(2), model.begin(2)
    model.read(x[:, :4], one)
    last = model.read(x[:, 4:], one)
    for t in range(10):
        stepped = model.read(x[:, t : t + 1], other)
    torch.testing.assert_close(last, stepped, atol=1e-5, rtol=0)


def test_a_full_memory_starts_again_from_its_later_half():
    model = stirred(Tokens(7, (8,), stream=True))
    x = torch.randint(7, (2, 9))
    reading = model.begin(2)
    for t in range(9):
        logits = model.read(x[:, t : t + 1], reading)
    fresh = model.read(x[:, -4:], model.begin(2))
    torch.testing.assert_close(logits, fresh, atol=1e-6, rtol=0)


def test_samples_are_as_frequent_as_they_are_probable():
    model = stirred(Tokens(2, (3,)))
    every = torch.tensor(list(itertools.product(range(2), repeat=3)))
    drawn = model.sample(8000, rng=torch.Generator().manual_seed(0))
    share = (drawn[:, None] == every).all(-1).float().mean(0)
    torch.testing.assert_close(share, model.log_prob(every).exp().detach(), atol=0.02, rtol=0)


def test_a_prompt_is_kept_and_ended_sequences_stay_ended():
    model = stirred(Tokens(4, (10,), end=0))
    frame = torch.tensor([[3, 2] + [-1] * 8])
    drawn = model.sample(50, given=frame, rng=torch.Generator().manual_seed(0))
    assert (drawn[:, :2] == torch.tensor([3, 2])).all()
    assert model.space.contains(drawn)
    assert (drawn[:, -1] == 0).any()


def test_a_stream_is_written_beyond_its_context():
    model = stirred(Tokens(4, (6,), stream=True))
    drawn = model.sample(3, given=torch.tensor([[1] + [-1] * 20]), rng=torch.Generator().manual_seed(0))
    assert drawn.shape == (3, 21)
    assert model.space.contains(drawn)


def test_labels_change_what_is_drawn_and_how_probable_it_is():
    labels = Columns((Category("label", 2),))
    model = stirred(Tokens(3, (2, 2)), labels)
    every = torch.tensor(list(itertools.product(range(3), repeat=4))).view(-1, 2, 2)
    odds = [model.log_prob(every, torch.full((81, 1), k)).exp().detach() for k in range(2)]
    assert odds[0].sum().item() == pytest.approx(1, abs=1e-5)
    assert (odds[0] - odds[1]).abs().sum() > 0.05
    one, two = (model.sample(64, given=torch.tensor([[k]]), rng=torch.Generator().manual_seed(0)) for k in range(2))
    assert not torch.equal(one, two)


def test_writing_stops_once_all_have_ended():
    model = stirred(Tokens(3, (50,), end=0))
    tokens = list(write(model, torch.full((1, 50), -1), rng=torch.Generator().manual_seed(3), end=0))
    assert len(tokens) < 50
    assert tokens[-1].item() == 0


def test_choices_cut_the_tail():
    logits = torch.tensor([[2.0, 1.0, 0.0, -1.0]]).expand(4000, -1)
    rng = torch.Generator().manual_seed(0)
    assert set(Choice(temperature=0).draw(logits).tolist()) == {0}
    assert set(Choice(top_k=2).draw(logits, rng).tolist()) == {0, 1}
    # probabilities are 0.644, 0.237, 0.087, 0.032: three tokens are the fewest that hold 0.9
    assert set(Choice(top_p=0.9).draw(logits, rng).tolist()) == {0, 1, 2}
    share = (Choice(temperature=0.5).draw(logits, rng) == 0).float().mean().item()
    assert share == pytest.approx(F.softmax(logits[0] * 2, 0)[0].item(), abs=0.03)


@pytest.mark.parametrize(
    ("config", "word"),
    [({"width": 30, "heads": 4}, "width"), ({"width": 32, "heads": 4, "groups": 3}, "groups")],
)
def test_impossible_sizes_are_refused_by_name(config, word):
    assert word in Decoder.refuses(Tokens(4, (4,)), None, Decoder.Config(**config))


@pytest.mark.parametrize("positions", ["rotary", "learned", "sinusoidal", "none"])
def test_only_without_positions_does_one_layer_see_a_bag(positions):
    model = stirred(Tokens(7, (8,), stream=True), config=Decoder.Config(layers=1, width=16, positions=positions))
    last = model.read(torch.tensor([[1, 2, 3, 4]]), model.begin(1))
    swapped = model.read(torch.tensor([[2, 1, 3, 4]]), model.begin(1))
    assert torch.allclose(last, swapped, atol=1e-5) == (positions == "none")
