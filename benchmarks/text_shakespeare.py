"""Characters of Shakespeare on one thread: nanoGPT's CPU setting beside ours at fractions of its CPU-seconds.

    python benchmarks/text_shakespeare.py [--nanogpt DIR] [--repeats 3] [--steps 2000] [--more]

nanoGPT's own code (train.py, unchanged) runs its CPU setting; ours is `conjure fit text` in a process of its
own, with the same context of 64, for a budget of wall time that is a fraction of the CPU-seconds nanoGPT just
took. CPU-seconds are of the whole process: start, imports, compilation, validation. Losses are over the whole
validation split, the last tenth of the text, in windows of 64 targets end to end. Runs alternate.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from stage import PEERS, RESULTS, SHARED, interval, write
from torch import Tensor

from conjure import artifact

CONTEXT = 64
FRACTIONS = (0.1, 0.33, 1.0)
OVERHEAD = 6.0  # CPU-seconds of ours outside the training loop, taken off each budget
SETTING = {  # nanoGPT's README, "I only have a macbook", with its evaluations left out
    "device": "cpu", "compile": False, "dtype": "float32", "eval_iters": 1, "log_interval": 1000, "block_size": CONTEXT,
    "batch_size": 12, "n_layer": 4, "n_head": 4, "n_embd": 128, "dropout": 0.0, "always_save_checkpoint": True,
}  # fmt: skip


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--nanogpt", type=Path, default=PEERS / "nanoGPT", help="a clone; made here when absent")
    words.add_argument("--repeats", type=int, default=3)
    words.add_argument("--steps", type=int, default=2000, help="nanoGPT's steps")
    words.add_argument("--data", type=Path, default=SHARED / "shakespeare.txt")
    words.add_argument("--more", action="store_true", help="add repeats to those in the results file")
    asked = words.parse_args()
    torch.set_num_threads(1)
    peer = clone(asked.nanogpt)
    text = asked.data.read_text("utf-8")
    cut = int(0.9 * len(text))
    earlier = RESULTS / "text_shakespeare.json"
    rows: dict[str, list[dict[str, float]]] = json.loads(earlier.read_text("utf-8"))["runs"] if asked.more else {}
    done = len(rows.get("nanoGPT", []))
    with tempfile.TemporaryDirectory() as folder:
        prepare(peer, text, cut)
        for seed in range(done, done + asked.repeats):
            theirs = nanogpt(peer, Path(folder) / f"nanogpt-{seed}", text[cut:], asked.steps)
            rows.setdefault("nanoGPT", []).append(theirs)
            for fraction in FRACTIONS:
                out = Path(folder) / f"ours-{seed}-{fraction}"
                minutes = max(0.05, fraction * theirs["cpu_seconds"] - OVERHEAD) / 60
                ours = fit(asked.data, out, text[cut:], ["--minutes", f"{minutes:.4f}", "--seed", str(seed)])
                ours["ratio"] = ours["cpu_seconds"] / theirs["cpu_seconds"]
                rows.setdefault(f"conjure decoder, {fraction:g}x", []).append(ours)
            out = Path(folder) / f"markov-{seed}"
            rows.setdefault("conjure markov", []).append(
                fit(asked.data, out, text[cut:], ["--recipe", "markov", "--seed", str(seed)])
            )
            print(*(f"{name}: {values[-1]}" for name, values in rows.items()), sep="\n", flush=True)
    means = {name: {k: interval([v[k] for v in values]) for k in values[0]} for name, values in rows.items()}
    revision = subprocess.run(["git", "-C", str(peer), "rev-parse", "HEAD"], capture_output=True, text=True)
    result = {"peer": {"nanoGPT": revision.stdout.strip() or "no git history", "steps": asked.steps, **SETTING}}
    print(
        write(
            "text_shakespeare", {**result, "threads": 1, "seeds": done + asked.repeats, "figures": means, "runs": rows}
        )
    )


def clone(place: Path) -> Path:
    """nanoGPT's code, fetched when it is not there."""
    if not (place / "train.py").exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["git", "clone", "-q", "https://github.com/karpathy/nanoGPT", str(place)], check=True)
    return place.resolve()


