"""A killed run goes on as if nothing had happened; Ctrl-C leaves a usable artifact."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path

import pytest

import conjure
from tests.end_to_end.runs import RUNS, call, command, environment

STEPS = ("training.steps=80", "training.checkpoint_seconds=0")


def wait_for_step(process: subprocess.Popen, folder: Path, step: int, seconds: float = 240) -> None:
    """Until the run's checkpoint is of that step or a later one; a busy machine takes a minute to start torch alone."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert process.poll() is None, f"the run ended before step {step}"
        try:
            if json.loads((folder / "checkpoint" / "counters.json").read_text())["step"] >= step:
                return
        except (OSError, ValueError):
            pass
        time.sleep(0.01)
    raise AssertionError(f"{folder} reached no step {step} in {seconds} s")


@pytest.mark.slow
@pytest.mark.parametrize("name", list(RUNS))
def test_sigkill_in_mid_run_changes_nothing(name: str, tmp_path: Path):
    """Slow: three processes a family, each of which must start torch."""
    done = call(command(name, tmp_path / "whole", *STEPS))
    assert done.returncode == 0, done.stderr
    killed = tmp_path / "killed"
    process = subprocess.Popen(
        command(name, killed, *STEPS), env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    wait_for_step(process, killed, 15)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (killed / "artifact.json").exists()
    refused = call(command(name, killed, *STEPS))
    assert refused.returncode == 2
    assert "--resume" in refused.stderr
    done = call(command(name, killed, *STEPS, resume=True))
    assert done.returncode == 0, done.stderr
    weights = [(tmp_path / f / "model.safetensors").read_bytes() for f in ("whole", "killed")]
    assert weights[0] == weights[1]
    steps = [json.loads(line)["step"] for line in (killed / "journal.jsonl").read_text().splitlines()]
    assert steps == sorted(set(steps))


@pytest.mark.slow
def test_ctrl_c_ends_with_an_artifact_that_samples(tmp_path: Path):
    """Slow: a run that is long enough to be interrupted."""
    words = command("table vae", tmp_path / "a", "training.steps=1000000", "training.checkpoint_seconds=0.5")
    process = subprocess.Popen(words, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for_step(process, tmp_path / "a", 1)
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 0
    made = conjure.load(tmp_path / "a")
    assert made.card["metrics"]["stopped_by"] == "interrupt"
    assert len(made.sample(5)) == 5
