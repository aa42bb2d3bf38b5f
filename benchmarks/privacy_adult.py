"""Adult under differential privacy, epsilon 1 and delta 1e-5: ours beside smartnoise-synth's MST and AIM.

The judge is that of tables_adult.py: an XGBoost of 200 trees learns income from made rows and is tested on real ones
(TSTR, AUC). Split 80/20 stratified by income, one split and one fit a seed; everything, ranges and bins included, comes
out of the one budget in ours. The peers take categories for public; their numbers are tried as continuous and as
ordinal, and the better of the two stands. Our families by noisy gradients (DP-SGD) stand beside. Ceiling: real training
rows. Baseline: our own columns, each by itself, from the same private codec. The audit plants 500 canaries and bounds
epsilon from below.

Usage: python benchmarks/privacy_adult.py [--seeds 5] [--peer-seeds 5] [--peers mst,aim] [--kinds continuous,ordinal]
[--families columns,vae,gan] [--family-seeds 2] [--epsilon 1] [--canaries 500] [--bound 90] [--fresh]. About 1 minute a
seed on one core for ours, as much for a family by noisy gradients; MST 2 minutes a fit.
A peer's fit that takes more than `bound` CPU-minutes is stopped and noted. Results are written after every fit and
kept: started again, it goes on where it stopped, and --fresh forgets them. Each run names its commit.
"""

from __future__ import annotations

import argparse
import json
import resource
import signal
import subprocess
import tempfile
import time
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from sklearn.model_selection import train_test_split
from stage import RESULTS, ROOT, SHARED, facts, interval, peer_python, write
from tables_adult import TARGET, utility

import conjure
from conjure.core.rng import generator
from conjure.verbs import recipe_for

PACKAGES = ["smartnoise-synth==1.0.8"]
DELTA = 1e-5


def ours(
    train: pd.DataFrame, test: pd.DataFrame, seed: int, epsilon: float, **choice: Any
) -> dict[str, dict[str, Any]]:
    """One fit under the budget, by the default family of a budget or the `model` chosen, and columns by themselves."""
    cpu = time.process_time()
    fitted = conjure.fit("tables", train, budget={"epsilon": epsilon, "delta": DELTA}, seed=seed, **choice)
    seconds = time.process_time() - cpu
    made = fitted.sample(len(train), seed=seed)
    spent = fitted.card["privacy"]["epsilon_spent"]
    found = {"conjure": {"tstr": utility(made.fillna(""), test), "fit_cpu": seconds, "epsilon_spent": spent}}
    if not choice:
        codec = fitted.artifact.codec
        alone = codec.decode(codec.independent(len(train), generator(seed, "alone")), generator(seed, "alone decode"))
        found["independent columns"] = {"tstr": utility(alone.fillna(""), test)}
    return found


def peer(
    name: str, kind: str, data: tuple[pd.DataFrame, pd.DataFrame], seed: int, epsilon: float, bound: float
) -> dict[str, Any]:
    train, test = data
    python = peer_python("smartnoise-synth", PACKAGES, pinned=False)
    with tempfile.TemporaryDirectory() as folder:
        source, out, said = (Path(folder) / n for n in ("train.csv", "made.csv", "said.txt"))
        train.to_csv(source, index=False)
        words = [str(python), "-u", str(ROOT / "benchmarks/peers/private.py"), name, str(source), str(out)]
        words += [str(len(train)), str(seed), kind, str(epsilon), str(DELTA)]
        with said.open("w") as file:
            done = subprocess.run(words, stdout=file, stderr=subprocess.PIPE, text=True, preexec_fn=lambda: _cap(bound))
        lines = said.read_text().splitlines()
        if done.returncode == -signal.SIGXCPU:
            return {"stopped_after_cpu": 60 * bound, "said_last": [x for x in lines if "Budget" in x][-1:]}
        if done.returncode:
            raise RuntimeError(f"{name} failed: {done.stderr[-2000:]}")
        made = pd.read_csv(out, keep_default_na=False)
    return {"tstr": utility(made, test), **json.loads(lines[-1])}


