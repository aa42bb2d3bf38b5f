"""A reward model on real preferences: SmolLM2 with adapters beside length alone and a bag of words.

    python benchmarks/hh_harmless.py [--start smollm2|PLACE] [--data FILE] [--members 3] [--cpu-budget MINUTES]

1,800 pairs of the harmlessness preferences of Bai et al. (2022; MIT), of which the last 600 are the test. Rate and rank
of the adapters are chosen inside the first 1,200, by the Brier score of pairs that a fit itself sets aside; so is the
strictness of the bag of words, a logistic regression on which words and pairs of words the two answers hold. Then one
reward model of several members is fitted on the 1,200 and judged on the 600, with paired bootstrap intervals. Results
are written after each step. A GPU is used where there is one (three minutes); on a processor --cpu-budget says how many
minutes all fits may take together, and --pairs how many pairs are looked at.
"""

from __future__ import annotations

import argparse
import gzip
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from stage import SHARED, accelerator, write

from conjure.artifact import Artifact
from conjure.feedback import records
from conjure.feedback.audit import audit, prefers_longer, scores
from conjure.feedback.opinions import Ranked
from conjure.feedback.rewarding import Learning, fit_reward
from conjure.feedback.tables import encoded, table
from conjure.pretrained import opening

TEST, ROUNDS = 1 / 3, 10_000
GRID = ((1e-4, 16), (3e-4, 16), (1e-3, 16), (3e-4, 64))  # (rate, rank)
STRICT = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3)


def preferences(place: Path, count: int) -> list[Ranked]:
    """The pairs in the file's order; of fewer than all as many from its start as from its end, in proportion."""
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / "pairs.jsonl"
        plain.write_bytes(gzip.decompress(place.read_bytes()))
        found = records.read(plain)
    if count >= len(found):
        return found
    held = round(count * TEST)
    return found[: count - held] + found[len(found) - held :]


def words(train: list[Ranked], test: list[Ranked]) -> tuple[np.ndarray, float]:
    """(differences of the bag of words' scores on the test pairs, its strictness), chosen on a fifth of training."""
    from scipy.sparse import vstack
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import LogisticRegression

    def learnt(some: list[Ranked], strict: float) -> Any:
        eyes = CountVectorizer(ngram_range=(1, 2), min_df=3, binary=True)
        eyes.fit([text for one in some for text in one.completions])
        x = apart(eyes, some)
        mind = LogisticRegression(C=strict, fit_intercept=False, max_iter=500)
        mind.fit(vstack([x, -x]), np.repeat([1, 0], len(some)))
        return lambda pairs: mind.decision_function(apart(eyes, pairs))

    def apart(eyes: Any, some: list[Ranked]) -> Any:
        good, bad = (eyes.transform([one.completions[k] for one in some]) for k in (0, 1))
        return (good - bad).tocsr()

    cut = len(train) * 4 // 5
    held = {c: float((learnt(train[:cut], c)(train[cut:]) > 0).mean()) for c in STRICT}
    best = max(held, key=lambda c: held[c])
    return learnt(train, best)(test), best


def lengths(train: list[Ranked], test: list[Ranked]) -> np.ndarray:
    """Differences of length on the test pairs, whichever way served in training."""
    known, asked = (np.array([len(a) - len(b) for a, b in (one.completions for one in s)]) for s in (train, test))
    return asked * (1.0 if np.sign(known).sum() >= 0 else -1.0)


def fitted(writer: Artifact, train: list[Ranked], asked: argparse.Namespace, how: tuple[float, int, int]) -> Any:
    """(reward model, its audit) with a rate, a rank and so many members."""
    rate, rank, members = how
    settings = [f"training.rate={rate}", f"training.lora.rank={rank}", f"training.lora.alpha={2 * rank}"]
    settings += [f"training.device={asked.device}", f"training.epochs={asked.epochs}", f"training.batch={asked.batch}"]
    settings += [f"training.precision={'bf16' if asked.device == 'cuda' else 'fp32'}", "training.patience=3"]
    settings += [f"training.validate_every={max(1, len(train) // asked.batch // 4)}"]
    if asked.cpu_budget:
        settings += [f"training.minutes={asked.cpu_budget / (len(asked.grid) + asked.members)}"]
    parts = (0.1, 0.15) if members == 1 else (0.1, 0.01)  # the last fit reports on the test
    return fit_reward(writer, train, {}, Learning(members, settings=tuple(settings), parts=parts))


