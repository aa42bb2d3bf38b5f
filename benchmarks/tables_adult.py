"""Synthetic Adult: ours beside CTGAN, TVAE, TabularARGN, independent columns and the ceiling.

The judges: an XGBoost of 200 trees of depth 6 that tells training rows from made ones, cross-fitted in 3 folds
(C2ST, AUC, 0.5 is best); the same trees learning income from made rows and tested on held-out real ones (TSTR, AUC);
shapes and pair trends by sdmetrics itself, in an environment of its own. Split 80/20 stratified by income, one split
and one fit a seed. Peers run in environments that this command makes.

Usage: python benchmarks/tables_adult.py [--seeds 5] [--peer-seeds 1] [--models circuit,vae,gan] [--peers ctgan,tvae,
tabularargn] [--keep ctgan] [--data adult.csv]. The original: https://github.com/sdv-dev/CTGAN, examples/csv/adult.csv.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import xgboost
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, train_test_split
from stage import RESULTS, ROOT, SHARED, interval, peer_python, write

import conjure

TARGET, POSITIVE = "income", ">50K"
NUMBERS = ["age", "fnlwgt", "education-num", "capital-gain", "capital-loss", "hours-per-week"]
PACKAGES = {
    "ctgan": ("ctgan", ["ctgan==0.12.1"], []),
    "tvae": ("ctgan", ["ctgan==0.12.1"], []),
    "tabularargn": ("mostlyai-engine", ["mostlyai-engine==2.7.3"], ["torchvision", "torchaudio"]),
}


def trees() -> xgboost.XGBClassifier:
    return xgboost.XGBClassifier(
        n_estimators=200, max_depth=6, tree_method="hist", enable_categorical=True, random_state=0
    )


def typed(*frames: pd.DataFrame) -> list[pd.DataFrame]:
    """Copies with numbers as floats and everything else as categories shared by all frames."""
    out = [frame.copy() for frame in frames]
    for name in out[0].columns:
        if name in NUMBERS:
            for frame in out:
                frame[name] = frame[name].astype(float)
        else:
            known = sorted(set().union(*(frame[name].astype(str) for frame in out)))
            for frame in out:
                frame[name] = pd.Categorical(frame[name].astype(str), categories=known)
    return out


def detection(real: pd.DataFrame, made: pd.DataFrame) -> float:
    n = min(len(real), len(made))
    real, made = typed(real.sample(n, random_state=0), made.sample(n, random_state=0))
    rows, labels, scores = pd.concat([real, made], ignore_index=True), np.repeat([1, 0], n), np.zeros(2 * n)
    for fit, rest in StratifiedKFold(3, shuffle=True, random_state=0).split(rows, labels):
        scores[rest] = trees().fit(rows.iloc[fit], labels[fit]).predict_proba(rows.iloc[rest])[:, 1]
    return float(roc_auc_score(labels, scores))


def utility(made: pd.DataFrame, test: pd.DataFrame) -> float:
    if made[TARGET].nunique() < 2:
        return 0.5
    made, test = typed(made, test)
    truths = [(frame.pop(TARGET) == POSITIVE).astype(int) for frame in (made, test)]
    return float(roc_auc_score(truths[1], trees().fit(made, truths[0]).predict_proba(test)[:, 1]))


def quality(real: pd.DataFrame, made: pd.DataFrame, folder: Path) -> dict[str, float]:
    paths = [folder / "real.csv", folder / "made.csv"]
    for path, frame in zip(paths, (real, made)):
        frame.to_csv(path, index=False)
    python = peer_python("sdmetrics", ["sdmetrics==0.32.0"])
    words = [str(python), str(ROOT / "benchmarks/peers/quality.py"), *map(str, paths), ",".join(NUMBERS)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def judge(train: pd.DataFrame, test: pd.DataFrame, made: pd.DataFrame, folder: Path) -> dict[str, float]:
    return {
        "c2st": detection(train, made),
        "c2st_held_out": detection(test, made),
        "tstr": utility(made, test),
        **quality(train, made, folder),
    }


def ours(model: str, train: pd.DataFrame, test: pd.DataFrame, seed: int, folder: Path) -> dict[str, Any]:
    """One fit from the CSV file on, with its seconds; nats of held-out rows where the family has a likelihood."""
    train.to_csv(folder / "train.csv", index=False)
    cpu, wall = time.process_time(), time.perf_counter()
    fitted = conjure.fit("tables", folder / "train.csv", folder / f"{model}-{seed}", seed=seed, model=model)
    seconds = {"fit_cpu": time.process_time() - cpu, "fit_wall": time.perf_counter() - wall}
    started = time.perf_counter()
    made = fitted.sample(100_000, seed=seed)
    seconds["sample_100000_wall"] = time.perf_counter() - started
    found = judge(train, test, made.iloc[: len(train)].reset_index(drop=True), folder)
    codec = fitted.artifact.codec
    if hasattr(fitted.artifact.model, "log_prob"):
        found["nats"] = float(np.mean(conjure_scores(fitted, codec.adapt(test))))
    return {**seconds, **found, **{k: fitted.card["metrics"][k] for k in ("steps", "threads")}}


def conjure_scores(fitted: conjure.Generative, frame: pd.DataFrame) -> np.ndarray:
    from conjure import scoring

    return scoring.score(fitted.artifact, frame)


def peer(name: str, train: pd.DataFrame, test: pd.DataFrame, run: tuple[int, float], folder: Path) -> dict[str, Any]:
    home, packages, unwanted = PACKAGES[name]
    python = peer_python(home, packages, unwanted)
    train.to_csv(folder / "train.csv", index=False)
    out, (seed, budget) = folder / "peer.csv", run
    words = [str(python), str(ROOT / "benchmarks/peers/tables.py"), name, str(folder / "train.csv"), str(out)]
    done = subprocess.run([*words, str(len(train)), str(seed), str(budget)], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{name} failed: {done.stderr[-2000:]}")
    made = pd.read_csv(out, keep_default_na=False)
    return {**json.loads(done.stdout.splitlines()[-1]), **judge(train, test, made, folder)}


def summary(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Interval of each figure over the runs of one model."""
    numbers = [k for k, v in runs[0].items() if isinstance(v, (int, float))]
    return {k: interval([float(r[k]) for r in runs]) for k in numbers}


