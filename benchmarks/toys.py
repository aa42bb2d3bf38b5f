"""Modes found on a ring of 8 and a grid of 25 Gaussians, ten seeds a family.

    python benchmarks/toys.py [FAMILY ...] [--seeds 10]

A mode is found when at least a fifth of its due share of 4,000 samples lies within three standard deviations of it.
The aim: all modes in at least nine of ten seeds, and at least 90 % of samples so near to some mode.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from stage import RESULTS, ROOT, interval, write
from torch import Tensor

sys.path.insert(0, str(ROOT))  # the sets and the plain run are those of the learning tests

from conjure.core.space import Dense
from conjure.domains.protocol import Encoded
from conjure.models.flow import Flow
from conjure.models.gan import Generator
from conjure.models.protocol import Model
from conjure.objectives.matching import Matching
from conjure.objectives.wasserstein import Wasserstein
from tests.learning.toys import MODES, learn, ring

SCALE, SAMPLES = 0.05, 4_000
GRID = torch.cartesian_prod(torch.arange(-2.0, 3), torch.arange(-2.0, 3)) / 2


def grid(n: int, seed: int) -> Tensor:
    """Twenty-five Gaussians of scale 0.05, half a unit apart, (N, 2)."""
    rng = torch.Generator().manual_seed(seed)
    return GRID[torch.randint(25, (n,), generator=rng)] + SCALE * torch.randn(n, 2, generator=rng)


SETS: dict[str, tuple[Callable[[int, int], Tensor], Tensor]] = {"ring": (ring, MODES), "grid": (grid, GRID)}
Data = tuple[Encoded, Encoded]


def flow(data: Data, name: str) -> Model:
    model = Flow(Dense((2,)), None, Flow.Config(width=128, layers=3))
    matching = Matching(model, Matching.Config(coupling="transport"))
    learn(matching, data, steps=1000, batch=256, rate=2e-3, average=0.99, validate_every=500)
    return model


def gan(data: Data, name: str) -> Model:
    model = Generator(Dense((2,)), None, Generator.Config(latent=4, width=64, components=256))
    game = Wasserstein(model, Wasserstein.Config(penalty=0.1, critic_moves=4, width=128, layers=1))
    learn(game, data, steps=800, batch=512, rate=2e-3, clip=0.0, average=0.99, validate_every=800)
    return model


FAMILIES: dict[str, Callable[[Data, str], Model]] = {"flow": flow, "gan": gan}


def once(family: str, name: str, seed: int) -> dict[str, float]:
    """One seed: how many modes were found, what share of the samples is near one, CPU-seconds."""
    draw, modes = SETS[name]
    data = Encoded(draw(8000, 1000 + seed)), Encoded(draw(1000, 2000 + seed))
    torch.manual_seed(seed)
    started = time.process_time()
    model = FAMILIES[family](data, name)
    spent = time.process_time() - started
    with torch.no_grad():
        made = model.sample(SAMPLES, rng=torch.Generator().manual_seed(seed))
    near, mode = torch.cdist(made, modes).min(1)
    good = near < 3 * SCALE
    count = torch.bincount(mode[good], minlength=len(modes))
    found = int((count >= 0.2 * SAMPLES / len(modes)).sum())
    return {"modes": found, "share": float(good.float().mean()), "cpu_seconds": round(spent, 2)}


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("families", nargs="*", default=list(FAMILIES))
    words.add_argument("--seeds", type=int, default=10)
    asked = words.parse_args()
    torch.set_num_threads(1)
    at = RESULTS / "toys.json"
    figures: dict[str, Any] = json.loads(at.read_text("utf-8"))["figures"] if at.exists() else {}
    for family in asked.families:
        for name, (_, modes) in SETS.items():
            runs = []
            for seed in range(asked.seeds):
                runs.append(once(family, name, seed))
                print(family, name, seed, runs[-1], flush=True)
            figures[f"{family}, {name}"] = {
                "seeds": asked.seeds,
                "all modes": sum(r["modes"] == len(modes) for r in runs),
                "share": interval([r["share"] for r in runs]),
                "cpu_seconds": interval([r["cpu_seconds"] for r in runs]),
                "runs": runs,
            }
    print(write("toys", {"threads": 1, "figures": figures}))
    from readme import toys

    print("\n".join(toys(json.loads(at.read_text("utf-8")))))


if __name__ == "__main__":
    main()
