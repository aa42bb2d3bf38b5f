"""Noisy gradients: how large one row's part is, how large the noise, who is in a batch, and resuming."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from conjure.core.batch import Batch
from conjure.core.errors import ConfigError
from conjure.core.privacy import KeyedNoise
from conjure.core.rng import Noise
from conjure.training.descent import Descent
from conjure.training.settings import Training
from conjure.training.trainer import Trainer
from tests.unit.training.private import BATCH, FAMILIES, ROWS, examples, ledger, objective, rows
from tests.unit.training.toys import same


def gradient(made, descent: Descent, some: Batch, parts: int = 1) -> torch.Tensor:
    """The noisy mean gradient of the player that sees data, flat."""
    next(iter(descent.moves(made, some, 0, parts)))
    return torch.cat([p.grad.flatten() for p in made.players()[made.descends].parameters()])


@pytest.mark.parametrize("model", FAMILIES)
def test_one_row_more_moves_the_sum_by_at_most_the_clip(model):
    plan = ledger(noise=1e-9, clip=0.5)
    made, descent = objective(model, plan), Descent(plan)
    noise = lambda: Noise(7)  # noqa: E731  # each row keeps its own, being the first rows of both batches
    one = gradient(made, descent, Batch(rows(1), noise=noise())) * BATCH
    assert 0.05 < one.norm() <= 0.5 * (1 + 1e-4)
    nobody = gradient(made, descent, Batch(rows(0), noise=noise())) * BATCH
    assert nobody.norm() < 1e-6


def test_the_noise_has_the_scale_it_says():
    plan = ledger(noise=4.0, clip=0.5)
    made = objective("columns", plan)
    found = gradient(made, Descent(plan), Batch(rows(0))) * BATCH
    assert float(found.std()) == pytest.approx(4.0 * 0.5, rel=4 / len(found) ** 0.5)
    grid = found.double() / (2.0**-20 * 2.0)
    torch.testing.assert_close(grid, grid.round(), rtol=0, atol=0.5)


def test_small_parts_make_the_same_step():
    plan = ledger(noise=1e-9)
    made, some = objective("vae", plan), rows(24)
    made.config = made.config.__class__(beta=0.0)
    quiet = torch.zeros(24, made.model.latent)
    made._terms = lambda b: made.model.elbo_terms(b.x, b.given, quiet[: len(b)])
    whole, parts = (gradient(made, Descent(plan), Batch(some), parts) for parts in (1, 3))
    torch.testing.assert_close(whole, parts, rtol=1e-4, atol=1e-6)


def test_rows_are_drawn_each_by_itself_at_the_rate_said():
    drawn = examples(ledger())
    sizes = np.array([len(drawn.batch(step, 1)) for step in range(400)])
    rate = BATCH / ROWS
    assert sizes.mean() == pytest.approx(BATCH, abs=4 * (ROWS * rate * (1 - rate) / 400) ** 0.5)
    assert sizes.var() == pytest.approx(ROWS * rate * (1 - rate), rel=0.3)
    other = examples(ledger(key=b"o" * 32))
    assert not torch.equal(drawn.batch(0, 1).x, other.batch(0, 1).x)
    assert torch.equal(drawn.look(9).x, rows(50)[:9])  # stand-ins, not rows


def test_keyed_noise_depends_on_key_and_name_and_never_repeats():
    first, again = KeyedNoise(b"a", "noise", 3), KeyedNoise(b"a", "noise", 3)
    one = first.normal(1001)
    assert np.array_equal(one, again.normal(1001))
    assert not np.array_equal(one, first.normal(1001))
    assert not np.array_equal(one, KeyedNoise(b"a", "noise", 4).normal(1001))
    assert not np.array_equal(one, KeyedNoise(b"b", "noise", 3).normal(1001))
    many = KeyedNoise(b"a").normal(100_000)
    assert abs(many.mean()) < 0.02
    assert many.std() == pytest.approx(1, abs=0.01)
    assert (np.abs(many) > 3).mean() == pytest.approx(0.0027, abs=0.0007)


def run(model: str, folder=None, steps: int = 8) -> Trainer:
    plan = ledger(steps=steps)
    training = Training(steps=steps, batch=BATCH, average=0.9, threads=1, validate_every=1000)
    return Trainer(objective(model, plan), training, (examples(plan), None), seed=1, folder=folder)


@pytest.mark.parametrize("model", FAMILIES)
def test_a_stopped_private_run_resumes_bit_for_bit(model, tmp_path):
    whole = run(model)
    whole.run()
    stopped = run(model, tmp_path)
    take = stopped._step

    def step_and_stop():
        take()
        if stopped.counters.step == 5:
            stopped.stop()

    stopped._step = step_and_stop
    stopped.run()
    again = run(model, tmp_path)
    assert again.resume()
    assert again.counters.step == 5
    again.run()
    assert same(whole.objective.state_dict(), again.objective.state_dict())
    assert not (tmp_path / "journal.jsonl").exists()


def test_layers_that_mix_examples_are_refused():
    made = objective("vae", ledger())
    made.model.extra = nn.BatchNorm1d(3)
    with pytest.raises(ConfigError, match=r"model\.extra takes means over a batch"):
        Descent.check(made)
