"""The recurrent network: its formula, probabilities that sum to one, and steps equal to reading at once."""

from __future__ import annotations

import itertools

import pytest
import torch

from conjure.core.space import Category, Columns, Number, Tokens
from conjure.domains.protocol import Encoded
from conjure.models.decoding import write
from conjure.models.recurrent import Recurrent
from conjure.nets.recurrent import Recurrence
from conjure.objectives.likelihood import Likelihood
from conjure.training.data import Examples
from conjure.training.settings import Training
from conjure.training.trainer import Trainer

CONFIGS = [
    Recurrent.Config(cell="lstm", width=12),
    Recurrent.Config(cell="gru", width=12),
    Recurrent.Config(cell="lstm", width=12, layers=2, dropout=0.5, tied=True),
    Recurrent.Config(cell="gru", width=12, layers=3, tied=True),
]


def stirred(space, given=None, config=CONFIGS[0]):
    """A network none of whose weights is zero, as after training."""
    model = Recurrent(space, given, config)
    rng = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.3 * torch.randn(p.shape, generator=rng))
    return model.eval()


def product(x, state, cells):
    """W x + b and U h + d, which torch keeps for all gates together."""
    weights = cells.weight_ih_l0, cells.weight_hh_l0, cells.bias_ih_l0, cells.bias_hh_l0
    w, u, b, d = (p.detach() for p in weights)
    return x @ w.T + b, state @ u.T + d


def test_an_lstm_follows_its_formula():
    net = Recurrence("lstm", 1, 5)
    x, h, c = torch.randn(3, 2, 5, generator=torch.Generator().manual_seed(0)).unbind(0)
    i, f, g, o = sum(product(x, h, net.cells)).chunk(4, 1)
    wanted = f.sigmoid() * c + i.sigmoid() * g.tanh()
    y, (_, cell) = net(x.unsqueeze(1), (h.unsqueeze(0), c.unsqueeze(0)))
    torch.testing.assert_close(cell[0], wanted)
    torch.testing.assert_close(y[:, 0], o.sigmoid() * wanted.tanh())


def test_a_gru_follows_its_formula():
    net = Recurrence("gru", 1, 5)
    x, h = torch.randn(2, 2, 5, generator=torch.Generator().manual_seed(0)).unbind(0)
    (r, z, n), (of_r, of_z, of_n) = (a.chunk(3, 1) for a in product(x, h, net.cells))
    r, z = (r + of_r).sigmoid(), (z + of_z).sigmoid()
    y, _ = net(x.unsqueeze(1), h.unsqueeze(0))
    torch.testing.assert_close(y[:, 0], (1 - z) * (n + r * of_n).tanh() + z * h)


def test_a_fresh_lstm_keeps_its_cell_and_turns_no_gradient_away():
    cells = Recurrence("lstm", 2, 4).cells
    for layer in range(2):
        bias = getattr(cells, f"bias_ih_l{layer}") + getattr(cells, f"bias_hh_l{layer}")
        assert bias.tolist() == [0.0] * 4 + [1.0] * 4 + [0.0] * 8
        for gate in getattr(cells, f"weight_hh_l{layer}").split(4):
            torch.testing.assert_close(gate @ gate.T, torch.eye(4), atol=1e-5, rtol=0)


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize(
    ("space", "count"), [(Tokens(3, (4,)), 81), (Tokens(3, (2, 2)), 81), (Tokens(3, (4,), end=0), 31)]
)
def test_probabilities_of_every_sequence_sum_to_one(space, count, config):
    every = torch.tensor(list(itertools.product(range(3), repeat=4))).view(-1, *space.shape)
    every = torch.stack([x for x in every if space.contains(x.unsqueeze(0))])
    assert len(every) == count
    assert stirred(space, config=config).log_prob(every).double().exp().sum().item() == pytest.approx(1, abs=1e-5)


