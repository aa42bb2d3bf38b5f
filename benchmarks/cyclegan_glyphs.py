"""DejaVu Sans to Serif and back, learnt without pairs and scored on pairs, beside pytorch-CycleGAN-and-pix2pix.

    python benchmarks/cyclegan_glyphs.py [--repeats 2] [--steps 1400] [--part test] [--more | --ours] [--peer DIR]

Training sees 1,300 code points of the one font and 1,300 others of the other, so no pair is ever met. The error is
the mean absolute difference of brightness, 0 to 1, to the true glyph of the other font, over code points that neither
side saw: "test", or "validation" to choose settings by. The peer's own train.py runs with its defaults (batches of
one, rate 2e-4, pool of 50, lambda 10, identity 0.5) but smaller nets (ngf and ndf 16, 6 blocks), no flips, and a rate
that stays, for one epoch; ours is `conjure fit restyle` with a number of steps that takes as many CPU-seconds. Both
on one thread, in processes of their own, start and imports counted; runs alternate.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from glyphs import STYLES, glyphs, split
from PIL import Image
from readme import table
from stage import PEERS, RESULTS, ROOT, interval, peer_python, write

from conjure.metrics.frechet import frechet
from conjure.metrics.pictorial import Components

NAME = "pytorch-CycleGAN-and-pix2pix"
COMMIT = "00d5574"
NETS = {"ngf": 16, "netG": "resnet_6blocks", "no_dropout": True}
WORDS = shlex.split(
    "--model cycle_gan --gpu_ids -1 --input_nc 1 --output_nc 1 --ngf 16 --ndf 16 --netG resnet_6blocks --no_dropout "
    "--preprocess none --no_flip --load_size 32 --crop_size 32 --num_threads 0 --display_id -1 --no_html "
    "--n_epochs 1 --n_epochs_decay 0 --lr_policy step --save_epoch_freq 1"
)
OURS = ("training.threads=1",)
NOTHING = "pictures as they are"


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--repeats", type=int, default=2)
    words.add_argument("--steps", type=int, default=1400, help="steps of ours")
    words.add_argument("--part", choices=("test", "validation"), default="test")
    words.add_argument("--more", action="store_true", help="add repeats to those in the results file")
    words.add_argument(
        "--ours", action="store_true", help="ours alone anew, beside the peer's runs in the results file"
    )
    words.add_argument("--peer", type=Path, default=PEERS / NAME, help="a clone; made here when absent")
    asked = words.parse_args()
    _, drawn = glyphs()
    parts = split(drawn.shape[1])
    truth = drawn[:, parts[asked.part]]
    earlier = RESULTS / "cyclegan_glyphs.json"
    runs: dict[str, list[dict[str, float]]] = {}
    if asked.more or asked.ours:
        runs = json.loads(earlier.read_text("utf-8"))["runs"]
    if asked.ours:
        runs["conjure"] = []
    runs[NOTHING] = [scored(truth, truth[::-1])]
    done = len(runs.get("conjure", []))
    with tempfile.TemporaryDirectory() as folder:
        at = Path(folder)
        prepare(drawn, parts, asked.part, at)
        for seed in range(done, done + asked.repeats):
            for name, run in (("conjure", ours),) if asked.ours else ((NAME, theirs), ("conjure", ours)):
                made, seconds = run(at / f"{name}-{seed}", at, seed, asked)
                runs.setdefault(name, []).append({**scored(truth, made), "cpu_seconds": seconds})
                print(seed, name, runs[name][-1], flush=True)
    result = {"part": asked.part, "peer": {"name": NAME, "commit": COMMIT, "words": " ".join(WORDS)}}
    result |= {"steps": asked.steps, "settings": OURS, "figures": summary(runs), "runs": runs}
    if asked.part == "test":
        write("cyclegan_glyphs", result)
        print(table("cyclegan_glyphs"))
    else:
        print(json.dumps(result["figures"], indent=1))


def prepare(drawn: np.ndarray, parts: dict[str, np.ndarray], part: str, at: Path) -> None:
    """Training pictures as the peer (trainA, trainB) and as ours wants them, and what to translate."""
    for picture, name, letter in zip(drawn, STYLES, "AB"):
        for folder in (at / f"train{letter}", at / "fonts" / name):
            folder.mkdir(parents=True)
            for row in parts[name]:
                Image.fromarray(picture[row]).save(folder / f"{row:04d}.png")
    np.savez(at / "asked.npz", **{name: picture[parts[part]] for name, picture in zip(STYLES, drawn)})


def theirs(out: Path, at: Path, seed: int, asked: argparse.Namespace) -> tuple[np.ndarray, float]:
    """The peer's translations (sans, serif) of what is asked, and the CPU-seconds of its training."""
    if not (asked.peer / "train.py").exists():
        url = f"https://github.com/junyanz/{NAME}"
        subprocess.run(["git", "clone", "-q", url, str(asked.peer)], check=True)
        subprocess.run(["git", "-C", str(asked.peer), "checkout", "-q", COMMIT], check=True)
    python = peer_python("cyclegan", ["torchvision==0.28.0", "dominate", "pillow", "numpy"])
    start = [str(python), str(ROOT / "benchmarks" / "peers" / "cyclegan.py")]
    place = ["--dataroot", str(at), "--name", out.name, "--checkpoints_dir", str(at)]
    seconds = timed([*start, f"--seed={seed}", "train.py", *place, *WORDS], asked.peer)
    told = {"pictures": str(at / "asked.npz"), "weights": str(out), "out": f"{out}.npz", "words": NETS}
    subprocess.run([*start, "--seed=0", "translate", json.dumps(told)], cwd=asked.peer, check=True)
    found = np.load(f"{out}.npz")
    return np.stack([found[name] for name in STYLES]), seconds