def _cap(minutes: float) -> None:
    """At most so many CPU-minutes for this process."""
    resource.setrlimit(resource.RLIMIT_CPU, (round(60 * minutes), round(60 * minutes) + 30))


def kept(epsilon: float) -> dict[str, Any]:
    """What was measured before at this epsilon: runs by name, and the audit."""
    path = RESULTS / "privacy_adult.json"
    found = json.loads(path.read_text("utf-8")) if path.exists() else {}
    return {k: found[k] if found.get("epsilon") == epsilon else {} for k in ("runs", "audit")}


def note(epsilon: float, name: str, found: dict[str, Any]) -> None:
    """Add a run (or the audit) to the results, in which another process may have written meanwhile."""
    print(name, {k: round(v, 4) if isinstance(v, float) else v for k, v in found.items()}, flush=True)
    now = kept(epsilon)
    if name == "audit":
        now["audit"] = found
    else:
        now["runs"].setdefault(name, []).append({**found, "commit": facts()["commit"]})
        now["runs"][name].sort(key=lambda run: run["seed"])
    scored = {k: [r["tstr"] for r in v if "tstr" in r] for k, v in now["runs"].items()}
    summary = {k: interval(v) for k, v in scored.items() if v}
    write("privacy_adult", {"epsilon": epsilon, "delta": DELTA, **now, "tstr": summary})


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seeds", type=int, default=5)
    options.add_argument("--peer-seeds", type=int, default=5)
    options.add_argument("--peers", default="mst,aim")
    options.add_argument("--kinds", default="continuous,ordinal")
    options.add_argument("--epsilon", type=float, default=1.0)
    options.add_argument("--canaries", type=int, default=500)
    options.add_argument("--bound", type=float, default=90.0)
    options.add_argument("--families", default="columns,vae,gan")
    options.add_argument("--family-seeds", type=int, default=2)
    options.add_argument("--fresh", action="store_true")
    chosen = options.parse_args()
    if chosen.fresh:
        (RESULTS / "privacy_adult.json").unlink(missing_ok=True)
    table = pd.read_csv(SHARED / "adult.csv", skipinitialspace=True, keep_default_na=False)
    before = kept(chosen.epsilon)
    done = {(name, run["seed"]) for name, runs in before["runs"].items() for run in runs}
    if chosen.canaries and not before["audit"]:
        from conjure.auditing import audit

        recipe = recipe_for("tables", settings=[f"privacy.epsilon={chosen.epsilon}", f"privacy.delta={DELTA}"])
        note(chosen.epsilon, "audit", audit(recipe, table, canaries=chosen.canaries).facts())
    for seed in range(max(chosen.seeds, chosen.peer_seeds, chosen.family_seeds)):
        parts = train_test_split(table, test_size=0.2, random_state=seed, stratify=table[TARGET])
        train, test = (part.reset_index(drop=True) for part in parts)
        if seed < chosen.seeds and ("conjure", seed) not in done:
            note(chosen.epsilon, "real rows", {"seed": seed, "tstr": utility(train, test)})
            for name, found in ours(train, test, seed, chosen.epsilon).items():
                note(chosen.epsilon, name, {"seed": seed, **found})
        for family in filter(None, chosen.families.split(",") if seed < chosen.family_seeds else ()):
            called = f"conjure, {family} by noisy gradients"
            if (called, seed) not in done:
                found = ours(train, test, seed, chosen.epsilon, model=family)["conjure"]
                note(chosen.epsilon, called, {"seed": seed, **found})
        for name, kind in product(filter(None, chosen.peers.split(",")), chosen.kinds.split(",")):
            called = f"{name}, {kind}"
            if seed < chosen.peer_seeds and (called, seed) not in done:
                found = peer(name, kind, (train, test), seed, chosen.epsilon, chosen.bound)
                note(chosen.epsilon, called, {"seed": seed, **found})


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
