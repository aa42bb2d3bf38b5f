"""Games on MNIST and Fashion-MNIST at equal CPU-seconds on one thread: ours beside torchgan's DCGAN and WGAN-GP.

    python benchmarks/gan_mnist.py [--seconds 60] [--seeds 2] [--data mnist fashion] [--more]

Each model trains in a process of its own for the same CPU-seconds, imports, reading and encoding not counted; a run of
ours begins by timing some steps, which count, to know how many fit. Runs take turns on one core. 10,000 samples
each are compared with the 10,000 test pictures by FD on the features of `judges.py`, a classifier trained once on
the training set; it also says how many samples under a label are of their class. Beside them a normal
distribution a pixel fitted to the training set, and the ceiling: training pictures in the place of samples.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pictures
import torch
from judges import FEATURES, Judge, distance, judge
from readme import table
from stage import RESULTS, ROOT, facts, interval, peer_python, write

MADE = 10_000
TIMED = 40  # steps that say how many fit into the budget
OURS = {"conjure gan": False, "conjure gan, by class": True}
PEERS = {"torchgan DCGAN": "dcgan", "torchgan WGAN-GP": "wgan-gp"}
PACKAGES = ["torchgan==0.1.0", "torchvision", "tensorboard", "setuptools<81"]


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--seconds", type=float, default=60.0)
    words.add_argument("--seeds", type=int, default=2)
    words.add_argument("--data", nargs="+", default=["mnist", "fashion"])
    words.add_argument("--more", action="store_true", help="add seeds to those in the results file, not begin anew")
    asked = words.parse_args()
    torch.set_num_threads(1)
    earlier = RESULTS / "gan_mnist.json"
    kept: dict[str, Any] = json.loads(earlier.read_text("utf-8")) if earlier.exists() else {}
    runs, references, taken = (kept.get(part, {}) for part in ("runs", "references", "taken"))
    python = peer_python("torchgan", PACKAGES)
    for name in asked.data:
        if not asked.more:
            runs[name] = {}
        judged, rows = judge(name), runs.setdefault(name, {})
        references[name], taken[name] = bounds(judged, name), {k: facts()[k] for k in ("commit", "day")}
        done = len(next(iter(rows.values()), []))
        with tempfile.TemporaryDirectory() as folder:
            np.save(pixels := Path(folder) / "pixels.npy", getattr(pictures, name)()[0][0])
            for seed in range(done, done + asked.seeds):
                out = Path(folder) / "made.npy"
                for title, kind in PEERS.items():
                    script = [python, ROOT / "benchmarks" / "peers" / "gans.py", kind, pixels]
                    spent = call([*script, asked.seconds, seed, out])
                    rows.setdefault(title, []).append(measured(judged, name, out, None) | spent)
                for title, labelled in OURS.items():
                    spent = call([sys.executable, __file__, "--run", name, asked.seconds, seed, int(labelled), out])
                    labels = np.arange(MADE) % 10 if labelled else None
                    rows.setdefault(title, []).append(measured(judged, name, out, labels) | spent)
                print(name, seed, json.dumps({k: v[-1] for k, v in rows.items()}), flush=True)
        result = {"features": FEATURES, "seconds": asked.seconds, "references": references, "taken": taken}
        write("gan_mnist", {**result, "figures": figures(runs), "runs": runs})
    print(table("gan_mnist"))


def figures(runs: dict[str, dict[str, list[Any]]]) -> dict[str, Any]:
    """Means with intervals over seeds, and each seed's ratio to the best peer."""
    found: dict[str, Any] = {}
    for name, rows in runs.items():
        best = [min(rows[p][seed]["fd"] for p in PEERS) for seed in range(len(rows[next(iter(PEERS))]))]
        for title, values in rows.items():
            keys = ("fd", "right", "cpu_seconds") if "right" in values[0] else ("fd", "cpu_seconds")
            figure = {k: interval([v[k] for v in values]) for k in keys}
            if title in OURS:
                figure["ratio"] = interval([v["fd"] / b for v, b in zip(values, best)])
            found.setdefault(name, {})[title] = figure
    return found


def bounds(judged: Judge, name: str) -> dict[str, float]:
    """FD of independent normal pixels, and of real training pictures, to the test set; the judge's own share right."""
    (train, _), (test, truth) = getattr(pictures, name)()
    rng = np.random.default_rng(0)
    noise = rng.normal(train.mean(0), train.std(0), (MADE, 28, 28)).round().clip(0, 255).astype(np.uint8)
    real = train[rng.permutation(len(train))[:MADE]]
    right = float((judged.verdicts(test) == truth).mean())
    return {"pixels": distance(judged, test, noise), "real": distance(judged, test, real), "right": right}


def measured(judged: Judge, name: str, made: Path, labels: np.ndarray | None) -> dict[str, float]:
    images, (test, _) = np.load(made), getattr(pictures, name)()[1]
    right = {} if labels is None else {"right": float((judged.verdicts(images) == labels).mean())}
    return {"fd": distance(judged, test, images), **right}


def call(words: list[Any]) -> dict[str, float]:
    """Run on one thread; the JSON in its last line."""
    env = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    done = subprocess.run([str(w) for w in words], check=True, env=env, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def ours(name: str, seconds: float, seed: int, labelled: bool, out: str) -> None:
    """The `gan` recipe of the images app for so many CPU-seconds, and its samples, under labels 0 1 2 ... in turn."""
    from conjure import recipe_for
    from conjure.domains.image.pictures import images
    from conjure.fitting import FitOptions, fit
    from conjure.sampling import sample

    torch.set_num_threads(1)
    (pixels, labels), _ = getattr(pictures, name)()
    data = images(pixels, labels if labelled else None)
    words = ["training.threads=1", "held_out=0.02", "training.validate_every=1000000"]
    recipe = recipe_for("images", model="gan", settings=words).with_seed(seed)

    spent = 0.0

    def run(steps: int) -> Any:
        nonlocal spent
        first: list[float] = []
        options = FitOptions(watch=lambda progress: first.append(time.process_time()))
        found = fit(replace(recipe, training={**recipe.training, "steps": steps}), data, None, options)
        spent += time.process_time() - first[0]  # it is told of the first step as soon as that is done
        return found

    run(TIMED)
    steps = int((seconds - spent) / (spent / (TIMED - 1)))
    made = run(steps)
    given = {"label": [str(k % 10) for k in range(MADE)]} if labelled else {}
    np.save(out, sample(made, MADE, given=given, seed=seed).array()[..., 0])
    print(json.dumps({"cpu_seconds": spent, "steps": steps}))


if __name__ == "__main__":
    if "--run" in sys.argv:
        name, seconds, seed, labelled, out = sys.argv[2:]
        ours(name, float(seconds), int(seed), labelled == "1", out)
    else:
        main()