def prepare(peer: Path, text: str, cut: int) -> None:
    """The files of its data/shakespeare_char/prepare.py, which would download the same text."""
    folder = peer / "data" / "shakespeare_char"
    number = {c: i for i, c in enumerate(sorted(set(text)))}
    for name, part in (("train", text[:cut]), ("val", text[cut:])):
        np.array([number[c] for c in part], np.uint16).tofile(folder / f"{name}.bin")
    with (folder / "meta.pkl").open("wb") as file:
        pickle.dump({"vocab_size": len(number), "stoi": number, "itos": {i: c for c, i in number.items()}}, file)


def nanogpt(peer: Path, out: Path, held_out: str, steps: int) -> dict[str, float]:
    """Train its model by its own script, and judge the weights it saved last."""
    setting = {**SETTING, "max_iters": steps, "lr_decay_iters": steps, "eval_interval": steps, "out_dir": out}
    flags = [f"--{key}={value}" for key, value in setting.items()]
    spent = measured([sys.executable, "train.py", "config/train_shakespeare_char.py", *flags], peer)
    sys.path.insert(0, str(peer))
    from model import GPT, GPTConfig

    saved = torch.load(out / "ckpt.pt", map_location="cpu", weights_only=True)
    model = GPT(GPTConfig(**saved["model_args"]))
    model.load_state_dict(saved["model"])
    model.eval()
    with (peer / "data" / "shakespeare_char" / "meta.pkl").open("rb") as file:
        number = pickle.load(file)["stoi"]  # written by `prepare` above

    def nats(x: Tensor) -> Tensor:
        logits, _ = model(x[:, :-1], x[:, 1:].contiguous())
        return F.cross_entropy(logits.flatten(0, 1), x[:, 1:].flatten(), reduction="sum")

    return {"loss": judge(torch.tensor([number[c] for c in held_out]), nats), **spent}


def fit(data: Path, out: Path, held_out: str, words: list[str]) -> dict[str, float]:
    """Train ours by the command line, and judge the artifact it leaves."""
    fixed = {"codec.context": CONTEXT, "training.threads": 1, "training.validate_every": 10**9}
    sets = [word for key, value in fixed.items() for word in ("--set", f"{key}={value}")]
    spent = measured([sys.executable, "-m", "conjure", "fit", "text", str(data), "-o", str(out), *sets, *words], None)
    made = artifact.load(out)
    stream = made.codec.encode([held_out]).x.long()
    loss = judge(stream, lambda x: -made.model.log_prob(x).double().sum())
    return {"loss": loss, "steps": made.card["metrics"]["steps"], **spent}


def measured(command: list[str], at: Path | None) -> dict[str, float]:
    """Run a command on one thread; its CPU and wall seconds."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    threads = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    subprocess.run(command, cwd=at, check=True, env={**os.environ, **threads}, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"cpu_seconds": round(cpu, 2), "wall_seconds": round(time.monotonic() - started, 2)}


@torch.no_grad()
def judge(stream: Tensor, nats: Callable[[Tensor], Tensor]) -> float:
    """Mean nats over all targets of the stream, in windows end to end, the last one shorter."""
    whole = (len(stream) - 1) // CONTEXT
    rows = torch.arange(whole).unsqueeze(1) * CONTEXT + torch.arange(CONTEXT + 1)
    total = sum(float(nats(stream[part])) for part in rows.split(128))
    if whole * CONTEXT < len(stream) - 1:
        total += float(nats(stream[whole * CONTEXT :].unsqueeze(0)))
    return total / (len(stream) - 1)


if __name__ == "__main__":
    main()
