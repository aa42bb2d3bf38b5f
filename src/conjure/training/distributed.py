"""Many processes as one: torch's own engine, started by torchrun; one process is the plain case."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

import torch
import torch.distributed as dist
from torch import Tensor, nn


@dataclass(frozen=True)
class Processes:
    """This process among its peers, and the device it works on."""

    rank: int = 0
    world: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @property
    def first(self) -> bool:
        return self.rank == 0

    def shard(self, player: nn.Module) -> None:
        """Spread a player's weights over the processes; its loss-bearing methods stay in step (FSDP2)."""
        player.to(self.device)
        if self.world == 1 or not any(True for _ in player.parameters()):
            return
        from torch.distributed.device_mesh import init_device_mesh  # large, and one process needs none of it
        from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method

        fully_shard(player, mesh=init_device_mesh(self.device.type, (self.world,)))
        for name in getattr(player, "methods", ()):
            register_fsdp_forward_method(player, name)

    def whole(self, module: nn.Module) -> dict[str, Tensor]:
        """A module's whole state on the CPU of the first process; empty on the others."""
        if self.world == 1:
            return {k: v.detach().cpu().clone() for k, v in module.state_dict().items()}
        from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict

        return get_model_state_dict(module, options=StateDictOptions(full_state_dict=True, cpu_offload=True))

    def means(self, sums: dict[str, float], count: float) -> dict[str, float]:
        """Sums over this process's examples to means over everybody's."""
        if self.world > 1:
            packed = torch.tensor([*sums.values(), count], dtype=torch.float64, device=self.device)
            dist.all_reduce(packed)
            *values, count = packed.tolist()
            sums = dict(zip(sums, values))
        return {name: value / max(count, 1) for name, value in sums.items()}

    def agree(self, value: float) -> float:
        """The first process's value on every process (elapsed time, a wish to stop)."""
        if self.world == 1:
            return value
        packed = torch.tensor([value], dtype=torch.float64, device=self.device)
        dist.broadcast(packed, 0)
        return packed.item()

    def any(self, flag: bool) -> bool:
        """Whether the flag is up on any process."""
        if self.world == 1:
            return flag
        packed = torch.tensor([float(flag)], device=self.device)
        dist.all_reduce(packed, dist.ReduceOp.MAX)
        return packed.item() > 0

    def wait(self) -> None:
        if self.world > 1:
            dist.barrier()


def alone(device: str = "auto") -> Processes:
    """This process by itself; auto: on a GPU where there is one."""
    kind = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
    return Processes(device=torch.device(kind))


def join(device: str = "auto") -> Processes:
    """This process's place, from torchrun's environment; alone without it."""
    rank, world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    if world == 1:
        return alone(device)
    kind = alone(device).device.type
    local = int(os.environ.get("LOCAL_RANK", 0))
    place = torch.device("cuda", local) if kind == "cuda" else torch.device("cpu")
    if kind == "cuda":
        torch.cuda.set_device(place)
    if not dist.is_initialized():
        dist.init_process_group("nccl" if kind == "cuda" else "gloo")
    return Processes(rank, world, place)


def leave() -> None:
    """Part from the other processes, if there are any."""
    if dist.is_available() and dist.is_initialized():
        dist.barrier()
        dist.destroy_process_group()
