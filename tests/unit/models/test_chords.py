"""Chords: what is written one note at a time has the probability that scoring gives it; what is given stays."""

from __future__ import annotations

import itertools

import pytest
import torch

from conjure.core.space import Tokens
from conjure.models.chords import Chords
from conjure.models.decoding import Choice
from conjure.nets.chords import REACH, SWAY, Motions, Others, sounding


def made(space: Tokens, given: Tokens | None = None, **settings) -> Chords:
    torch.manual_seed(0)
    model = Chords(space, given, Chords.Config(width=8, hidden=8, layers=1, **settings)).eval()
    for p in model.parameters():
        torch.nn.init.normal_(p, std=0.5)
    return model


def every(space: Tokens) -> torch.Tensor:
    return torch.tensor(list(itertools.product(range(space.vocab), repeat=space.length))).view(-1, *space.shape)


@pytest.mark.parametrize("settings", [{}, {"cell": "lstm"}, {"marks": 1, "sets": True}])
def test_samples_come_as_often_as_their_probability_says(settings):
    space = Tokens(3, (2, 2))
    model = made(space, **settings)
    with torch.no_grad():
        p = model.log_prob(every(space)).exp()
        x = model.sample(8000, rng=torch.Generator().manual_seed(1))
    often = torch.stack([(x == one).flatten(1).all(1).float().mean() for one in every(space)])
    assert p.sum() == pytest.approx(1, abs=1e-5)
    assert (often - p).abs().max() < 0.02


def test_a_set_is_written_from_the_highest_note_down():
    model = made(Tokens(9, (4, 3)), marks=1, sets=True)
    x = model.sample(200, rng=torch.Generator().manual_seed(0))
    assert ((x[..., 1:] < x[..., :-1]) | (x[..., 1:] == 0)).all()
    with torch.no_grad():
        wrong = torch.tensor([[[1, 2, 0]] * 4])
        assert model.log_prob(wrong) < -1e30


def test_given_voices_stay_and_later_ones_are_known_before():
    given = Tokens(8, (3, 3))
    model = made(Tokens(5, (3, 2)), given)
    told = torch.zeros(4, 3, 3, dtype=torch.long)
    told[:, :, 0] = 1
    told[:, :, 2] = torch.tensor([[3, 2, 5]])
    x = model.sample(4, given=told, rng=torch.Generator().manual_seed(0))
    assert torch.equal(x[..., 1], told[..., 2] - 1)
    with torch.no_grad():
        other = told.clone()
        other[:, 2, 2] = 4
        mask = torch.zeros(4, 3, 2, dtype=torch.bool)
        mask[:, 0] = True
        assert not torch.allclose(model.log_prob(x, told, mask), model.log_prob(x, other, mask))


def test_frames_beyond_the_plan_stay_empty_and_masked_ones_do_not_count():
    model = made(Tokens(5, (4, 2)), Tokens(8, (4, 3)))
    told = torch.zeros(2, 4, 3, dtype=torch.long)
    told[:, :2, 0] = 1
    x = model.sample(2, given=told, rng=torch.Generator().manual_seed(0))
    assert (x[:, 2:] == 0).all()
    mask = torch.zeros(2, 4, 2, dtype=torch.bool)
    mask[:, :2] = True
    with torch.no_grad():
        changed = x.clone()
        changed[:, 2:] = 3
        assert torch.allclose(model.log_prob(x, told, mask), model.log_prob(changed, told, mask))


def test_masks_hold_and_one_that_would_leave_nothing_is_passed_over():
    model = made(Tokens(6, (3, 2)))
    asked = []

    def allow(at):
        asked.append((at.frame, at.voice))
        even = torch.arange(6).expand(len(at.x), -1) % 2 == 0
        return [even, ~even & False, torch.arange(6).expand(len(at.x), -1) > 1]

    x = model.sample(20, rng=torch.Generator().manual_seed(0), allow=allow)
    assert set(x.unique().tolist()) <= {2, 4}
    assert asked == [(t, v) for t in range(3) for v in range(2)]


def test_what_goes_on_sounds_what_it_began_with():
    x = torch.tensor([[[1, 3], [4, 1], [1, 0], [1, 1]]])
    assert sounding(x, 2).tolist() == [[[0, 3], [4, 3], [4, 0], [4, 0]]]


