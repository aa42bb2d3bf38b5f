"""How many threads a run should use: on two busy cores one often beats two, so a short probe decides."""

from __future__ import annotations

import os
import time
from typing import Any

import torch

from conjure.objectives.protocol import Objective
from conjure.training.data import Examples

LONG = 2.0  # seconds of a pass, from which one tells enough


def choose_threads(objective: Objective, examples: Examples, training: Any) -> int:
    """The thread count under which a step without its update is fastest; training.threads if that is set.

    More threads must win by a tenth, for they cost the machine's other work. A probe leaves no trace: what its moves
    kept in buffers (books that follow, turns counted) is put back. An objective that changes its model by itself
    (without gradients) is not probed: its steps are small, so it gets one.
    """
    if training.threads:
        return training.threads
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    counts = sorted({1, max(1, cores // 2), cores})
    if not objective.pure:
        return 1
    if len(counts) == 1 or any(not p.is_cpu for p in objective.parameters()):
        return cores
    kept = {name: value.clone() for name, value in objective.named_buffers()}  # what moves keep beside weights
    best, chosen = float("inf"), 1
    for count in counts:
        torch.set_num_threads(count)
        seconds = _pass_seconds(objective, examples, training)
        for _ in range(2 if seconds < LONG else 0):
            seconds = min(seconds, _pass_seconds(objective, examples, training))
        if seconds < 0.9 * best:
            best, chosen = seconds, count
    for player in objective.players().values():
        player.zero_grad(set_to_none=True)
    for name, value in objective.named_buffers():
        value.copy_(kept[name])
    return chosen


def _pass_seconds(objective: Objective, examples: Examples, training: Any) -> float:
    batch = examples.look(training.batch)
    started = time.perf_counter()
    for move in objective.moves(batch):
        if move.loss.requires_grad:
            move.loss.backward()
    return time.perf_counter() - started
