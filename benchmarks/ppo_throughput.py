"""Episodes of PPO a CPU-second, peak memory and what they gain, beside TRL's trainer; one thread each.

    python benchmarks/ppo_throughput.py [--model tiny|smollm2] [--updates 60] [--repeats 3] [--core 0]

A character policy of 0.8 M parameters completes 8 tokens with 32 more, 32 episodes an update, 4 epochs; the reward is
the share of one token, the same function for both, so that neither runs a reward model. Ours has its value head on the
policy's own states, TRL a value model of the same size. Speeds are of all updates after the second, in CPU-seconds of
the process; the runs take turns. Distances are exact, over the whole vocabulary at each token drawn, the time for that
left out: samples of them, which both keep themselves, scatter by nats. Rewards at a distance are read off a run's curve
by a parabola through what lies from half to twice as far. An hour on one core with the defaults; `--updates 8
--repeats 1` takes three minutes and measures speed and memory alone.

`--model smollm2` is SmolLM2-135M with adapters of rank 16, which go on being its reference without them: 4 episodes of
16 + 16 tokens an update, 2 epochs, 6 updates unless said otherwise, about four minutes for each repeat.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from stage import ROOT, interval, peer_python, write

HERE = Path(__file__).resolve().parent
DISTANCES = (5, 10)
SCALES: dict[str, dict[str, Any]] = {  # the reward is the share of the token `wanted`; prompts are of `tokens`
    "tiny": {"tokens": (0, 65), "wanted": 5, "prompt": 8, "drawn": 32, "batch": 32, "epochs": 4},
    "smollm2": {"tokens": (100, 40_000), "wanted": 28, "prompt": 16, "drawn": 16, "batch": 4, "epochs": 2},
}
SCALES["tiny"] |= {"rate": 1e-3, "price": 0.002, "updates": 60}
SCALES["smollm2"] |= {"rate": 2e-4, "price": 0.002, "updates": 6, "rank": 16, "alpha": 32}


def policy_of(model: str, scale: dict[str, Any], seed: int) -> Any:
    """The policy of ours, ready to be trained."""
    import torch

    from conjure.core.space import Tokens
    from conjure.models.decoder import Decoder
    from conjure.training.adapting import adapt
    from conjure.training.settings import Lora, Training

    torch.manual_seed(seed)
    if model == "tiny":
        return Decoder(Tokens(65, (64,), stream=True), None, Decoder.Config(layers=4, width=128, heads=4))
    from conjure.pretrained import opening

    policy = opening.load("smollm2").model
    adapt(policy, Training(steps=1, lora=Lora(scale["rank"], scale["alpha"])), seed)
    return policy


def ours(model: str, updates: int, seed: int) -> dict[str, object]:
    """One run of ours, in this process."""
    import torch

    from conjure.domains.protocol import Encoded
    from conjure.objectives.ppo import PPO
    from conjure.training.data import Examples
    from conjure.training.settings import Training
    from conjure.training.trainer import Trainer

    torch.set_num_threads(1)
    scale = SCALES[model]
    policy = policy_of(model, scale, seed)
    how = {"tokens": scale["drawn"], "epochs": scale["epochs"], "kl": scale["price"], "value": "head"}
    goal = PPO(policy, PPO.Config(**how))
    times: list[float] = []
    curve: list[list[float]] = []
    apart = 0.0  # seconds that only measure

    def reward(rollout):
        nonlocal apart
        now = time.process_time()
        times.append(now - apart)
        found = ((rollout.x == scale["wanted"]) & rollout.real).sum(1) / rollout.real.sum(1)
        if model == "tiny":
            both = [m.logits(m._hidden(rollout.x[:, :-1], None)).log_softmax(-1) for m in (policy, goal.reference)]
            kl = ((both[0].exp() * (both[0] - both[1])).sum(-1) * rollout.real[:, 1:]).sum(1)
            curve.append([float(kl.mean()), float(found.mean())])
            apart += time.process_time() - now
        return found

    goal.reward = reward
    rng = torch.Generator().manual_seed(seed)
    prompts = torch.randint(*scale["tokens"], (1024, scale["prompt"]), generator=rng)
    how = {"batch": scale["batch"], "rate": scale["rate"], "schedule": "constant", "threads": 1, "device": "cpu"}
    built = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    Trainer(goal, Training(steps=updates, **how), (Examples(Encoded(prompts), seed), None), seed=seed).run()
    steady = times[2:]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "episodes_a_second": scale["batch"] * (len(steady) - 1) / (steady[-1] - steady[0]),
        "peak": peak / 1024,
        "grown": (peak - built) / 1024,
        "curve": curve[:updates],
        "parameters": sum(p.numel() for p in policy.parameters()),
    }


def at(curve: list[list[float]], distance: float) -> float | None:
    """The reward at a distance, by a parabola through points from half to twice as far; None where these are few."""
    kl, reward = np.array(curve).T if curve else np.zeros((2, 0))
    near = (kl > distance / 2) & (kl < distance * 2)
    if near.sum() < 4 or kl.max() < distance:
        return None
    return float(np.polyval(np.polyfit(kl[near] - distance, reward[near], 2), 0.0))


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--model", default="tiny", choices=list(SCALES))
    words.add_argument("--updates", type=int, default=0)
    words.add_argument("--repeats", type=int, default=3)
    words.add_argument("--core", type=int, default=0)
    words.add_argument("--ours", type=int, help=argparse.SUPPRESS)
    asked = words.parse_args()
    scale = SCALES[asked.model]
    asked.updates = asked.updates or scale["updates"]
    if asked.ours is not None:
        print(json.dumps(ours(asked.model, asked.updates, asked.ours)))
        return
    if asked.model == "tiny":
        compare(asked, scale, "ppo_throughput")
        return
    import conjure

    with tempfile.TemporaryDirectory() as folder:
        conjure.load("smollm2").export(f"{folder}/weights")
        compare(asked, scale | {"weights": f"{folder}/weights"}, "ppo_smollm2")


def compare(asked: argparse.Namespace, scale: dict[str, Any], name: str) -> None:
    """Runs of both in turn, and what came of them as JSON."""
    theirs = peer_python("trl-1.12", ["trl==1.12.0", "peft==0.21.2"])
    runs: dict[str, list[dict]] = {"conjure": [], "TRL 1.12.0": []}
    for seed in range(asked.repeats):
        tail = [json.dumps(scale | {"updates": asked.updates, "seed": seed})]
        own = [sys.executable, str(HERE / "ppo_throughput.py"), "--ours", str(seed), "--updates", str(asked.updates)]
        own += ["--model", asked.model]
        for who, command in (("conjure", own), ("TRL 1.12.0", [str(theirs), str(HERE / "peers" / "ppo.py"), *tail])):
            runs[who].append(once(command, asked.core))
            print(who, {k: v for k, v in runs[who][-1].items() if k != "curve"}, flush=True)
    figures = {
        who: {
            "episodes_a_second": interval([r["episodes_a_second"] for r in found]),
            "peak": interval([r["peak"] for r in found]),
            "grown": interval([r["grown"] for r in found]),
            **{f"at {d}": interval(v) for d in DISTANCES if (v := [x for r in found if (x := at(r["curve"], d))])},
        }
        for who, found in runs.items()
    }
    pairs = list(zip(*runs.values()))
    ratios = {k: interval([a[k] / b[k] for a, b in pairs]) for k in ("episodes_a_second", "peak", "grown")}
    curves = {who: [r["curve"] for r in found] for who, found in runs.items()}
    result = {"figures": figures, "ratios": ratios, "updates": asked.updates, "repeats": asked.repeats}
    result |= {"price": scale["price"], "scale": {k: v for k, v in scale.items() if k != "weights"}}
    print(write(name, result | {"curves": curves}))


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