def beside(ours: np.ndarray, theirs: np.ndarray, seed: int = 0) -> dict[str, float]:
    """By how much the share of pairs told rightly is higher, with its paired bootstrap interval over pairs."""
    gained = _right(ours) - _right(theirs)
    drawn = np.random.default_rng(seed).integers(len(gained), size=(ROUNDS, len(gained)))
    low, high = np.quantile(gained[drawn].mean(1), (0.025, 0.975))
    return {"mean": float(gained.mean()), "low": float(low), "high": float(high)}


def share(apart: np.ndarray, seed: int = 0) -> dict[str, float]:
    return beside(apart, np.full(len(apart), -1.0), seed)


def _right(apart: np.ndarray) -> np.ndarray:
    return (np.sign(apart) + 1) / 2


def main() -> None:
    words_ = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words_.add_argument("--start", default="smollm2", help="a name, a .gguf file or a folder")
    words_.add_argument("--data", type=Path, default=SHARED / "hh-harmless-1800.jsonl.gz")
    words_.add_argument("--pairs", type=int, default=1800)
    words_.add_argument("--epochs", type=float, default=3.0)
    words_.add_argument("--batch", type=int, default=16)
    words_.add_argument("--members", type=int, default=3)
    words_.add_argument("--settings-tried", type=int, default=len(GRID), help="of the grid of rates and ranks")
    words_.add_argument("--cpu-budget", type=float, default=0.0, help="minutes of all fits together")
    words_.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    asked = words_.parse_args()
    if asked.device == "auto":
        asked.device = "cuda" if torch.cuda.is_available() else "cpu"
    if asked.device == "cpu":
        torch.set_num_threads(1)
    asked.grid = GRID[: asked.settings_tried]
    run(asked)


def run(asked: argparse.Namespace) -> None:
    """All steps in turn, the results written after each."""
    found = preferences(asked.data, asked.pairs)
    cut = len(found) - round(len(found) * TEST)
    train, test = found[:cut], found[cut:]
    bag, strict = words(train, test)
    other = {"length": lengths(train, test), "bag of words": bag}
    result: dict[str, Any] = {"pairs": len(train), "test": len(test), "gpu": accelerator(), "strict": strict}
    result["accuracy"] = {name: share(apart) for name, apart in other.items()}
    print({k: round(v["mean"], 3) for k, v in result["accuracy"].items()}, flush=True)
    write("hh_harmless", result)
    writer = opening.load(asked.start)
    result["start"] = writer.card.get("source", {}).get("name", str(asked.start))
    tried = []
    for rate, rank in asked.grid:
        started = time.perf_counter()
        _, seen = fitted(writer, train, asked, (rate, rank, 1))
        tried.append({"rate": rate, "rank": rank, "accuracy": seen.accuracy.value, "brier": seen.brier})
        tried[-1]["seconds"] = time.perf_counter() - started
        print(tried[-1], flush=True)
        write("hh_harmless", result | {"tried": tried})
    best = min(tried, key=lambda one: one["brier"])
    judge, _ = fitted(writer, train, asked, (best["rate"], best["rank"], asked.members))
    model, codec = judge.model, judge.codec
    held = table(test, {})
    part = encoded(held, codec)
    given, _ = scores(model, part)
    rows = {(p, c): given[r, k] for r, p in enumerate(held.prompts) for k, c in enumerate(held.completions[r])}
    ours = np.array([rows[one.prompt, one.completions[0]] - rows[one.prompt, one.completions[1]] for one in test])
    seen = audit(model, held, part, codec, prefers_longer(table(train, {}), codec))
    result |= {"tried": tried, "chosen": best, "members": asked.members, "ece": seen.ece, "brier": seen.brier}
    result["length_bias"] = seen.length_bias
    result["accuracy"]["reward model"] = share(ours)
    result["gained"] = {name: beside(ours, apart) for name, apart in other.items()}
    print({k: v for k, v in result.items() if k in ("accuracy", "gained", "ece", "brier")})
    print(write("hh_harmless", result))


if __name__ == "__main__":
    main()
