"""German to English on Multi30k by one thread: BLEU beside copying and the nearest training sentence.

    python benchmarks/translation_multi30k.py [--data DIR] [--minutes 30] [--seed 0] [--again]

`conjure fit translation` learns from the 29,000 training pairs in a process of its own, for a budget of wall time
(the schedule adapts to what the machine gives); its CPU-seconds are those of the whole process. The length penalty
of the search is chosen on the 1,014 validation pairs; the 1,000 pairs of test2016 are translated once. A model that
an earlier call left in benchmarks/.data is taken again unless --again is given. BLEU and chrF are sacrebleu's,
cased, with its signatures. Where a GPU is there, the same run takes it and its figures are kept apart.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch
from readme import table
from stage import ROOT, SHARED, write

from conjure import artifact
from conjure.domains.pairs.pair import Pair
from conjure.metrics.translated import most_repeated, nearest_targets, overlaps
from conjure.models.beam import Beam

KEPT = ROOT / "benchmarks" / ".data" / "multi30k"
PENALTIES = (0.6, 1.0, 1.4)
PARTS = {"train": "train", "validation": "val", "test": "test_2016_flickr"}
PUBLISHED = {"what": "9 M-parameter Transformer, 10 GPU epochs, published", "BLEU": 36.5}


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--data", type=Path, default=SHARED / "multi30k", help="folder of the .de.gz and .en.gz files")
    words.add_argument("--minutes", type=float, default=30.0)
    words.add_argument("--seed", type=int, default=0)
    words.add_argument("--again", action="store_true", help="fit anew")
    asked = words.parse_args()
    torch.set_num_threads(1)
    pairs = {part: list(zip(*(lines(asked.data / f"{file}.{side}.gz") for side in ("de", "en"))))
             for part, file in PARTS.items()}  # fmt: skip
    device = "cuda" if torch.cuda.is_available() else "cpu"
    folder = KEPT / ("model" if device == "cpu" else "model-gpu")
    cost = fit(asked.data, folder, ["--minutes", str(asked.minutes), "--seed", str(asked.seed)], asked.again)
    made = artifact.load(folder)
    made.model.to(device)
    chosen, tried = choose(made, pairs["validation"])
    rows, signatures, spent = judge(made, chosen, pairs)
    name = "translation_multi30k" + ("" if device == "cpu" else "_gpu")
    result = {
        "device": torch.cuda.get_device_name() if device == "cuda" else "cpu", "threads": 1, "seed": asked.seed,
        "parameters": sum(p.numel() for p in made.model.parameters()), "fit": cost, "metrics": made.card["metrics"],
        "recipe": made.recipe.nested(), "search": {"width": chosen.width, "penalty": chosen.penalty},
        "validation": tried, "signatures": signatures, "translate_test": spent, "published": PUBLISHED, "rows": rows,
    }  # fmt: skip
    write(name, result)
    print(table(name) if device == "cpu" else json.dumps(rows, indent=1))


def lines(file: Path) -> list[str]:
    return gzip.decompress(file.read_bytes()).decode("utf-8").splitlines()


def fit(data: Path, folder: Path, options: list[str], again: bool) -> dict[str, float]:
    """The command line in a process of its own; what it cost, also of an earlier call."""
    cost = folder.with_name(f"{folder.name}.json")
    if again or not cost.exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        both = ":".join(str(data / f"train.{side}.gz") for side in ("de", "en"))
        command = [sys.executable, "-m", "conjure", "fit", "translation", both, "-o", str(folder)]
        threads = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        subprocess.run([*command, "--set", "training.threads=1", *options], check=True, env={**os.environ, **threads})
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        spent = {"cpu_seconds": round(cpu, 1), "wall_seconds": round(time.monotonic() - started, 1)}
        cost.write_text(json.dumps(spent), "utf-8")
    return json.loads(cost.read_text("utf-8"))


def translate(made: Any, pairs: list[tuple[str, str]], beam: Beam) -> list[str]:
    """Targets for the sources of pairs."""
    asked = made.codec.questions([Pair(*pair) for pair in pairs])
    x = made.model.best(made.codec.evidence(asked), beam).cpu()
    return [pair.target for pair in made.codec.complete(asked, x)]


def choose(made: Any, pairs: list[tuple[str, str]]) -> tuple[Beam, dict[str, float]]:
    """The search that serves validation best, and the BLEU of each that was tried."""
    width = made.model.config.beams
    tried = {}
    for beam in (Beam(1, 0.0), *(Beam(width, penalty) for penalty in PENALTIES)):
        texts = translate(made, pairs, beam)
        tried[beam] = overlaps(texts, [target for _, target in pairs])["BLEU"][0].value
        print(f"validation, {beam}: {tried[beam]:.2f} BLEU", flush=True)
    best = max(tried, key=lambda beam: tried[beam])
    return best, {f"width {b.width}, penalty {b.penalty:g}": score for b, score in tried.items()}


def judge(made: Any, beam: Beam, pairs: dict[str, list[tuple[str, str]]]) -> tuple[dict, dict, dict]:
    """Scores of the test set by ours and the baselines, signatures, and what translating it cost."""
    sources, references = (list(side) for side in zip(*pairs["test"]))
    cpu, wall = time.process_time(), time.monotonic()
    texts = translate(made, pairs["test"], beam)
    spent = {"cpu_seconds": time.process_time() - cpu, "wall_seconds": time.monotonic() - wall}
    candidates = {
        "conjure translation": texts,
        "the nearest training source's target": nearest_targets(pairs["train"], sources),
        "the source, copied": sources,
    }
    (KEPT / "test.en").write_text("".join(text + "\n" for text in texts), "utf-8")
    rows, signatures = {}, {}
    for name, made_texts in candidates.items():
        found = overlaps(made_texts, references)
        signatures = {metric: signature for metric, (_, signature) in found.items()}
        scores = {k: {"mean": i.value, "low": i.low, "high": i.high} for k, (i, _) in found.items()}
        rows[name] = {**scores, "in_circles": sum(most_repeated(text) >= 3 for text in made_texts)}
    return rows, signatures, spent


if __name__ == "__main__":
    main()
