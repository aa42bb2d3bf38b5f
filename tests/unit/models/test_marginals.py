"""The family for a privacy budget: probabilities, conditions, and what it makes of noisy pairs."""

from __future__ import annotations

import itertools

import pytest
import torch

from conjure.core.batch import Batch
from conjure.core.privacy import Budget, Ledger
from conjure.core.space import Category, Columns
from conjure.models.marginals import Marginals
from conjure.objectives.entropy import Entropy
from conjure.objectives.measuring import joint_counts, measure

SPACE = Columns((Category("a", 4, True), Category("b", 3), Category("c", 2), Category("d", 5, True)))


def rows(n: int = 20_000, seed: int = 0) -> torch.Tensor:
    rng = torch.Generator().manual_seed(seed)
    a = torch.randint(4, (n,), generator=rng)
    b = (a // 2 + (torch.rand(n, generator=rng) < 0.2).long()) % 3
    c = (torch.rand(n, generator=rng) < torch.where(b == 1, 0.9, 0.2)).long()
    d = (a + c).clamp(max=4)
    return torch.stack([a, b, c, d], 1)


def fitted(x: torch.Tensor, epsilon: float | None = None, **settings) -> Marginals:
    model = Marginals(SPACE, None, Marginals.Config())
    goal = Entropy(model, Entropy.Config(**settings))
    if epsilon:
        goal.under(Ledger(Budget(epsilon)))
    goal.prepare(Batch(x), len(x))
    list(goal.moves(Batch(x)))
    return model.eval()


def total_variation(x: torch.Tensor, y: torch.Tensor) -> float:
    spans = [slice(s, s + n) for s, n in zip((0, 4, 7, 9), SPACE.sizes)]
    a, b = (joint_counts(z, spans) / len(z) for z in (x, y))
    return float((a - b).abs().sum() / 2 / 16)


def test_probabilities_sum_to_one():
    model = fitted(rows(3000))
    every = torch.tensor(list(itertools.product(*(range(s) for s in SPACE.sizes))))
    assert float(model.log_prob(every).exp().sum()) == pytest.approx(1, abs=1e-4)


def test_without_noise_pairs_are_as_in_the_data():
    x = rows()
    made = fitted(x).sample(20_000, rng=torch.Generator().manual_seed(1))
    assert total_variation(x, made) < 0.03


def test_a_small_budget_is_worse_than_a_large_one_which_is_better_than_nothing():
    x, rng = rows(5000), torch.Generator().manual_seed(1)
    nats = {e: float(fitted(x, e).log_prob(rows(5000, 9)).mean()) for e in (0.05, 10.0)}
    even = -float(torch.tensor(SPACE.sizes).double().log().sum())
    assert max(even, nats[0.05]) < nats[10.0]
    assert SPACE.contains(fitted(x, 0.05).sample(100, rng=rng))


def test_conditions_on_any_column_hold_and_are_weighed():
    model, x = fitted(rows()), rows()
    given = torch.ones(1, sum(SPACE.sizes))
    given[0, 9:13] = 0  # d = 4, the last column: what comes before must follow it
    made = model.sample(4000, given=given, rng=torch.Generator().manual_seed(2))
    assert (made[:, 3] == 4).all()
    truth = x[x[:, 3] == 4]
    assert float((made[:, 2] == 1).float().mean()) == pytest.approx(float((truth[:, 2] == 1).float().mean()), abs=0.06)


def test_all_of_the_budget_is_spent_on_pairs_once():
    ledger, x = Ledger(Budget(1.0)), rows(2000)
    spans = [slice(s, s + n) for s, n in zip((0, 4, 7, 9), SPACE.sizes)]
    found = measure(x, spans, ledger, 0.3, 0.5)
    assert ledger.spent == pytest.approx(ledger.mu)
    assert found.rows == pytest.approx(2000, abs=200)
    assert len(ledger.entries) == 2
    strength = found.strength(spans)
    assert strength[0, 3] > strength[1, 3] - 1
    assert float(found.scales[0, 3]) < float(found.scales.max())
