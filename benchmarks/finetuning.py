"""LoRA fine-tuning of SmolLM2-135M on chitchat: what ten minutes gain, and tokens a second beside TRL with peft.

    python benchmarks/finetuning.py [--minutes 10] [--threads 2] [--held-out 64] [--repeats 3] [--steps 3]

The fit is `conjure fit assistant chitchat --start smollm2` for so many minutes on so many threads; then held-out
conversations are scored under the weights before and after, nats a token of the assistant's turns, with intervals over
conversations. For the speed, ours and TRL's SFTTrainer (padded as by default, and packed) take turns at steps of the
same rank, targets, batch and precision, from the same weights on the same tokens, each in a process on one thread; the
first step of each is left out and only real tokens count. --repeats 0 leaves the speed out, --minutes 0 the fit.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from stage import interval, peer_python, write

from conjure import artifact, evaluation, verbs
from conjure.domains.chat import corpus
from conjure.domains.chat.packing import cut_at_turns
from conjure.fitting import FitOptions
from conjure.pretrained import opening, saving

HERE = Path(__file__).resolve().parent
DATA, START, LENGTH = "chitchat", "smollm2", 1024
TALKS = 400  # of the set, for the speed


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--minutes", type=float, default=10.0)
    words.add_argument("--threads", type=int, default=2)
    words.add_argument("--held-out", type=int, default=64, help="conversations scored before and after")
    words.add_argument("--repeats", type=int, default=3)
    words.add_argument("--steps", type=int, default=3)
    asked = words.parse_args()
    result: dict[str, Any] = {"minutes": asked.minutes, "threads": asked.threads}
    if asked.repeats:
        result |= speed(asked)
    if asked.minutes:
        result |= gain(asked)
    print(json.dumps(result, indent=1))
    print(write("finetuning", result))


def speed(asked: argparse.Namespace) -> dict[str, Any]:
    """Tokens a CPU-second of each, and ours over theirs round by round."""
    theirs = peer_python("trl", ["trl==1.16.0", "peft==0.21.2", "transformers==5.24.0"])
    rounds = {
        "conjure": (sys.executable, ["ours"]),
        "TRL": (str(theirs), ["trl"]),
        "TRL, packed": (str(theirs), ["trl", "--packing"]),
    }
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in rounds}
    with tempfile.TemporaryDirectory() as at:
        prepare(Path(at))
        for _ in range(asked.repeats):
            for name, (python, (who, *more)) in rounds.items():
                runs[name].append(once(python, [who, at, "--steps", str(asked.steps), *more]))
                print(name, {k: v for k, v in runs[name][-1].items() if k != "losses"}, flush=True)
    rates = {name: [run["tokens_a_cpu_second"] for run in found] for name, found in runs.items()}
    ratios = {
        f"over {name}": interval([a / b for a, b in zip(rates["conjure"], found)])
        for name, found in rates.items()
        if name != "conjure"
    }
    return {"speed": {name: interval(found) for name, found in rates.items()}, "ratios": ratios, "runs": runs}


def once(python: str, told: list[str]) -> dict[str, Any]:
    command = [python, str(HERE / "peers" / "tuning.py"), *told]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def prepare(at: Path) -> None:
    """The weights as an artifact of ours and as a Hugging Face folder, and tokens for both."""
    opened = opening.load(START)
    artifact.save(opened, at / "artifact")
    saving.save(opened, at / "weights")
    talks, _ = corpus.read(DATA)
    random.Random(0).shuffle(talks)
    with (at / "talks.jsonl").open("w") as file:
        for ids, counts in opened.codec.tokens(talks[:TALKS]):
            for part in cut_at_turns(counts, LENGTH):
                if counts[part][1:].any():
                    row = {"input_ids": ids[part].tolist(), "assistant_masks": counts[part].astype(int).tolist()}
                    file.write(json.dumps(row) + "\n")


def gain(asked: argparse.Namespace) -> dict[str, Any]:
    """The fit and what held-out conversations say of it."""
    threads = f"training.threads={asked.threads}"
    with tempfile.TemporaryDirectory() as at:
        made = verbs.fit(
            "assistant",
            DATA,
            f"{at}/mine",
            start=START,
            settings=[threads],
            options=FitOptions(minutes=asked.minutes, watch=lambda p: print(p.step, p.metrics, flush=True)),
        )
        recipe = made.artifact.recipe
        held_out = evaluation.set_aside(recipe, corpus.read(DATA)[0])[: asked.held_out]
        report = evaluation.evaluate(made.artifact, held_out)
        journal = [json.loads(line) for line in Path(at, "mine", "journal.jsonl").read_text().splitlines()]
    figures = {f.name: {"value": f.ours, "low": f.low, "high": f.high, "baseline": f.baseline} for f in report.figures}
    answers = [dict(zip(report.tables[0].header, row)) for row in report.tables[0].rows]
    told = {"training": recipe.training, "figures": figures, "held_out": len(held_out), "answers": answers}
    return told | {"metrics": made.card["metrics"], "notes": made.card["notes"], "journal": journal}


if __name__ == "__main__":
    main()
