"""Runs of several families in the processes that torchrun started: `worker.py OUT [stop]`."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import torch

from conjure.fitting import FitOptions, fit
from conjure.training.distributed import leave
from conjure.verbs import recipe_for
from tests.end_to_end.runs import RUNS, settings

FAMILIES = ("decoder", "table vae", "image gan", "image flow", "circuit", "columns", "audio codec")
STEPS = ("training.steps=40", "training.device=cpu", "training.checkpoint_seconds=1000")


def recipe(name: str):
    app, _, recipe_name, _ = RUNS[name]
    return recipe_for(app, recipe=recipe_name, settings=settings(name, *STEPS))


stopped = []


def stop_later(progress) -> None:
    """Ctrl-C, once, in mid-run."""
    if 10 <= progress.step < 40 and not stopped:
        stopped.append(progress.step)
        signal.raise_signal(signal.SIGINT)


if __name__ == "__main__":
    torch.set_num_threads(1)
    out = Path(sys.argv[1])
    for family in FAMILIES:
        fit(recipe(family), RUNS[family][1], out / family.replace(" ", "-"))
    if len(sys.argv) > 2:
        fit(recipe("decoder"), RUNS["decoder"][1], out / "stopped", FitOptions(watch=stop_later))
    leave()
