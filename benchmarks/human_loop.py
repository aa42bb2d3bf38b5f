"""The loop with people who do not exist: reward accuracy beside the raters' ceiling, and rounds of rising true reward.

    python benchmarks/human_loop.py [--prompts 400] [--rounds 3] [--seeds 3] [--steps 60]

Eight raters with known utilities, Gumbel noise and a habit of favouring what stands higher; two click at random. A
small decoder of the embedded python-docs writes. Ours learns by trust in each rater; the plain pairwise loss (that of
TRL's RewardTrainer, here by our own code) takes the same judgements, all raters alike. Accuracy is on fresh completions
of prompts that neither saw, against pairs of an honest rater, and its ceiling the best anyone could do on those. Three
seeds take about forty minutes on one core.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from stage import interval, write

import conjure
from conjure import artifact, prompting
from conjure.aligning import How
from conjure.feedback import study
from conjure.feedback.comparing import Comparison, compare
from conjure.feedback.gathered import gather
from conjure.feedback.rankings import ranked
from conjure.feedback.rewarding import Learning, fit_reward, reward_of
from conjure.feedback.rounds import Plan, next_round
from conjure.feedback.simulation import ceiling, panel_of, rate
from conjure.feedback.store import Store
from conjure.prompting import Drawing

WRITER = ["model.width=96", "model.layers=2", "model.heads=3", "model.ngrams=[]", "codec.context=64"]
WRITER += ["training.steps=600", "training.threads=1", "training.optimizer=adamw", "training.rate=0.003"]
JUDGE = ("training.epochs=40", "training.rate=0.001", "training.patience=6", "training.decay=0.1")
TOKENS, TEST = 24, 150


def worth(prompts: list[str], texts: list[str]) -> list[float]:
    """What the raters value: vowels and whole words, not digits and signs."""
    out = []
    for text in texts:
        n = max(1, len(text))
        vowels = sum(c in "aeiou" for c in text) / n
        signs = sum(not (c.isalpha() or c == " ") for c in text) / n
        out.append(14 * vowels - 10 * signs)
    return out


def prompts_of(count: int, seed: int, writer: artifact.Artifact) -> list[str]:
    """Beginnings of sentences out of the corpus, each another one."""
    from pydoc_data.topics import topics

    words = " ".join(text for _, text in sorted(topics.items())).split()
    rng, found = np.random.default_rng(seed), {}
    while len(found) < count:
        at = int(rng.integers(len(words) - 3))
        prompt = " ".join(words[at : at + 3]) + " "
        if len(prompt) < 30 and set(prompt) <= set(writer.codec.units.known):
            found[prompt] = None
    return list(found)


def accuracy(reward, writer: artifact.Artifact, prompts: list[str], seed: int) -> tuple[float, float]:
    """(share of an honest rater's pairs told rightly, the best share anybody could)."""
    drawn = prompting.write(writer, prompts, 4, Drawing(TOKENS, seed=seed))
    flat = [p for p in prompts for _ in range(4)], [c for some in drawn for c in some]
    true, found = (np.array(f(*flat)).reshape(-1, 4) for f in (worth, reward))
    first, second = np.triu_indices(4, 1)
    up = 1 / (1 + np.exp(-(true[:, first] - true[:, second])))
    said = (np.sign(found[:, first] - found[:, second]) + 1) / 2
    return float((said * up + (1 - said) * (1 - up)).mean()), ceiling(true)


def once(asked: argparse.Namespace, seed: int) -> dict[str, float | list[float]]:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        conjure.fit("text", "python-docs", home / "writer", settings=[*WRITER, f"seed={seed}"])
        writer = artifact.load(home / "writer")
        every = prompts_of(asked.prompts + TEST, seed, writer)
        prompts, test = every[TEST:], every[:TEST]
        store = Store(home / "votes.db")
        compare(writer, prompts, store, Comparison(drawing=Drawing(TOKENS, seed=seed), criteria=()))
        people = panel_of(8, 2, position=0.3)
        rate(store, people, worth, seed)
        careless = sorted(w.name for w in study.study(store, 1).raters if w.careless)
        told = gather(store)
        how = Learning(settings=JUDGE, seed=seed)
        judge, seen = fit_reward(writer, told.rankings, told.trust, how)
        ours, best = accuracy(reward_of(judge), writer, test, seed + 1000)
        flat = list(ranked(store, 1))
        chain, _ = fit_reward(writer, flat, {}, replace(how, settings=(*JUDGE, "objective.form=pairs")))
        theirs, _ = accuracy(reward_of(chain), writer, test, seed + 1000)
        found: dict[str, float | list[float]] = {
            "accuracy": ours, "unweighted": theirs, "ceiling": best, "share": ours / best, "ece": seen.ece,
            "careless_found": float(careless == ["rater 7", "rater 8"]),
        }  # fmt: skip
        print(seed, {k: round(v, 3) for k, v in found.items()}, flush=True)  # type: ignore[arg-type]
        settings = [f"training.steps={asked.steps}", "training.batch=64", "training.rate=0.0005", "objective.kl=0.05"]
        settings += ["training.threads=1", "objective.value=head"]
        plan = Plan(drawing=Drawing(TOKENS), learning=Learning(settings=JUDGE), how=How(settings, seed), gold=worth)
        gold = []
        for lap in range(asked.rounds):
            if lap:
                rate(store, people, worth, seed + lap)
            made = next_round(writer, store, home / "rounds", plan)
            after = made.gain("gold")
            gold.append(after.value if after else float("nan"))
            print(seed, "round", lap + 1, made.gain("gold"), made.won and made.won.all, flush=True)
        return found | {"gold": gold}


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--prompts", type=int, default=400)
    words.add_argument("--rounds", type=int, default=3)
    words.add_argument("--seeds", type=int, default=3)
    words.add_argument("--steps", type=int, default=60)
    asked = words.parse_args()
    torch.set_num_threads(1)
    runs = [once(asked, seed) for seed in range(asked.seeds)]
    names = [k for k in runs[0] if k != "gold"]
    figures = {k: interval([r[k] for r in runs]) for k in names}  # type: ignore[misc]
    gold = [interval([r["gold"][lap] for r in runs]) for lap in range(asked.rounds)]  # type: ignore[index]
    print(write("human_loop", {"figures": figures, "gold": gold, "prompts": asked.prompts, "seeds": asked.seeds}))


if __name__ == "__main__":
    main()
