"""What every objective promises, asked of every cell of the grid."""

from __future__ import annotations

import pytest
import torch

from tests.contracts.cells import GAMES, SPACES, batch, cells, make, objective

CELLS = cells()


@pytest.mark.parametrize(("name", "kind"), CELLS)
def test_every_move_names_a_player_and_reaches_all_its_weights(name, kind):
    goal = objective(name, make(name, SPACES[kind]))
    players = goal.players()
    assert next(iter(players)) == "model"
    moved, reached = set(), set()
    for step in range(12):
        for move in goal.moves(batch(SPACES[kind], seed=step, name=name)):
            assert move.player in players
            assert move.loss.shape == ()
            moved.add(move.player)
            if not move.loss.requires_grad:
                continue
            goal.zero_grad()
            move.loss.backward()
            named = dict(players[move.player].named_parameters())
            reached |= {(move.player, n) for n, p in named.items() if p.grad is not None and p.grad.abs().sum() > 0}
            with torch.no_grad():  # zero-initialised parts pass gradients on only once they have moved
                for p in named.values():
                    p.add_(p.grad if p.grad is not None else 0, alpha=-1e-2)
    assert moved == set(players)
    trained = {(w, n) for w, p in players.items() for n, q in p.named_parameters() if q.requires_grad}
    assert not trained - reached


@pytest.mark.parametrize(("name", "kind"), CELLS)
def test_loss_falls_on_one_repeated_batch(name, kind):
    if name in GAMES:
        pytest.skip("a game has no loss that must fall; its learning test is in tests/learning")
    space = SPACES[kind]
    goal = objective(name, make(name, space))
    one = batch(space, name=name)
    with torch.no_grad():
        before = float(goal.eval().validate(one)["loss"])
    goal.train()
    optimizer = torch.optim.AdamW(goal.parameters(), lr=1e-2) if list(goal.parameters()) else None
    for _ in range(30):
        for move in goal.moves(one):
            if move.loss.requires_grad:
                optimizer.zero_grad()
                move.loss.backward()
                optimizer.step()
    with torch.no_grad():
        assert float(goal.eval().validate(one)["loss"]) < before - 1e-3
