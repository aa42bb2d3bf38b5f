"""The n-gram model learns a language of known entropy, through the trainer and in one pass."""

from __future__ import annotations

import torch

from conjure.core.space import Tokens
from conjure.domains.protocol import Encoded
from conjure.models.markov import Markov
from conjure.objectives.counting import Counting
from conjure.training.data import Examples
from conjure.training.settings import Training
from conjure.training.trainer import Trainer
from tests.learning.languages import chain, truth


def test_it_comes_within_two_percent_of_the_entropy_and_beats_single_tokens():
    stream, odds = chain(12, 60_000)
    kept, held_out = stream[:50_000], stream[50_000:]
    found = {}
    for order in (1, 2, 3):
        model = Markov(Tokens(12, (256,), stream=True), None, Markov.Config(order))
        data = tuple(Examples(Encoded(part, window=256)) for part in (kept, held_out))
        trainer = Trainer(Counting(model, Counting.Config()), Training(epochs=1, batch=16, threads=1), data)
        found[order] = trainer.run()["held_out_loss"]
    best = truth(held_out, odds)
    assert best < found[2] < 1.01 * best
    assert best < found[3] < 1.02 * best
    assert found[1] > 1.2 * best


def test_its_order_two_odds_are_the_relative_frequencies_but_for_the_discount():
    stream, odds = chain(5, 40_000)
    model = Markov(Tokens(5, (100,), stream=True), None, Markov.Config(2))
    model.observe(stream[: 399 * 100].unfold(0, 101, 100))
    pairs = torch.cartesian_prod(torch.arange(5), torch.arange(5))
    torch.testing.assert_close(model.log_prob(pairs).exp().view(5, 5), odds, atol=0.02, rtol=0)


def test_a_count_that_was_stopped_goes_on(tmp_path):
    stream, _ = chain(12, 20_000)
    training = Training(epochs=1, batch=16, threads=1)

    def trainer(folder):
        model = Markov(Tokens(12, (64,), stream=True), None, Markov.Config(3))
        return Trainer(
            Counting(model, Counting.Config()), training, (Examples(Encoded(stream, window=64)), None), folder=folder
        )

    whole, stopped, resumed = trainer(None), trainer(tmp_path), trainer(tmp_path)
    whole.run()
    stopped.run(lambda progress: stopped.stop())
    assert resumed.resume()
    resumed.run()
    assert stopped.counters.step < resumed.counters.step == whole.counters.step
    for name, value in whole.objective.model.state_dict().items():
        assert torch.equal(value, resumed.objective.model.state_dict()[name])
