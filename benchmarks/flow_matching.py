"""Flow matching beside torchcfm 1.0.7 with the same networks: 2-D sets and MNIST, CPU-seconds of training.

    python benchmarks/flow_matching.py [planar] [digits] [--seeds 3] [--ours]

Both sides train the very same network file (nets/field.py, loaded into the peer's environment): a perceptron for
points, a U-Net for digits. The peer's loop is that of its tutorials, by both of its matchers. CPU-seconds are of the
training loop alone, one thread, without imports (the peer's take longer) and without sampling. Runs alternate.
Points are judged by the 2-Wasserstein distance of 1,500 samples to as many held-out points (exact assignment),
digits by the Frechet distance of 1,000 samples to the test set on a classifier's features (benchmarks/judges.py).
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from readme import table
from stage import RESULTS, ROOT, interval, peer_python, write

PLANAR = {
    "points": 20_000,
    "draws": 1_500,
    "batch": 256,
    "plan": {"net": "perceptron", "width": 128, "layers": 2},
    "solver": "heun",
}
DIGITS = {"draws": 1_000, "batch": 128, "plan": {"net": "unet", "width": 128, "channels": 12}, "solver": "adams"}
PEER = {"planar": {"steps": 1_500, "rate": 1e-3}, "digits": {"steps": 600, "rate": 1e-3}}
OURS = {
    "planar": {"steps": 1_200, "rate": 2e-3, "average": 0.99, "coupling": "transport"},
    "digits": {
        "steps": 1_100,
        "batch": 32,
        "rate": 4e-3,
        "average": 0.99,
        "coupling": "independent",
        "precision": "bf16",
    },
}
PACKAGES = ["torchcfm==1.0.7"]
CALLS = (10, 100)  # of the network, a draw


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("what", nargs="*", default=["planar", "digits"])
    words.add_argument("--seeds", type=int, default=3)
    words.add_argument("--ours", action="store_true", help="ours alone anew, beside the peer's runs there are")
    words.add_argument("--one", type=Path, help="(one of our runs, in a process of its own)")
    asked = words.parse_args()
    if asked.one:
        return one(json.loads(asked.one.read_text()))
    at = RESULTS / "flow_matching.json"
    found = json.loads(at.read_text("utf-8"))["runs"] if at.exists() else {}
    names = [*(SETS if "planar" in asked.what else ()), *(["MNIST"] if "digits" in asked.what else ())]
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(asked.seeds):
            for name in names:
                kept = found.setdefault(name, [])[seed : seed + 1]
                if bool(kept) != asked.ours:
                    continue
                where = seed, Path(folder), bool(kept)
                rows = digits(where) if name == "MNIST" else planar(name, where)
                found[name][seed : seed + 1] = [{**(kept[0] if kept else {}), **rows}]
                print(name, seed, {k: {a: round(b, 4) for a, b in v.items()} for k, v in rows.items()}, flush=True)
                keep(found)
    print(table("flow_matching"))


def keep(found: dict[str, list[dict[str, Any]]]) -> None:
    """All runs so far with their summary; a benchmark that was stopped goes on from here."""
    settings = {"planar": PLANAR, "digits": DIGITS, "peer": PEER, "ours": OURS}
    figures = {name: summary(runs) for name, runs in found.items() if runs}
    write("flow_matching", {"peer": PACKAGES[0], "settings": settings, "figures": figures, "runs": found})


def eight(n: int, rng: np.random.Generator) -> np.ndarray:
    """Eight Gaussians of variance 0.1 on a circle of radius 5, scaled to a deviation of one."""
    angle = rng.integers(8, size=n) * np.pi / 4
    ring = 5 * np.stack([np.cos(angle), np.sin(angle)], 1)
    return (ring + math.sqrt(0.1) * rng.normal(size=(n, 2))) / math.sqrt(12.6)


def moons(n: int, rng: np.random.Generator) -> np.ndarray:
    """Two half circles, one in the other, with noise of 0.05; mean 0 and deviation one on each axis."""
    angle, upper = np.pi * rng.random((n, 1)), rng.random((n, 1)) < 0.5
    curve = np.hstack([np.cos(angle), np.sin(angle)])
    points = np.where(upper, curve, [1.0, 0.5] - curve) + 0.05 * rng.normal(size=(n, 2))
    return (points - [0.5, 0.25]) / [0.87, 0.5]


def checkerboard(n: int, rng: np.random.Generator) -> np.ndarray:
    """Eight of sixteen squares, each evenly filled, scaled to a deviation of one."""
    across = 4 * rng.random(n) - 2
    up = rng.random(n) - 2 * rng.integers(2, size=n) + np.floor(across) % 2
    return np.stack([across, up], 1) / 1.155


SETS = {"moons": moons, "8 Gaussians": eight, "checkerboard": checkerboard}


Where = tuple[int, Path, bool]  # seed, folder for files, whether ours alone runs


def planar(name: str, where: Where) -> dict[str, dict[str, float]]:
    """One seed of a 2-D set: every row's figures."""
    rng = np.random.default_rng([where[0], *name.encode()])
    data, held_out, more = (SETS[name](n, rng) for n in (PLANAR["points"], PLANAR["draws"], PLANAR["draws"]))
    rows = {"held-out points": {"distance": wasserstein(more, held_out)}}
    return rows | runs("planar", PLANAR, data, where, lambda made: wasserstein(made, held_out))


