"""What every family promises, asked of every cell of the grid."""

from __future__ import annotations

import itertools

import pytest
import torch
from safetensors.torch import load_file, save_file

from conjure.core.space import Category, Columns, Tokens
from tests.contracts.cells import GAMES, POINTS, SPACES, batch, cells, condition, draw, make, objective

CELLS = cells()
SCORED = [c for c in CELLS if c[0] not in GAMES and callable(make(c[0], SPACES[c[1]]).log_prob)]


def learn(name, space, steps=20):
    model = make(name, space)
    goal = objective(name, model)
    players = goal.players()
    steps_of = {w: torch.optim.AdamW(p.parameters(), lr=3e-3) for w, p in players.items() if list(p.parameters())}
    for step in range(steps):
        for move in goal.moves(batch(space, seed=step, name=name)):
            if move.loss.requires_grad:
                for optimizer in steps_of.values():
                    optimizer.zero_grad()
                move.loss.backward()
                steps_of[move.player].step()
    return model.eval(), goal.eval()


@pytest.mark.parametrize(("name", "kind"), CELLS)
def test_samples_lie_in_the_space_and_follow_the_seed(name, kind):
    model, _ = learn(name, SPACES[kind], 3)
    given = condition(name, SPACES[kind], 7)
    with torch.no_grad():
        a, b, c = (model.sample(7, given=given, rng=torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert len(a) == 7
    assert model.space.contains(a)
    assert torch.equal(a, b)
    assert torch.equal(a, c) == (name in POINTS)


@pytest.mark.parametrize(("name", "kind"), CELLS)
def test_saved_and_loaded_it_samples_the_same(name, kind, tmp_path):
    model, _ = learn(name, SPACES[kind], 3)
    save_file({k: v.contiguous() for k, v in model.state_dict().items()}, tmp_path / "w")
    again = make(name, SPACES[kind])
    again.load_state_dict(load_file(tmp_path / "w"))
    again.eval()
    with torch.no_grad():
        given = condition(name, SPACES[kind], 5)
        a, b = (m.sample(5, given=given, rng=torch.Generator().manual_seed(3)) for m in (model, again))
    assert torch.equal(a, b)


@pytest.mark.parametrize(("name", "kind"), SCORED)
def test_log_prob_is_finite_repeatable_and_says_what_it_is(name, kind):
    model, _ = learn(name, SPACES[kind], 3)
    x = draw(SPACES[kind], 9)
    with torch.no_grad():
        a, b = (model.log_prob(x, condition(name, SPACES[kind], 9)) for _ in range(2))
    assert a.shape == (9,)
    assert torch.isfinite(a).all()
    assert torch.equal(a, b)
    assert model.score_kind in ("exact", "bound", "estimate", "energy")


@pytest.mark.parametrize("name", ["circuit", "columns", "independent"])
def test_probabilities_of_all_rows_sum_to_one(name):
    sizes = (3, 2, 4)
    space = Columns(tuple(Category(f"c{i}", s) for i, s in enumerate(sizes)))
    model, _ = learn(name, space, 5)
    every = torch.tensor(list(itertools.product(*map(range, sizes))))
    with torch.no_grad():
        assert model.log_prob(every).double().exp().sum().item() == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("name", ["chords", "decoder", "pixels", "recurrent"])
def test_probabilities_of_all_grids_sum_to_one(name):
    space = Tokens(3, (2, 2))
    model, _ = learn(name, space, 5)
    every = torch.tensor(list(itertools.product(range(3), repeat=4))).view(-1, 2, 2)
    with torch.no_grad():
        assert model.log_prob(every).double().exp().sum().item() == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize(("name", "kind"), CELLS)
def test_the_objective_can_go_and_the_model_still_samples(name, kind):
    model, goal = learn(name, SPACES[kind], 3)
    del goal
    with torch.no_grad():
        given = condition(name, SPACES[kind], 3)
        assert model.space.contains(model.sample(3, given=given, rng=torch.Generator().manual_seed(0)))
