"""A few steps of PPO in the processes that torchrun started: `policies.py OUT`."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

from conjure.core.space import Tokens
from conjure.domains.protocol import Encoded
from conjure.models.recurrent import Recurrent
from conjure.objectives.ppo import PPO
from conjure.training.data import Examples
from conjure.training.distributed import join, leave
from conjure.training.settings import Training
from conjure.training.trainer import Trainer


def train(out: Path) -> None:
    """Four steps on prompts of several lengths, some episodes without a reward, in two minibatches."""
    torch.manual_seed(0)
    policy = Recurrent(Tokens(9, (16,), stream=True), None, Recurrent.Config(width=16))
    with torch.no_grad():
        policy.head.weight.normal_()
    goal = PPO(policy, PPO.Config(tokens=6, end=8, minibatches=2, epochs=2, no_end=0.1, kl_target=1.0, value="head"))
    goal.reward = lambda r: torch.where(r.x[:, 0] == 3, torch.nan, ((r.x == 5) & r.real).sum(1).float())
    rng = torch.Generator().manual_seed(1)
    x, lengths = torch.randint(8, (32, 4), generator=rng), torch.randint(2, 5, (32, 1), generator=rng)
    data = Examples(Encoded(x, torch.arange(4) < lengths), 0)
    settings = Training(steps=4, batch=16, rate=1e-2, threads=1, device="cpu", schedule="constant")
    processes = join("cpu")
    trainer = Trainer(goal, settings, (data, None), processes=processes)
    trainer.run()
    state = processes.whole(trainer.players["model"])
    if processes.first:
        save_file({k: v.contiguous() for k, v in state.items()}, out)
    leave()


if __name__ == "__main__":
    torch.set_num_threads(1)
    train(Path(sys.argv[1]))
