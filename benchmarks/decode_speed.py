"""Tokens a second of decoders of 10.65 M parameters on one core, beside nanoGPT, transformers and the memory's speed.

    python benchmarks/decode_speed.py [--nanogpt DIR] [--repeats 5] [--core 0] [--data FILE] [--minutes 3]

6 layers, 384 wide, 6 heads, 65 tokens, 255 tokens written after one, random weights, sampled. Each run is a process
on one core; CPU-seconds of the writing alone; the libraries take turns. The bound is the bandwidth of a sum over
256 MB, measured in the same process just before and after, over the bytes of the weights that a token needs (those
of keys and values come on top). What int8 costs is measured on a model of that shape, fitted for some minutes on
the first nine tenths of a text, as nats a character over the last tenth.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from readme import decoding
from stage import PEERS, SHARED, interval, peer_python, write
from text_shakespeare import clone

from conjure import artifact
from conjure.models.weights import keep_weights

HERE = Path(__file__).resolve().parent
WEIGHTS = 10_641_792  # of the matrices that every token reads: the blocks' and the head's
SHAPE = {"model.layers": 6, "model.width": 384, "model.heads": 6, "model.ngrams": []}
QUICKLY = {"training.threads": 1, "training.batch": 12, "training.optimizer": "adamw", "training.rate": 1e-3}


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--nanogpt", type=Path, default=PEERS / "nanoGPT", help="a clone; made here when absent")
    words.add_argument("--repeats", type=int, default=5)
    words.add_argument("--core", type=int, default=0)
    words.add_argument("--data", type=Path, default=SHARED / "shakespeare.txt")
    words.add_argument("--minutes", type=float, default=3.0, help="of the fit that int8 is judged on; 0 leaves it out")
    asked = words.parse_args()
    os.sched_setaffinity(0, {asked.core})
    theirs = peer_python("transformers", ["transformers==4.57.1"])
    rounds: dict[str, tuple[Path | str, list[str]]] = {
        "nanoGPT, batch 1": (sys.executable, ["nanogpt", "1", "--nanogpt", str(clone(asked.nanogpt))]),
        "transformers, batch 1": (theirs, ["transformers", "1"]),
        "conjure, batch 1": (sys.executable, ["ours", "1"]),
        "conjure int8, batch 1": (sys.executable, ["ours", "1", "--weights", "int8"]),
        "transformers, batch 16": (theirs, ["transformers", "16"]),
        "conjure, batch 16": (sys.executable, ["ours", "16"]),
    }
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in rounds}
    for _ in range(asked.repeats):
        for name, (python, told) in rounds.items():
            runs[name].append(once(python, told))
            print(name, {k: round(v, 1) for k, v in runs[name][-1].items()}, flush=True)
    speeds = {name: [r["tokens_a_second"] for r in found] for name, found in runs.items()}
    own = speeds["conjure, batch 1"]
    bounds = [r["bandwidth"] / (4 * WEIGHTS) for r in runs["conjure, batch 1"]]
    ratios = {
        "over nanoGPT": paired(own, speeds["nanoGPT, batch 1"]),
        "over transformers": paired(own, speeds["transformers, batch 1"]),
        "share of the bandwidth bound": paired(own, bounds),
        "batch 16 over batch 1": paired(speeds["conjure, batch 16"], own),
        "batch 16 over transformers": paired(speeds["conjure, batch 16"], speeds["transformers, batch 16"]),
        "int8 over fp32": paired(speeds["conjure int8, batch 1"], own),
    }
    figures = {name: interval(found) for name, found in {**speeds, "bandwidth bound, batch 1": bounds}.items()}
    result = {"threads": 1, "figures": figures, "ratios": ratios, "runs": runs}
    if asked.minutes:
        result["int8"] = cost(asked.data, asked.minutes)
    path = write("decode_speed", result)
    print("\n".join(decoding(json.loads(path.read_text("utf-8")))))


def once(python: Path | str, told: list[str]) -> dict[str, float]:
    threads = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    command = [str(python), str(HERE / "peers" / "decoding.py"), *told]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ, **threads})
    return json.loads(done.stdout.splitlines()[-1])


def paired(one: list[float], other: list[float]) -> dict[str, float]:
    return interval([a / b for a, b in zip(one, other)])


@torch.no_grad()
def cost(data: Path, minutes: float) -> dict[str, float]:
    """Nats a character with weights as learnt and in bytes, and how many characters they are over."""
    text = data.read_text("utf-8")
    with tempfile.TemporaryDirectory() as folder:
        sets = [word for key, value in {**SHAPE, **QUICKLY}.items() for word in ("--set", f"{key}={value}")]
        command = [sys.executable, "-m", "conjure", "fit", "text", str(data), "-o", f"{folder}/made", *sets]
        command += ["--minutes", str(minutes)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        made = artifact.load(f"{folder}/made")
    stream = made.codec.encode([text[int(0.9 * len(text)) :]]).x.long()[: 500 * 65].view(-1, 65)
    torch.set_num_threads(1)
    nats = {}
    for kind in ("fp32", "int8"):
        keep_weights(made.model, kind)
        parts = [made.model.log_prob(part).double() for part in stream.split(32)]
        nats[kind] = -float(torch.cat(parts).sum()) / (64 * len(stream))
    return {**nats, "difference": nats["int8"] - nats["fp32"], "characters": 64 * len(stream)}


if __name__ == "__main__":
    main()
