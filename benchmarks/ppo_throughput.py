"""Episodes of PPO a CPU-second, peak memory and what they gain, beside TRL's trainer; one thread each.

    python benchmarks/ppo_throughput.py [--updates 60] [--repeats 3] [--core 0]

A character policy of 0.8 M parameters completes 8 tokens with 32 more, 32 episodes an update, 4 epochs; the reward is
the share of one token, the same function for both, so that neither runs a reward model. Ours has its value head on the
policy's own states, TRL a value model of the same size. Speeds are of all updates after the second, in CPU-seconds of
the process; the runs take turns. Rewards at a distance are read off each run's curve. An hour on one core with the
defaults; `--updates 8 --repeats 1` takes three minutes and measures speed and memory alone.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from stage import ROOT, interval, peer_python, write

HERE = Path(__file__).resolve().parent
VOCAB, WANTED, PROMPT, DRAWN, BATCH, EPOCHS = 65, 5, 8, 32, 32, 4
RATE, PRICE, WINDOW = 1e-3, 0.002, 5
DISTANCES = (5, 10)


def ours(updates: int, seed: int) -> dict[str, object]:
    """One run of ours, in this process."""
    import torch

    from conjure.core.space import Tokens
    from conjure.domains.protocol import Encoded
    from conjure.models.decoder import Decoder
    from conjure.objectives.ppo import PPO
    from conjure.training.data import Examples
    from conjure.training.settings import Training
    from conjure.training.trainer import Trainer

    torch.set_num_threads(1)
    torch.manual_seed(seed)
    policy = Decoder(Tokens(VOCAB, (64,), stream=True), None, Decoder.Config(layers=4, width=128, heads=4))
    goal = PPO(policy, PPO.Config(tokens=DRAWN, epochs=EPOCHS, kl=PRICE, value="head"))
    times: list[float] = []
    curve: list[list[float]] = []

    def reward(rollout):
        times.append(time.process_time())
        return ((rollout.x == WANTED) & rollout.real).sum(1) / rollout.real.sum(1)

    goal.reward = reward
    play = goal._play

    def noted(batch):
        found = play(batch)
        curve.append([float(found.kl.mean()), float(found.rewards.mean())])
        return found

    goal._play = noted
    rng = torch.Generator().manual_seed(seed)
    prompts = torch.randint(VOCAB, (1024, PROMPT), generator=rng)
    training = Training(steps=updates, batch=BATCH, rate=RATE, schedule="constant", threads=1, device="cpu")
    built = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    Trainer(goal, training, (Examples(Encoded(prompts), seed), None), seed=seed).run()
    steady = times[2:]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "episodes_a_second": BATCH * (len(steady) - 1) / (steady[-1] - steady[0]),
        "peak": peak / 1024,
        "grown": (peak - built) / 1024,
        "curve": curve[:updates],
        "parameters": sum(p.numel() for p in policy.parameters()),
    }


def at(curve: list[list[float]], distance: float) -> float | None:
    """The reward where a smoothed curve first crosses a distance; None where it never does."""
    kernel = np.ones(WINDOW) / WINDOW
    kl, reward = (np.convolve([point[k] for point in curve], kernel, "valid") for k in (0, 1))
    beyond = np.flatnonzero(kl >= distance)
    if not len(beyond) or beyond[0] == 0:
        return None
    k = beyond[0]
    share = (distance - kl[k - 1]) / max(kl[k] - kl[k - 1], 1e-9)
    return float(reward[k - 1] + share * (reward[k] - reward[k - 1]))


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--updates", type=int, default=60)
    words.add_argument("--repeats", type=int, default=3)
    words.add_argument("--core", type=int, default=0)
    words.add_argument("--ours", type=int, help=argparse.SUPPRESS)
    asked = words.parse_args()
    if asked.ours is not None:
        print(json.dumps(ours(asked.updates, asked.ours)))
        return
    theirs = peer_python("trl", ["trl==1.12.0"])
    runs: dict[str, list[dict]] = {"conjure": [], "TRL 1.12.0": []}
    for seed in range(asked.repeats):
        tail = [str(asked.updates), str(RATE), str(PRICE), str(seed)]
        own = [sys.executable, str(HERE / "ppo_throughput.py"), "--ours", str(seed), "--updates", str(asked.updates)]
        for name, command in (("conjure", own), ("TRL 1.12.0", [str(theirs), str(HERE / "peers" / "ppo.py"), *tail])):
            runs[name].append(once(command, asked.core))
            print(name, {k: v for k, v in runs[name][-1].items() if k != "curve"}, flush=True)
    figures = {
        name: {
            "episodes_a_second": interval([r["episodes_a_second"] for r in found]),
            "peak": interval([r["peak"] for r in found]),
            "grown": interval([r["grown"] for r in found]),
            **{f"at {d}": interval(v) for d in DISTANCES if (v := [x for r in found if (x := at(r["curve"], d))])},
        }
        for name, found in runs.items()
    }
    pairs = list(zip(*runs.values()))
    ratios = {k: interval([a[k] / b[k] for a, b in pairs]) for k in ("episodes_a_second", "peak", "grown")}
    curves = {name: [r["curve"] for r in found] for name, found in runs.items()}
    result = {"figures": figures, "ratios": ratios, "updates": asked.updates, "repeats": asked.repeats, "price": PRICE}
    print(write("ppo_throughput", result | {"curves": curves}))


def once(command: list[str], core: int) -> dict:
    """The last line of a process on one core, as JSON."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(
        ["taskset", "-c", str(core), *command], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(done.stderr[-3000:])
    return json.loads(done.stdout.strip().splitlines()[-1])


if __name__ == "__main__":
    main()
