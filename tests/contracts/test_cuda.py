"""What every family promises on a GPU; skipped where there is none."""

from __future__ import annotations

import copy

import pytest
import torch

from conjure import artifact, verbs
from conjure.core.errors import ConfigError
from tests.contracts.cells import SPACES, batch, condition, family_of, make, objective
from tests.contracts.test_models import CELLS, SCORED
from tests.end_to_end.runs import RUNS, settings

gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
TAUGHT = [(name, kind) for name, kind in CELLS if family_of(name).gradient]  # the others count, on the CPU
SAME = {"rtol": 1e-3, "atol": 1e-3}
NEAR = {"rtol": 0.05, "atol": 0.6}  # of a flow, whose solver chooses its steps by errors near rounding


def on_gpu(model):
    return copy.deepcopy(model).to("cuda")


@gpu
@pytest.mark.parametrize(("name", "kind"), TAUGHT)
def test_a_step_on_the_gpu_moves_the_weights_and_samples_lie_in_the_space(name, kind):
    space = SPACES[kind]
    goal = objective(name, make(name, space)).to("cuda")
    players = {w: torch.optim.SGD(p.parameters(), 1e-3) for w, p in goal.players().items() if list(p.parameters())}
    for step in range(2):
        for move in goal.moves(batch(space, seed=step, name=name).to("cuda")):
            if move.loss.requires_grad:
                assert torch.isfinite(move.loss)
                players[move.player].zero_grad()
                move.loss.backward()
                players[move.player].step()
    model = goal.model.eval()
    given = condition(name, space, 5)
    with torch.no_grad():
        x = model.sample(5, given=None if given is None else given.to("cuda"), rng=torch.Generator().manual_seed(1))
    assert model.space.contains(x.cpu())


@gpu
@pytest.mark.parametrize(("name", "kind"), [cell for cell in SCORED if cell in TAUGHT])
def test_nats_on_the_gpu_are_those_of_the_cpu(name, kind):
    space = SPACES[kind]
    model = make(name, space).eval()
    some = batch(space, name=name)
    with torch.no_grad():
        here = model.log_prob(some.x, some.given)
        there = on_gpu(model).log_prob(some.x.to("cuda"), None if some.given is None else some.given.to("cuda"))
    torch.testing.assert_close(there.cpu(), here, **(NEAR if name == "flow" else SAME))


@gpu
@pytest.mark.parametrize("name", [name for name, (_, _, recipe, _) in RUNS.items() if recipe != "circuit"])
def test_a_run_on_the_gpu_is_loaded_anywhere(name, tmp_path):
    app, data, recipe, _ = RUNS[name]
    words = settings(name, "training.steps=4", "training.device=cuda")
    made = verbs.fit(app, data, tmp_path / "made", recipe=recipe, settings=words)
    assert len(made.sample(3, seed=1)) == 3
    loaded = artifact.load(tmp_path / "made")
    assert loaded.model.device.type == "cpu"
    assert len(verbs.load(tmp_path / "made").sample(3, seed=1)) == 3


def test_a_family_that_counts_refuses_the_gpu():
    with pytest.raises(ConfigError, match="Circuit counts, on the CPU"):
        verbs.fit("tables", "wine", settings=["training.device=cuda"])
