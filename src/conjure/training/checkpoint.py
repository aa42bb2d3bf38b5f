"""Everything a run needs to go on as if it had never stopped, through torch's distributed checkpoints.

Weights and optimizer states are written sharded as they are and read back into whatever number of
processes there is. Written beside, then renamed: a kill leaves the last whole checkpoint in place.
"""

from __future__ import annotations

import json
import shutil
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from conjure.core.errors import ArtifactError, TrainingError
from conjure.nets.lora import learnt
from conjure.training.distributed import Processes

NAME = "checkpoint"


def tensors(players: dict[str, nn.Module], extra: dict[str, dict[str, Tensor]]) -> dict[str, Tensor]:
    """Weights of all players and further named groups (averages, the best so far) in one flat dict.

    What adapters leave frozen is not among them: a run that goes on finds it where it started from.
    """
    flat = {f"weights/{who}/{k}": v for who, player in players.items() for k, v in learnt(player).items()}
    for group, values in extra.items():
        flat.update({f"{group}/{name}": value for name, value in values.items()})
    return flat


def optimizer_tensors(players: dict[str, nn.Module], optimizers: dict[str, torch.optim.Optimizer]) -> dict[str, Tensor]:
    """Optimizer states by player, parameter and quantity."""
    flat = {}
    for who, optimizer in optimizers.items():
        for name, p in players[who].named_parameters():
            for key, value in optimizer.state.get(p, {}).items():
                flat[f"optimizer/{who}/{name}/{key}"] = value
    return flat


def save(folder: Path, flat: dict[str, Tensor], counters: dict[str, Any], processes: Processes) -> None:
    """Write the checkpoint of a run; TrainingError when the disk is full, the earlier checkpoint untouched."""
    import torch.distributed.checkpoint as dcp  # large

    fresh, old, place = (folder / f"{NAME}{end}" for end in (".new", ".old", ""))
    if processes.first:
        shutil.rmtree(fresh, ignore_errors=True)
    processes.wait()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # DCP warns that it is alone, which is the plain case here
            dcp.save(flat, checkpoint_id=fresh, no_dist=processes.world == 1)
        if processes.first:
            (fresh / "counters.json").write_text(json.dumps(counters), "utf-8")
            shutil.rmtree(old, ignore_errors=True)
            if place.exists():
                place.rename(old)
            fresh.rename(place)
            shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        shutil.rmtree(fresh, ignore_errors=True)
        raise TrainingError(f"could not write a checkpoint to {folder}: {error.strerror or error}") from None
    processes.wait()


def find(folder: Path) -> Path | None:
    """The newest whole checkpoint of a run, also when it was killed between the two renames."""
    for end in ("", ".old"):
        place = folder / f"{NAME}{end}"
        if (place / "counters.json").exists():
            return place
    return None


def load(
    place: Path, players: dict[str, nn.Module], optimizers: dict[str, torch.optim.Optimizer], processes: Processes
) -> tuple[dict[str, dict[str, Tensor]], dict[str, Any]]:
    """Fill players and optimizers in place; returns the further groups of tensors and the counters.

    Every tensor is allocated like the parameter it belongs to, so that it comes back sharded as it is now.
    """
    import torch.distributed.checkpoint as dcp  # large

    known = dcp.FileSystemReader(place).read_metadata().state_dict_metadata
    parameters = {who: dict(player.named_parameters()) for who, player in players.items()}
    flat: dict[str, Tensor] = {}
    groups: dict[str, dict[str, Tensor]] = {}
    for key, stored in known.items():
        kind, rest = key.split("/", 1)
        if kind == "weights":
            continue
        who, name = (rest.split("/")[:2]) if kind == "optimizer" else ("model", rest)
        owner = parameters[who].get(name)
        if owner is not None and owner.shape == stored.size:
            flat[key] = torch.zeros_like(owner.detach(), dtype=stored.properties.dtype)
        else:
            where = None if owner is None else owner.device
            flat[key] = torch.zeros(stored.size, dtype=stored.properties.dtype, device=where)
        if kind == "optimizer":
            optimizers[who].state[parameters[who][name]][rest.split("/")[2]] = flat[key]
        else:
            groups.setdefault(kind, {})[name] = flat[key]
    weights = tensors(players, {})
    if set(weights) != {k for k in known if k.startswith("weights/")}:
        raise ArtifactError(f"{place} is a checkpoint of another model; start afresh in another folder")
    grown = {k for k, v in weights.items() if v.shape != known[k].size}  # tables of as many rows as were counted
    flat.update(weights | {k: torch.zeros(known[k].size, dtype=known[k].properties.dtype) for k in grown})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dcp.load(flat, checkpoint_id=place, no_dist=processes.world == 1)
    for who, player in players.items():
        if mine := {k.split("/", 2)[2]: flat[k] for k in grown if k.startswith(f"weights/{who}/")}:
            player.load_state_dict(mine, strict=False)
    return groups, json.loads((place / "counters.json").read_text("utf-8"))


def forget(folder: Path) -> None:
    """Remove a finished run's checkpoints."""
    for end in ("", ".old", ".new"):
        shutil.rmtree(folder / f"{NAME}{end}", ignore_errors=True)