def test_a_step_learnt_in_one_key_is_known_in_another():
    """Of melodies at pitches never seen, those that rise as all did at lower ones are likelier than those that fall."""
    torch.manual_seed(0)
    model = Chords(Tokens(40, (8, 1)), None, Chords.Config(width=16, hidden=32, layers=1, dropout=0.0, marks=1))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    rng = torch.Generator().manual_seed(0)

    def rising(low, high, n=64):
        start = torch.randint(low, high, (n, 1, 1), generator=rng)
        return start + torch.arange(8)[None, :, None]

    for _ in range(150):
        optimizer.zero_grad()
        model.mean_nats(rising(1, 12)).backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        up = rising(25, 30)
        assert model.cell_nats(up)[:, 2:].mean() < model.cell_nats(up.flip(1))[:, 2:].mean() - 1


def test_drawing_beside_given_voices_follows_the_odds_that_scoring_gives():
    space, voices = Tokens(12, (6, 3)), 3
    model = made(space, Tokens(13, (6, 4)))
    rng = torch.Generator().manual_seed(0)
    told = torch.randint(0, 13, (16, 6, 1 + voices), generator=rng) * (torch.rand(16, 6, 4, generator=rng) < 0.6)
    told[..., 0] = 1
    x = model.sample(16, given=told, choice=Choice(temperature=0))
    with torch.no_grad():
        best = model.read_frames(x, told)[1].argmax(-1)
    hidden = told[..., 1:] == 0
    assert hidden.any()
    assert torch.equal(x[hidden], best[hidden])


def test_what_others_sound_is_told_alike_in_every_key():
    others = Others(3, 8, 2)
    tokens = torch.tensor([[40, 1, 50], [40, 1, 50]])
    now, before = torch.tensor([[40, 45, 50]] * 2), torch.tensor([[38, 45, 52]] * 2)
    told = torch.tensor([[-1, 1, 47], [-1, 1, -1]])
    told_higher = torch.tensor([[-1, 1, 52], [-1, 1, -1]])
    moved = torch.where(tokens > 1, tokens + 5, tokens)
    found = others(tokens, now, before, told)
    assert torch.equal(found, others(moved, now + 5, before + 5, told_higher))
    assert not torch.equal(found[0, 0], found[1, 0])  # the first voice hears what the last is given
    assert torch.equal(found[0, 2], found[1, 2])  # and the last one nothing new of itself


def test_a_way_from_interval_to_interval_is_known_in_every_key_and_octave():
    """Weights of one pair, one way: fifth to fifth, both up. Only steps that make it are touched."""
    motions = Motions(2, 2)
    with torch.no_grad():
        motions.weight[2, ((5 * 12 + 5) * 4 + 2) * 4 + 2] = 1.0  # the second voice is 7 below the first: 5, modulo 12
    for high, low, moved, ways in ((30, 23, 2, [2, 14]), (35, 28, 5, [5, 17]), (42, 23, 2, [2, 14]), (30, 22, 2, [])):
        before, now = torch.tensor([[high, low]]), torch.tensor([[high + moved, low + moved]])
        told = torch.full_like(now, -1)
        steps = motions(now, now, before, told)[0] / SWAY
        assert not steps[0].any()  # nothing is known yet of the second voice
        found = steps[1].nonzero().flatten() - REACH
        assert found.tolist() == ways
        assert torch.equal(motions.of(1, now, now, before, told)[0] / SWAY, steps[1])
    assert not motions(now, now, torch.tensor([[0, 25]]), told).any()  # silence moves nowhere


def test_motions_hear_a_note_that_goes_on_and_one_that_is_given():
    motions = Motions(2, 2)
    with torch.no_grad():
        motions.weight.normal_()
    before, told = torch.tensor([[30, 25]]), torch.tensor([[-1, 1]])
    x = torch.tensor([[33, 1]])
    found = motions(x, torch.tensor([[33, 25]]), before, told)
    ways = ((5 * 12 + 8) * 4 + 0) * 4 + 2  # from a fourth to a minor sixth: the other goes on, the own voice goes up
    assert found[0, 0, REACH + 3] == SWAY * motions.weight[1, ways]
    assert found[0, 1, -1] == SWAY * motions.weight[2, ((7 * 12 + 4) * 4 + 2) * 4]