def ours(out: Path, at: Path, seed: int, asked: argparse.Namespace) -> tuple[np.ndarray, float]:
    """The same of ours."""
    conjure = [sys.executable, "-m", "conjure"]
    words = [word for s in (*OURS, f"training.steps={asked.steps}") for word in ("--set", s)]
    fit = [*conjure, "fit", "restyle", str(at / "fonts"), "-o", str(out), "--seed", str(seed), *words]
    seconds = timed(fit, ROOT)
    made = f"{out}.npz"
    subprocess.run([*conjure, "complete", str(out), str(at / "asked.npz"), "-o", made], cwd=ROOT, check=True)
    found = np.load(made)
    images = [found["images"][found["labels"] == name] for name in STYLES]
    return np.stack(images)[..., 0], seconds


def timed(command: list[str], where: Path) -> float:
    """CPU-seconds of a process on one thread."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run(command, cwd=where, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"}, **quiet)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def scored(truth: np.ndarray, made: np.ndarray) -> dict[str, float]:
    """Errors to the true glyphs, and the Frechet distance to the font as a set; both are (sans, serif) (N, H, W)."""
    found: dict[str, float] = {}
    for name, real, ours in zip(STYLES, truth, made):
        found[f"into {name}"] = float(np.abs(real.astype(float) - ours).mean() / 255)
        features = Components(real)
        found[f"FD into {name}"] = frechet(features(real), features(ours)).value
    found["error"] = (found["into sans"] + found["into serif"]) / 2
    return found


def summary(runs: dict[str, list[dict[str, float]]]) -> dict[str, Any]:
    """Means with intervals, and ours as a share of the peer's seed by seed."""
    out: dict[str, Any] = {
        name: {key: interval([r[key] for r in rows]) for key in rows[0]} for name, rows in runs.items()
    }
    for key, name in (("error", "ratio"), ("cpu_seconds", "cpu ratio")):
        pairs = zip(runs["conjure"], runs[NAME])
        out["conjure"][name] = interval([mine[key] / other[key] for mine, other in pairs])
    return out


if __name__ == "__main__":
    main()
