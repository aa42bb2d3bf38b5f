"""Families side by side by their log-likelihood of the same binarised MNIST, and VAE and IWAE-50 beside pythae's.

    python benchmarks/likelihood_mnist.py [--repeats 2] [--more]

Binarisation: one fixed random draw, white with the probability of its grey value, the same for every model. 50,000
pictures train (settings were chosen on the other 10,000 of the training set), the 10,000 test pictures judge. Every
fit is a process of its own on one thread; CPU-seconds are of the whole process. pythae's default perceptrons
(784 - 512 - 16 - 512 - 784) serve pythae and all our autoencoders; pythae trains with Adam at 1e-3 in batches of 100
for a stated number of epochs, ours in bfloat16 with a falling rate for fewer steps. Fits alternate.

NLL of a latent model: minus the mean log of 5,000 importance weights. 50 weights a picture are drawn for all test
pictures; what 5,000 would add is measured on the first 200 of them, and its standard error is in the JSON. All this
is a few CPU-minutes of training: the published 89.78 (VAE), 86.82 (IWAE-50), 85.79 (VAMP) are of hundreds of epochs.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pictures import DATA, mnist
from readme import table
from stage import RESULTS, ROOT, interval, peer_python, write
from text_shakespeare import measured
from torch import Tensor

from conjure import catalog
from conjure.core.config import fill
from conjure.core.space import Category, Columns, Dense, Tokens
from conjure.domains.protocol import Encoded
from conjure.training.data import Examples
from conjure.training.settings import Training
from conjure.training.trainer import Trainer

SIDE, SOME, DRAWS, FEW, MANY = 28, 200, 50, 50, 5_000
SPACES = {
    "pictures": Dense((1, SIDE, SIDE), 0.0, 1.0),
    "tokens": Tokens(2, (SIDE, SIDE)),
    "columns": Columns(tuple(Category(f"{i}", 2) for i in range(SIDE * SIDE))),
}
NET = {"latent": 16, "net": "plain", "layers": 1, "width": 512, "likelihood": "bernoulli", "importance": FEW}
BRIEF = {"steps": 2400, "batch": 100, "rate": 3e-3, "warmup": 0.02, "precision": "bf16"}
# name -> space, model, its settings, objective, its settings, training
FITS: dict[str, tuple[str, str, dict[str, Any], str, dict[str, Any], dict[str, Any]]] = {
    "VAE": ("pictures", "vae", NET, "elbo", {}, BRIEF),
    "IWAE-50": ("pictures", "vae", NET, "iwae", {"samples": DRAWS},
                {**BRIEF, "steps": 700, "batch": 64, "rate": 5e-3, "warmup": 0.05}),
    "VAE, mixture prior": ("pictures", "vae", {**NET, "prior": "mixture", "components": 64}, "elbo", {}, BRIEF),
    "VAE, VAMP prior": ("pictures", "vae", {**NET, "prior": "vamp", "components": 200}, "elbo", {}, BRIEF),
    "pixels": ("tokens", "pixels", {}, "likelihood", {},
               {"steps": 900, "batch": 32, "rate": 3e-3, "warmup": 0.03, "precision": "bf16"}),
    "independent pixels": ("columns", "independent", {}, "counting", {}, {"epochs": 1.0, "batch": 5_000}),
}  # fmt: skip
ONCE = ("VAE, mixture prior", "VAE, VAMP prior", "independent pixels")  # no peer, so no repeats
EPOCHS = {"vae": 6, "iwae": 1}
PEERS = {"vae": "pythae VAE", "iwae": "pythae IWAE-50"}


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--repeats", type=int, default=2)
    words.add_argument("--more", action="store_true", help="add repeats to those in the results file")
    words.add_argument("--fit", nargs=3, metavar=("NAME", "SEED", "OUT"), help="fit one of ours, and no more")
    asked = words.parse_args()
    torch.set_num_threads(1)
    if asked.fit:
        name, seed, out = asked.fit
        torch.save(fitted(name, int(seed)).state_dict(), out)
        return
    place = data()
    python = peer_python("pythae", ["pythae==0.1.2"])
    earlier = RESULTS / "likelihood_mnist.json"
    runs: dict[str, list[dict[str, float]]] = json.loads(earlier.read_text("utf-8"))["runs"] if asked.more else {}
    done = len(runs.get("pythae VAE", []))
    script = str(ROOT / "benchmarks" / "peers" / "autoencoders.py")
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "weights"
        for seed in range(done, done + asked.repeats):
            for kind, mine in (("vae", "VAE"), ("iwae", "IWAE-50")):
                command = [str(python), script, kind, str(place / "train.npy"), f"{out}.npz"]
                theirs = measured([*command, str(EPOCHS[kind]), str(seed)], None)
                note(runs, PEERS[kind], seed, {**judged(mine, weights_of(f"{out}.npz")), **theirs})
                ours = run(mine, seed, out)
                ours["ratio"] = ours["cpu_seconds"] / theirs["cpu_seconds"]
                ours["gap"] = ours["nll"] - runs[PEERS[kind]][-1]["nll"]
                note(runs, mine, seed, ours)
            note(runs, "pixels", seed, run("pixels", seed, out))
            for name in ONCE if not seed else ():
                note(runs, name, seed, run(name, seed, out))
            save(runs)
    print(table("likelihood_mnist"))


def fitted(name: str, seed: int) -> torch.nn.Module:
    """Train one of ours."""
    space, family, settings, goal, wanted, training = FITS[name]
    model_class, objective = catalog.resolve("models", family), catalog.resolve("objectives", goal)
    torch.manual_seed(seed)
    model = model_class(SPACES[space], None, fill(model_class.Config, settings))
    examples = Examples(Encoded(shaped(np.load(data() / "train.npy"), space)), seed)
    plan = Training(**{"threads": 1, "clip": 0.0, "validate_every": 10**9, "compile": False, **training})
    Trainer(objective(model, fill(objective.Config, wanted)), plan, (examples, None), seed=seed).run()
    return model.eval()


def run(name: str, seed: int, out: Path) -> dict[str, float]:
    spent = measured([sys.executable, __file__, "--fit", name, str(seed), str(out)], None)
    return {**judged(name, torch.load(out, weights_only=True)), **spent}


@torch.no_grad()
def judged(name: str, weights: dict[str, Tensor]) -> dict[str, float]:
    """Nats a test picture, and the standard error of what was measured on some of them alone."""
    space, family, settings, *_ = FITS[name]
    kind = catalog.resolve("models", family)
    model = kind(SPACES[space], None, fill(kind.Config, settings)).eval()
    model.load_state_dict(weights)
    x = shaped(np.load(data() / "test.npy"), space)
    nats = torch.cat([model.log_prob(part) for part in x.split(100)]).double()
    if kind.score_kind != "bound":
        return {"nll": -float(nats.mean()), "bound": -float(nats.mean()), "error": 0.0}
    model.config = replace(model.config, importance=MANY)
    more = torch.cat([model.log_prob(part) for part in x[:SOME].split(10)]).double() - nats[:SOME]
    error = float(more.std()) / SOME**0.5
    return {"nll": -float(nats.mean() + more.mean()), "bound": -float(nats.mean()), "error": error}


def weights_of(place: str) -> dict[str, Tensor]:
    with np.load(place) as file:
        return {name: torch.from_numpy(file[name]) for name in file.files}


def shaped(pixels: np.ndarray, space: str) -> Tensor:
    """Bits (N, 1, 28, 28) in one of the spaces."""
    x = torch.from_numpy(pixels)
    return x.float() if space == "pictures" else x[:, 0].long() if space == "tokens" else x.flatten(1).long()


def data() -> Path:
    """The folder of the binarised pictures, made on first use."""
    place = DATA / "mnist-binary"
    if not (place / "test.npy").exists():
        place.mkdir(parents=True, exist_ok=True)
        (train, _), (test, _) = mnist()
        rng = np.random.default_rng(0)
        drawn = [(rng.random(p.shape) < p / 255).astype(np.uint8)[:, None] for p in (train, test)]
        np.save(place / "train.npy", drawn[0][:50_000])
        np.save(place / "valid.npy", drawn[0][50_000:])
        np.save(place / "test.npy", drawn[1])
    return place


def note(runs: dict[str, list[dict[str, float]]], name: str, seed: int, figures: dict[str, float]) -> None:
    runs.setdefault(name, []).append({"seed": seed, **figures})
    print(name, json.dumps(figures), flush=True)


def save(runs: dict[str, list[dict[str, float]]]) -> None:
    keys = ("nll", "bound", "error", "cpu_seconds", "ratio", "gap")
    figures = {
        name: {k: interval([v[k] for v in values]) for k in keys if k in values[0]} for name, values in runs.items()
    }
    peer = {"pythae": "0.1.2", "epochs": EPOCHS, "batch": 100, "rate": 1e-3}
    kinds = {name: catalog.resolve("models", FITS[name][1]).score_kind for name in FITS}
    settings = {name: {"model": m, **c, "objective": o, **w, **t} for name, (_, m, c, o, w, t) in FITS.items()}
    print(
        write(
            "likelihood_mnist", {"peer": peer, "kinds": kinds, "settings": settings, "figures": figures, "runs": runs}
        )
    )


if __name__ == "__main__":
    main()