def test_the_first_token_of_a_window_is_context_only():
    model = stirred(Tokens(3, (4,), stream=True))
    every = torch.tensor(list(itertools.product(range(3), repeat=4)))
    sums = [model.log_prob(every[every[:, 0] == first]).double().exp().sum().item() for first in range(3)]
    assert sums == pytest.approx([1, 1, 1], abs=1e-5)


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("space", [Tokens(7, (12,)), Tokens(7, (3, 4)), Tokens(7, (12,), stream=True)])
@pytest.mark.parametrize("labelled", [False, True])
def test_reading_step_by_step_equals_reading_at_once(space, config, labelled):
    model = stirred(space, Columns((Category("label", 2),)) if labelled else None, config)
    labels = torch.tensor([[0], [1], [1]]) if labelled else None
    x = torch.randint(7, (3, 12), generator=torch.Generator().manual_seed(1))
    at_once = model.logits(model._predict(x.view(3, *space.shape), labels, None)[0]).log_softmax(-1)
    first = 1 if space.stream else 0
    reading = model.begin(3, labels)
    steps = [model.read(x[:, :first], reading)]
    steps += [model.read(x[:, t : t + 1], reading) for t in range(first, 11)]
    torch.testing.assert_close(torch.stack(steps, 1).log_softmax(-1), at_once, atol=1e-5, rtol=0)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_samples_are_as_frequent_as_they_are_probable(cell):
    model = stirred(Tokens(2, (3,)), config=Recurrent.Config(cell=cell, width=8))
    every = torch.tensor(list(itertools.product(range(2), repeat=3)))
    drawn = model.sample(8000, rng=torch.Generator().manual_seed(0))
    share = (drawn[:, None] == every).all(-1).float().mean(0)
    torch.testing.assert_close(share, model.log_prob(every).exp().detach(), atol=0.02, rtol=0)


def test_a_prompt_is_kept_and_ended_sequences_stay_ended():
    model = stirred(Tokens(4, (10,), end=0))
    drawn = model.sample(50, given=torch.tensor([[3, 2] + [-1] * 8]), rng=torch.Generator().manual_seed(0))
    assert (drawn[:, :2] == torch.tensor([3, 2])).all()
    assert model.space.contains(drawn)
    assert (drawn[:, -1] == 0).any()


def test_a_stream_is_written_beyond_its_context_from_all_that_went_before():
    model = stirred(Tokens(4, (6,), stream=True))
    frame = torch.tensor([[1] + [-1] * 20])
    drawn = torch.stack(list(write(model, frame, rng=torch.Generator().manual_seed(0))), 1)
    assert drawn.shape == (1, 21)
    reading = model.begin(1)
    for t in range(21):
        stepped = model.read(drawn[:, t : t + 1], reading)
    torch.testing.assert_close(model.read(drawn, model.begin(1)), stepped, atol=1e-5, rtol=0)


def test_labels_change_what_is_drawn_and_how_probable_it_is():
    model = stirred(Tokens(3, (2, 2)), Columns((Category("label", 2),)))
    every = torch.tensor(list(itertools.product(range(3), repeat=4))).view(-1, 2, 2)
    odds = [model.log_prob(every, torch.full((81, 1), k)).exp().detach() for k in range(2)]
    assert odds[0].sum().item() == pytest.approx(1, abs=1e-5)
    assert (odds[0] - odds[1]).abs().sum() > 0.05
    one, two = (model.sample(64, given=torch.tensor([[k]]), rng=torch.Generator().manual_seed(0)) for k in range(2))
    assert not torch.equal(one, two)


def run(folder=None):
    """The same run each time, with dropout and both layers."""
    torch.manual_seed(0)
    stream = torch.randint(5, (400,), generator=torch.Generator().manual_seed(0))
    model = Recurrent(Tokens(5, (8,), stream=True), None, CONFIGS[2])
    training = Training(steps=12, batch=4, threads=1, average=0.9, validate_every=5)
    data = Examples(Encoded(stream[:300], window=8)), Examples(Encoded(stream[300:], window=8))
    return Trainer(Likelihood(model, Likelihood.Config()), training, data, folder=folder)


def test_a_stopped_run_resumes_bit_for_bit(tmp_path):
    whole, stopped, again = run(), run(tmp_path), run(tmp_path)
    whole.run()
    step = stopped._step
    stopped._step = lambda: (step(), stopped.stop() if stopped.counters.step == 7 else None)
    stopped.run()
    assert again.resume()
    assert again.counters.step == 7
    again.run()
    for name, value in whole.objective.state_dict().items():
        assert torch.equal(value, again.objective.state_dict()[name]), name


@pytest.mark.parametrize(
    ("settings", "word"), [({"layers": 0}, "layers"), ({"width": 0}, "width"), ({"dropout": 1.0}, "dropout")]
)
def test_impossible_settings_are_refused_by_name(settings, word):
    assert word in Recurrent.refuses(Tokens(4, (4,)), None, Recurrent.Config(**settings))


def test_a_number_as_condition_is_refused():
    assert "labels" in Recurrent.refuses(Tokens(4, (4,)), Columns((Number("age"),)), Recurrent.Config())
