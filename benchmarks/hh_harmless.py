"""A reward model on real preferences: SmolLM2 with adapters beside length alone and a bag of words.

    python benchmarks/hh_harmless.py [--start smollm2|PLACE] [--data FILE] [--members 3] [--keep FOLDER]

1,800 pairs of the harmlessness preferences of Bai et al. (2022; MIT), of which the last 600 are the test. Everything is
chosen inside the first 1,200: also the strictness of the bag of words, a logistic regression on which words and pairs
of words the two answers hold. What is better is told by paired bootstrap intervals over the 600.

Where there is a GPU, a reward model of several members is fitted with adapters; rate and rank by the Brier score of
pairs that a fit itself sets aside (three minutes). On a processor (or by --frozen) heads are learnt on states of the
frozen model, which are made once, in bfloat16, up to a part of its depth: of the last 64 tokens of a prompt and the
first 80 of both answers, the prompt being read once. The head is a logistic regression on what the answers differ by,
at their ends and on average; depth and strictness by five folds of the training pairs. Another adds the words, where
folds ask for them. Six minutes of one core.
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from stage import SHARED, accelerator, write

from conjure.artifact import Artifact
from conjure.domains.answers.spelling import spelling
from conjure.feedback import records
from conjure.feedback.audit import audit, prefers_longer, scores
from conjure.feedback.opinions import Ranked
from conjure.feedback.rewarding import Learning, fit_reward
from conjure.feedback.tables import encoded, table
from conjure.nets.language import Scene
from conjure.pretrained import opening

TEST, ROUNDS = 1 / 3, 10_000
GRID = ((1e-4, 16), (3e-4, 16), (1e-3, 16), (3e-4, 64))  # (rate, rank)
STRICT = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3)
PROMPT, ANSWER, DEPTHS, SIDE = 64, 80, (9, 14, 18), 8  # tokens read; layers whose states are kept; pairs at a time
FOLDS, WORDS = 5, (0.0, 0.25, 1.0, 4.0)  # of the training pairs; what words count beside states
STRICTNESS = (0.3, 1.0, 3.0, 10.0)


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


@torch.no_grad()
def states(writer: Artifact, found: list[Ranked]) -> np.ndarray:
    """What the frozen model makes of both answers of each pair: (N, 2, depths, 2 D), at the end and on average.

    A pair is one row, prompt and answers behind each other; the second answer sees nothing of the first.
    """
    model, spell = writer.model.bfloat16(), spelling(writer.codec)
    rows = [
        (spell.prompt(one.prompt)[-PROMPT:], *([*spell.completion(c)[:ANSWER], spell.end] for c in one.completions))
        for one in found
    ]
    out = np.zeros((len(rows), 2, len(DEPTHS), 2 * model.config.width), np.float16)
    order = np.argsort([sum(map(len, row)) for row in rows], kind="stable")
    for at in np.split(order, range(SIDE, len(order), SIDE)):
        some = [rows[k] for k in at]
        width = max(sum(map(len, row)) for row in some)
        x, places = torch.full((len(some), width), spell.end), torch.zeros(len(some), width, dtype=torch.long)
        seen = torch.ones(len(some), width, width, dtype=torch.bool).tril()
        for k, (p, a, b) in enumerate(some):
            first, second, last = len(p), len(p) + len(a), len(p) + len(a) + len(b)
            x[k, :last] = torch.tensor(p + a + b)
            places[k, :second], places[k, second:last] = torch.arange(second), first + torch.arange(len(b))
            seen[k, second:, first:second] = False
        scene = Scene(places, model.trunk.speeds, seen[:, None], width, torch.arange(len(some)))
        hidden = model.embed(x)
        for depth, layer in enumerate(model.trunk.layers[: max(DEPTHS)], 1):
            hidden = layer(hidden, scene)
            if depth not in DEPTHS:
                continue
            for row, (k, (p, a, b)) in enumerate(zip(at, some)):
                ends = len(p) + np.cumsum([0, len(a), len(b)])
                for which in (0, 1):
                    part = hidden[row, ends[which] : ends[which + 1]].float()
                    part = torch.nn.functional.rms_norm(part, part.shape[-1:])
                    out[k, which, DEPTHS.index(depth)] = torch.cat([part[-1], part.mean(0)]).half().numpy()
    return out


def likeness(apart: np.ndarray, train: int) -> np.ndarray:
    """The kernel (N, N) of what answers differ by (N, F), each feature at scale 1 and a training pair at length 1."""
    scaled = apart / (np.sqrt((apart[:train] ** 2).mean(0)) + 1e-6)
    kernel = scaled @ scaled.T
    return kernel / np.diag(kernel)[:train].mean()


def preferring(kernel: np.ndarray, known: np.ndarray, strict: float) -> np.ndarray:
    """How far the first of each pair is preferred, (N,): a logistic regression of pairs whose first was, `known`.

    Minimises sum log(1 + exp(-f)) + strict / 2 |f|^2 in the kernel's space by Newton's steps.
    """
    inside, f = kernel[np.ix_(known, known)], np.zeros(len(known))
    for _ in range(8):
        p = 1 / (1 + np.exp(f))
        weight = np.maximum(p * (1 - p), 1e-6)
        some = np.linalg.solve(inside + np.diag(strict / weight), f + p / weight)
        f = inside @ some
    return kernel[:, known] @ some


def chosen(kernels: dict[Any, np.ndarray], train: int) -> tuple[Any, float, float]:
    """(which kernel, strictness, its share of pairs told) by the likelihood of pairs in folds left out of training."""
    fold = np.random.default_rng(0).permutation(train) % FOLDS
    tried = []
    for (name, kernel), strict in itertools.product(kernels.items(), STRICTNESS):
        f = np.empty(train)
        for k in range(FOLDS):
            f[fold == k] = preferring(kernel, np.flatnonzero(fold != k), strict)[:train][fold == k]
        tried.append((float(np.logaddexp(0, -f).mean()), float((f > 0).mean()), name, strict))
        print(f"{name} {strict:g}: {tried[-1][0]:.4f} nats, {tried[-1][1]:.3f} told", flush=True)
    _, told, name, strict = min(tried)
    return name, strict, told


def frozen(asked: argparse.Namespace, found: list[Ranked], train: int, result: dict[str, Any]) -> dict[str, np.ndarray]:
    """Differences of scores on the test pairs, by heads on states alone and by states and words."""
    place = Path(asked.keep or tempfile.mkdtemp()) / "states.npy"
    if not place.exists():
        started = time.process_time()
        np.save(place, states(opening.load(asked.start), found))
        print(f"states: {time.process_time() - started:.0f} s", flush=True)
    apart = np.subtract(*np.load(place).astype(np.float32).swapaxes(0, 1))  # (N, depths, 2 D)
    alone = {(depth,): likeness(apart[:, k], train) for k, depth in enumerate(DEPTHS)}
    alone[DEPTHS] = sum(alone.values()) / len(alone)
    from sklearn.feature_extraction.text import CountVectorizer

    eyes = CountVectorizer(ngram_range=(1, 2), min_df=3, binary=True)
    eyes.fit([text for one in found[:train] for text in one.completions])
    good, bad = (eyes.transform([one.completions[k] for one in found]) for k in (0, 1))
    spoken = (good - bad).tocsr().astype(np.float64)
    spoken = (spoken @ spoken.T).toarray()
    spoken /= np.diag(spoken)[:train].mean()
    best, strict, told = chosen(alone, train)
    both = {w: alone[best] + w * spoken for w in WORDS}
    weight, strict_both, told_both = chosen(both, train)
    result["chosen"] = {"depths": best, "strict": strict, "words": weight, "strict_with_words": strict_both}
    result["folds"] = {"heads on frozen states": told, "the same with words": told_both}
    known = np.arange(train)
    ours = {"heads on frozen states": preferring(alone[best], known, strict)[train:]}
    if weight:
        ours["the same with words"] = preferring(both[weight], known, strict_both)[train:]
    return ours


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
    words_.add_argument("--frozen", action="store_true", help="heads on the frozen model's states, as without a GPU")
    words_.add_argument("--keep", help="a folder for the states; without it they are thrown away")
    words_.add_argument("--cpu-budget", type=float, default=0.0, help="minutes of all fits together")
    words_.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    asked = words_.parse_args()
    if asked.device == "auto":
        asked.device = "cuda" if torch.cuda.is_available() else "cpu"
    if asked.device == "cpu":
        torch.set_num_threads(1)
    asked.frozen = asked.frozen or (asked.device == "cpu" and not asked.cpu_budget)
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
    if asked.frozen:
        ours = frozen(asked, found, cut, result)
        for name, apart in ours.items():
            result["accuracy"][name] = share(apart)
            result.setdefault("gained", {})[name] = {k: beside(apart, v) for k, v in other.items()}
        print({k: v for k, v in result.items() if k in ("accuracy", "gained", "chosen", "folds")})
        print(write("hh_harmless", result))
        return
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
    result["gained"] = {"reward model": {name: beside(ours, apart) for name, apart in other.items()}}
    print({k: v for k, v in result.items() if k in ("accuracy", "gained", "ece", "brier")})
    print(write("hh_harmless", result))


if __name__ == "__main__":
    main()