def references(train: pd.DataFrame, test: pd.DataFrame, seed: int, folder: Path) -> dict[str, dict[str, float]]:
    """Independent columns, and real rows themselves: training rows drawn again, and what they teach."""
    rng = np.random.default_rng(seed)
    shuffled = pd.DataFrame({c: rng.permutation(train[c].to_numpy()) for c in train.columns})
    half = train.sample(frac=1, random_state=seed)
    first, second = half.iloc[: len(half) // 2], half.iloc[len(half) // 2 :]
    ceiling = {"c2st": detection(first, second), "tstr": utility(train, test), **quality(first, second, folder)}
    return {"independent columns": judge(train, test, shuffled, folder), "real rows": ceiling}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--data", type=Path, default=SHARED / "adult.csv")
    options.add_argument("--seeds", type=int, default=5)
    options.add_argument("--peer-seeds", type=int, default=1)
    options.add_argument("--models", default="circuit")
    options.add_argument("--peers", default="ctgan,tvae,tabularargn")
    options.add_argument("--keep", default="", help="peers whose runs in the results file stand")
    options.add_argument("--out", default="tables_adult")
    chosen = options.parse_args()
    table = pd.read_csv(chosen.data, skipinitialspace=True, keep_default_na=False)
    kept = list(filter(None, chosen.keep.split(",")))
    earlier = json.loads((RESULTS / f"{chosen.out}.json").read_text("utf-8"))["runs"] if kept else {}
    runs: dict[str, list[dict[str, Any]]] = {name: earlier[name] for name in kept}

    def note(name: str, found: dict[str, Any]) -> None:
        runs.setdefault(name, []).append(found)
        print(name, {k: round(v, 4) if isinstance(v, float) else v for k, v in found.items()}, flush=True)
        write(chosen.out, {"runs": runs, "summary": {k: summary(v) for k, v in runs.items()}})

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for seed in range(chosen.seeds):
            train, test = (
                part.reset_index(drop=True)
                for part in train_test_split(table, test_size=0.2, random_state=seed, stratify=table[TARGET])
            )
            for name, found in references(train, test, seed, folder).items():
                note(name, found)
            for model in filter(None, chosen.models.split(",")):
                note(f"conjure {model}", ours(model, train, test, seed, folder))
            if seed < chosen.peer_seeds:
                minutes = runs[f"conjure {chosen.models.split(',')[0]}"][0]["fit_wall"] / 60
                for name in filter(None, chosen.peers.split(",")):
                    note(name, peer(name, train, test, (seed, minutes if name == "tabularargn" else 0), folder))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
