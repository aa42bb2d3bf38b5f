"""A composer polished by a rule: parallel fifths and octaves before and after, and what it cost in likelihood.

A small composer of the default family (eighths, width 128) learns the 229 training chorales of the JSB split. PPO then
polishes it by `conjure.domains.music.leading:reward`, minus parallel fifths and octaves per 100 times that two voices
move at once, on phrases of two bars; every nat from the model it was has a price, and the training chorales are
remembered (PPO-ptx). Reported on 200 pieces of 8 bars drawn under the same conditions before and after: faults per 100
chords with a 95 % interval over pieces, beside those of the training and of the test chorales; of the test chorales
nats a quarter note before and after, and the difference a section with its interval; nats from the first composer, on
phrases drawn at the last step. Beside it stand the same rule as a mask (`--given parallels=no`), which needs no
learning but is laid over every note; PPO at no price and with nothing remembered; and the same number of steps down the
likelihood of the remembered chorales with no reward, so that what practice alone does is not taken for the rule's work.

Usage: OMP_NUM_THREADS=1 taskset -c 0 python benchmarks/music_polish.py [--fit 400] [--steps 60]
(about 10 CPU-minutes; the composer is kept in benchmarks/.runs)
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from typing import Any

import numpy as np
import stage
import torch

from conjure import aligning, sampling, scoring
from conjure import artifact as artifacts
from conjure.apps.music import APP
from conjure.artifact import Artifact
from conjure.domains.music import corpus, leading
from conjure.domains.music.piece import START, TICKS, Pieces
from conjure.fitting import fit

SMALL = ["training.threads=1", "codec.step=2", "model.width=128", "model.hidden=192", "held_out=0"]
PHRASE, SAMPLES = {"bars": 2, "meter": "4/4"}, 200
JUDGED = {"bars": 8, "meter": "4/4", "parallels": "yes", "leaps": "yes", "crossing": "yes"}  # no mask unless asked for
POLISH = [
    "training.threads=1",
    "training.batch=64",
    "training.rate=1e-3",
    "training.validate_every=1000",
    "objective.trace=1",
]
WAYS = {  # a reward, settings
    "polished": (leading.reward, ["objective.kl=0.05", "objective.mix=1"]),
    "polished at no price": (leading.reward, ["objective.kl=0"]),
    "remembering alone": (lambda asked, pieces: [0.0] * len(pieces), ["objective.kl=0", "objective.mix=1"]),
}


def composer(train: Pieces, steps: int) -> tuple[Artifact, float]:
    """A small composer and its CPU-seconds, from `.runs` where it was fitted before."""
    folder = stage.ROOT / "benchmarks" / ".runs" / f"polish-{steps}"
    spent = folder.with_suffix(".json")
    if not artifacts.occupied(folder):
        recipe = APP.recipe().with_settings([*SMALL, f"training.steps={steps}"])
        recipe = replace(recipe, training={k: v for k, v in recipe.training.items() if k != "minutes"})
        start = time.process_time()
        fit(recipe, train, folder)
        spent.write_text(json.dumps({"seconds": time.process_time() - start}))
    return artifacts.load(folder), json.loads(spent.read_text())["seconds"]


def faults(pieces: Any) -> dict[str, float]:
    """Parallels per 100 chords over all pieces, with a 95 % interval over pieces drawn again; what else may change."""
    counts = np.array([[len(leading.parallels(p)), len(np.unique(p.notes[:, START]))] for p in pieces])
    rng = np.random.default_rng(0)
    drawn = counts[rng.integers(len(counts), size=(2000, len(counts)))].sum(1)
    low, high = np.quantile(100 * drawn[:, 0] / drawn[:, 1], [0.025, 0.975])
    (parallel, chords), beats = counts.sum(0), sum(p.end for p in pieces) / TICKS
    return {
        "mean": float(100 * parallel / chords),
        "low": float(low),
        "high": float(high),
        "chords a quarter note": float(chords / beats),
        "notes a quarter note": float(sum(len(p.notes) for p in pieces) / beats),
    }


def judged(made: Artifact, test: Pieces, before: np.ndarray | None = None, **rules: str) -> dict[str, Any]:
    """Faults of samples, and nats of the test chorales a quarter note: of all, and against those before."""
    found: dict[str, Any] = {"faults": faults(sampling.sample(made, SAMPLES, given={**JUDGED, **rules}, seed=1))}
    if rules:
        return found
    beats = (made.codec.encode(test).mask[..., 0].sum(1) / made.codec.form.step).numpy()  # type: ignore[attr-defined]
    nats = -scoring.score(made, test)
    found["nats a quarter note"] = float(nats.sum() / beats.sum())
    if before is not None:
        found["nats a quarter note above before"] = stage.interval(((nats - before) / beats).tolist())
    return found


def polished(made: Artifact, train: Pieces, steps: int, way: tuple[Any, list[str]]) -> tuple[Artifact, dict[str, Any]]:
    """The composer after PPO, with CPU-seconds, and nats a phrase from what it was at the last steps."""
    curve: list[tuple[float, float]] = []
    reward, words = way

    def watch(progress: Any) -> None:
        if "model_kl" in progress.metrics:
            curve.append((float(progress.metrics["model_kl"]), float(progress.metrics["model_reward"])))
            print(
                f"step {progress.step} { ({k: round(float(v), 3) for k, v in progress.metrics.items()}) }", flush=True
            )

    how = aligning.How([*POLISH, f"training.steps={steps}", *words], watch=watch, remember=train)
    start = time.process_time()
    after = aligning.align(made, [PHRASE] * 256, reward, how=how)
    return after, {"CPU-s": time.process_time() - start, "nats a phrase from before": curve[-1][0], "curve": curve}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--fit", type=int, default=400)
    parser.add_argument("--steps", type=int, default=60)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    whole, _ = corpus.read(stage.SHARED / "jsb-chorales-16th.json")
    parts = {n: Pieces(tuple(p for p in whole if p.name.startswith(n))) for n in ("train", "test")}
    made, seconds = composer(parts["train"], asked.fit)
    test = made.codec.adapt(parts["test"])  # type: ignore[attr-defined]
    before = -scoring.score(made, test)
    result: dict[str, Any] = {
        "faults of chorales": {name: faults(some) for name, some in parts.items()},
        "composer": {"CPU-s": seconds, **judged(made, test)},
        "masked": judged(made, test, parallels="no"),
    }
    for name, way in WAYS.items():
        after, spent = polished(made, parts["train"], asked.steps, way)
        result[name] = {**spent, **judged(after, test, before)}
        print(name, json.dumps(result[name]), flush=True)
    path = stage.write("music_polish", {"steps": vars(asked), **result})
    print(path.read_text())


if __name__ == "__main__":
    main()
