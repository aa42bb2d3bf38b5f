"""Modes found on a ring of 8 and a grid of 25 Gaussians, ten seeds a family.

    python benchmarks/toys.py [FAMILY ...] [--seeds 10] [--jobs 1]

A mode is found when at least a fifth of its due share of 4,000 samples lies within three standard deviations of it.
The aim: all modes in at least nine of ten seeds, and at least 90 % of samples so near to some mode.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import torch
from readme import table
from stage import RESULTS, ROOT, interval, write
from torch import Tensor

sys.path.insert(0, str(ROOT))  # the sets and the plain run are those of the learning tests

from conjure.core.space import Dense
from conjure.domains.protocol import Encoded
from conjure.models.flow import Flow
from conjure.models.gan import Generator
from conjure.models.protocol import Model
from conjure.models.vae import VAE
from conjure.objectives.elbo import ELBO
from conjure.objectives.matching import Matching
from conjure.objectives.wasserstein import Wasserstein
from tests.learning.toys import GRID, MODES, grid, hits, learn, ring

SAMPLES = 4_000

SETS: dict[str, tuple[Callable[[int, int], Tensor], Tensor]] = {"ring": (ring, MODES), "grid": (grid, GRID)}
Data = tuple[Encoded, Encoded]


def flow(data: Data, name: str, steps: int = 1000) -> Model:
    model = Flow(Dense((2,)), None, Flow.Config(width=128, layers=3))
    matching = Matching(model, Matching.Config(coupling="transport"))
    learn(matching, data, steps=steps, batch=256, rate=2e-3, average=0.99, validate_every=500)
    return model


class Prior(VAE):
    """A VAE whose codes are drawn by a flow that was fitted to them afterwards, standardised."""

    flow: Flow
    mean: Tensor
    scale: Tensor

    def sample(self, n: int, *, given: Tensor | None = None, rng: torch.Generator | None = None) -> Tensor:
        z = self.mean + self.scale * self.flow.sample(n, rng=rng)
        return self.likelihood.draw(self.writer(z, given), rng)


def vae(data: Data, name: str) -> Model:
    """Codes with little noise, for the prior comes second (the two stages of Dai & Wipf 2019, section 4)."""
    model = Prior(Dense((2,)), None, VAE.Config(latent=2, width=64))
    bound = ELBO(model, ELBO.Config(beta=0.1, anneal=0.2))
    learn(bound, data, steps=1500, batch=256, rate=4e-3, validate_every=1500)
    codes = []
    with torch.no_grad():
        for part in data:
            mean, log_scale = model.posterior(part.x, None)
            codes.append(mean + log_scale.exp() * torch.randn_like(mean))
    model.mean, model.scale = codes[0].mean(0), codes[0].std(0)
    train, held_out = (Encoded((z - model.mean) / model.scale) for z in codes)
    model.flow = flow((train, held_out), name, 2000)  # type: ignore[assignment]
    return model


def gan(data: Data, name: str) -> Model:
    model = Generator(Dense((2,)), None, Generator.Config(latent=4, width=64, components=256))
    game = Wasserstein(model, Wasserstein.Config(penalty=0.1, critic_moves=4, width=128, layers=1))
    learn(game, data, steps=800, batch=512, rate=2e-3, clip=0.0, average=0.99, validate_every=800)
    return model


FAMILIES: dict[str, Callable[[Data, str], Model]] = {"flow": flow, "vae with a flow as its prior": vae, "gan": gan}


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
    share, each = hits(made, modes)
    found = int((each >= 0.2 / len(modes)).sum())
    return {"modes": found, "share": share, "cpu_seconds": round(spent, 2)}


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("families", nargs="*", default=list(FAMILIES))
    words.add_argument("--seeds", type=int, default=10)
    words.add_argument("--jobs", type=int, default=1, help="seeds side by side, each in a process of one thread")
    asked = words.parse_args()
    torch.set_num_threads(1)
    at = RESULTS / "toys.json"
    figures: dict[str, Any] = json.loads(at.read_text("utf-8"))["figures"] if at.exists() else {}
    for family in asked.families:
        for name, (_, modes) in SETS.items():
            with ProcessPoolExecutor(asked.jobs, initializer=torch.set_num_threads, initargs=(1,)) as pool:
                runs = list(pool.map(once, *zip(*((family, name, seed) for seed in range(asked.seeds)))))
            print(family, name, runs, flush=True)
            figures[f"{family}, {name}"] = {
                "seeds": asked.seeds,
                "all modes": sum(r["modes"] == len(modes) for r in runs),
                "share": interval([r["share"] for r in runs]),
                "cpu_seconds": interval([r["cpu_seconds"] for r in runs]),
                "runs": runs,
            }
    print(write("toys", {"threads": 1, "figures": figures}))
    print(table("toys"))


if __name__ == "__main__":
    main()