def digits(where: Where) -> dict[str, dict[str, float]]:
    """One seed of MNIST: every row's figures."""
    from judges import distance, judge
    from pictures import mnist

    (train, _), (test, _) = mnist()
    cut, eye = len(train) - DIGITS["draws"], judge("mnist")
    rows = {"training pictures": {"distance": distance(eye, test, train[cut:])}}
    data = train[:cut, None] / 127.5 - 1

    def judged(made: np.ndarray) -> float:
        return distance(eye, test, ((made[:, 0] + 1) * 127.5).round().clip(0, 255).astype(np.uint8))

    return rows | runs("digits", DIGITS, data, where, judged)


def runs(kind: str, sizes: dict[str, Any], data: np.ndarray, where: Where, judge: Any) -> dict[str, Any]:
    """Ours and the peer's runs on the same data, one after the other."""
    seed, folder, alone = where
    np.save(folder / "data.npy", data.astype(np.float32))
    rows, couplings = {}, ("transport", "independent") if kind == "planar" else ("independent",)
    spec = {"data": str(folder / "data.npy"), "out": str(folder / "made.npz"), "seed": seed, **sizes}
    for coupling in () if alone else couplings:
        python = peer_python("torchcfm", PACKAGES)
        theirs = {**spec, **PEER[kind], "coupling": coupling, "solvers": ["dopri5"]}
        done = run([str(python), str(ROOT / "benchmarks" / "peers" / "flows.py")], theirs, folder)
        rows[f"torchcfm, {coupling}"] = {"cpu_seconds": float(done["cpu"]), "distance": judge(done["dopri5"])}
    done = run([sys.executable, __file__, "--one"], {**spec, **OURS[kind]}, folder)
    at = {calls: judge(done[str(calls)]) for calls in CALLS}
    rows["conjure"] = {"cpu_seconds": float(done["cpu"]), "distance": at[100], "distance_at_10": at[10]}
    return rows


def run(command: list[str], spec: dict[str, Any], folder: Path) -> Any:
    """What a process made of a specification."""
    (folder / "spec.json").write_text(json.dumps(spec))
    threads = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    path = {"PYTHONPATH": str(ROOT / "src")}
    subprocess.run([*command, str(folder / "spec.json")], check=True, env={**os.environ, **threads, **path})
    return np.load(spec["out"])


def one(spec: dict[str, Any]) -> None:
    """One of our runs: the trainer on arrays, as `conjure fit` uses it."""
    import torch

    from conjure.core.space import Dense
    from conjure.domains.protocol import Encoded
    from conjure.models.flow import Flow
    from conjure.objectives.matching import Matching
    from conjure.training.data import Examples
    from conjure.training.settings import Training
    from conjure.training.trainer import Trainer

    torch.set_num_threads(1)
    torch.manual_seed(spec["seed"])
    data = torch.from_numpy(np.load(spec["data"]))
    model = Flow(Dense(tuple(data.shape[1:])), None, Flow.Config(**spec["plan"]))
    game = Matching(model, Matching.Config(coupling=spec["coupling"]))
    chosen = {name: spec[name] for name in ("steps", "rate", "average", "batch", "precision") if name in spec}
    training = Training(**chosen, threads=1, validate_every=10**9)
    trainer = Trainer(game, training, (Examples(Encoded(data), spec["seed"]), None), seed=spec["seed"])
    started = time.process_time()
    trainer.run()
    cpu = time.process_time() - started
    made = {}
    for calls in CALLS:
        drawn = Flow(model.space, None, Flow.Config(**spec["plan"], solver=spec["solver"], evaluations=calls))
        drawn.load_state_dict(model.state_dict())
        with torch.no_grad():
            made[str(calls)] = drawn.eval().sample(spec["draws"], rng=torch.Generator().manual_seed(spec["seed"]))
    np.savez(spec["out"], cpu=cpu, **{k: v.numpy() for k, v in made.items()})


def wasserstein(a: np.ndarray, b: np.ndarray) -> float:
    """The 2-Wasserstein distance of two samples of the same size, by the best assignment."""
    from scipy.optimize import linear_sum_assignment

    cost = np.square(a[:, None] - b[None]).sum(2)
    return math.sqrt(cost[linear_sum_assignment(cost)].mean())


def summary(every: list[dict[str, dict[str, float]]]) -> dict[str, dict[str, Any]]:
    """Rows of all seeds as means with intervals; ratios seed by seed."""
    for rows in every:
        ours = rows["conjure"]
        for peer in [p for p in rows if p.startswith("torchcfm")]:
            ours[f"cpu / {peer}"] = ours["cpu_seconds"] / rows[peer]["cpu_seconds"]
            ours[f"distance / {peer}"] = ours["distance"] / rows[peer]["distance"]
        ours["at 10 / at 100"] = ours["distance_at_10"] / ours["distance"]
    return {name: {k: interval([rows[name][k] for rows in every]) for k in every[0][name]} for name in every[0]}


if __name__ == "__main__":
    main()
