"""Chords note by note: what policy optimisation reads and draws has the probability that scoring gives it."""

from __future__ import annotations

import pytest
import torch

from conjure.core.batch import Batch
from conjure.core.rng import Noise
from conjure.core.space import Tokens
from conjure.models.decoding import Choice
from conjure.objectives.rollout import roll_out
from tests.unit.models.test_chords import every, made

KINDS = [{}, {"cell": "lstm"}, {"marks": 1, "sets": True}]


@pytest.mark.parametrize("settings", KINDS)
def test_reading_note_by_note_gives_the_logits_of_the_whole(settings):
    space, told = Tokens(5, (4, 3)), Tokens(5, (4, 4))
    model = made(space, told, **settings)
    given = torch.randint(5, (6, 4, 4), generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        x = model.sample(6, given=given * torch.tensor([1, 0, 0, 0]), rng=torch.Generator().manual_seed(1))
        whole = model.read_frames(x, given)[1].flatten(1, 2)
        writing = model.begin(6, given)
        logits = [model.read(x.flatten(1)[:, :0], writing)]
        logits += [model.read(token[:, None], writing) for token in x.flatten(1).unbind(1)[:-1]]
    assert torch.allclose(torch.stack(logits, 1), whole, atol=1e-5)


@pytest.mark.parametrize("settings", KINDS)
def test_a_trace_sums_to_the_log_probability_and_marks_choose_cells(settings):
    space = Tokens(3, (2, 2))
    model = made(space, **settings)
    x = every(space).flatten(1)
    if "sets" in settings:
        x = x[model.log_prob(every(space)) > -100]  # those that can be written at all
    real = torch.ones_like(x, dtype=torch.bool)
    with torch.no_grad():
        nats, states = model.trace(x, None, real)
        assert torch.allclose(nats.view(len(x), 4).sum(1), model.log_prob(x.view(-1, 2, 2)), atol=1e-5)
        assert torch.equal(states, model.states(x, None, real))
        assert states.shape == (4 * len(x), 8)
        real[:, :2] = False
        assert torch.allclose(model.trace(x, None, real)[0], nats.view(len(x), 4)[:, 2:].flatten(), atol=1e-6)


def test_a_temperature_is_in_the_log_probabilities():
    model = made(Tokens(3, (1, 1)))
    x, real = torch.tensor([[0], [1], [2]]), torch.ones(3, 1, dtype=torch.bool)
    with torch.no_grad():
        plain, hot = model.trace(x, None, real)[0], model.trace(x, None, real, 2.0)[0]
    assert torch.allclose((plain / 2).log_softmax(0), hot, atol=1e-6)


def test_episodes_come_as_often_as_their_probability_says():
    space = Tokens(3, (2, 2))
    model = made(space)
    batch = Batch(torch.zeros(6000, 1, dtype=torch.long), noise=Noise(0, "test"))
    with torch.no_grad():
        rollout = roll_out(model, batch, 4, Choice())
        p = model.log_prob(every(space)).exp()
    often = torch.stack([(rollout.x == one.flatten()).all(1).float().mean() for one in every(space)])
    assert (often - p).abs().max() < 0.02
    assert rollout.real.all()
