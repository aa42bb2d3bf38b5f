"""Two processes learn what one learns, and either goes on where the other stopped."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from conjure.fitting import FitOptions, fit
from tests.end_to_end.policies import train
from tests.end_to_end.runs import RUNS, call
from tests.end_to_end.worker import FAMILIES, recipe

ROOT = Path(__file__).parents[2]


def distance(a: Path, b: Path) -> float:
    """The greatest difference between two artifacts' numbers, relative to a tensor's greatest where that is above 1."""
    one, two = (load_file(p / "model.safetensors") for p in (a, b))
    assert one.keys() == two.keys()
    sizes = {k: max(1.0, one[k].float().abs().max().item()) for k in one}
    return max((one[k].float() - two[k].float()).abs().max().item() / sizes[k] for k in one)


@pytest.mark.slow
def test_two_processes_equal_one(tmp_path: Path):
    """Slow: torchrun starts two processes with torch in each."""
    if not torch.distributed.is_gloo_available():
        pytest.skip("this torch has no gloo")
    words = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", "29641"]
    done = call([*words, "-m", "tests.end_to_end.worker", str(tmp_path / "two"), "stop"], cwd=ROOT)
    assert done.returncode == 0, done.stderr[-3000:]
    for family in FAMILIES:
        name = family.replace(" ", "-")
        fit(recipe(family), RUNS[family][1], tmp_path / "one" / name)
        assert distance(tmp_path / "one" / name, tmp_path / "two" / name) < 2e-5, family
    stopped = tmp_path / "two" / "stopped"
    assert (stopped / "checkpoint").exists()
    fit(recipe("decoder"), RUNS["decoder"][1], stopped, FitOptions(resume=True))
    assert distance(tmp_path / "one" / "decoder", stopped) < 2e-5


@pytest.mark.slow
def test_two_processes_improve_a_policy_as_one_does(tmp_path: Path):
    """Complaint: PPO on many processes is another PPO. Slow: torchrun starts two processes with torch in each."""
    if not torch.distributed.is_gloo_available():
        pytest.skip("this torch has no gloo")
    words = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", "29643"]
    done = call([*words, "-m", "tests.end_to_end.policies", str(tmp_path / "two.safetensors")], cwd=ROOT)
    assert done.returncode == 0, done.stderr[-3000:]
    train(tmp_path / "one.safetensors")
    one, two = (load_file(tmp_path / f"{name}.safetensors") for name in ("one", "two"))
    assert max((one[k] - two[k]).abs().max().item() for k in one) < 2e-5
