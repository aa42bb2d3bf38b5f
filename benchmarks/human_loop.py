"""The loop with people who do not exist: reward accuracy beside the raters' ceiling, and rounds of rising true reward.

    python benchmarks/human_loop.py [--prompts 400] [--seeds 3] [--share 0.25] [--rounds 3] [--loops 1]

Eight raters with known utilities, Gumbel noise and a habit of favouring what stands higher; two click at random. Each
judges a quarter of the prompts, so that two people see a prompt, as panels that cost money do. A small decoder of the
embedded python-docs writes. Ours learns by trust in each rater; the plain pairwise loss (that of TRL's RewardTrainer,
here by our own code, with the same settings and early stop) takes the same judgements, all raters alike. Accuracy is
on fresh completions of prompts that neither saw, against pairs of an honest rater, and its ceiling the best anyone
could do on those. The rounds are on fewer prompts, of `--loops` seeds; their gains have intervals over prompts. A
quarter of an hour on one core.
"""

from __future__ import annotations

import argparse
import tempfile
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
JUDGE = ("training.epochs=24", "training.rate=0.001", "training.patience=4", "training.decay=0.1")
TOKENS, TEST, LOOP = 24, 150, 120  # tokens of a completion; prompts to test on, and of the rounds


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
        prompt = " ".join(words[at : at + 2]) + " "
        if len(prompt) < 18 and set(prompt) <= set(writer.codec.units.known):
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


def learnt(asked: argparse.Namespace, seed: int, home: Path) -> dict[str, float]:
    """How good the reward model of a quarter of all judgements is, by trust and with all raters alike."""
    conjure.fit("text", "python-docs", home / "writer", settings=[*WRITER, f"seed={seed}"])
    writer = artifact.load(home / "writer")
    every = prompts_of(asked.prompts + TEST, seed, writer)
    prompts, test = every[TEST:], every[:TEST]
    store = Store(home / "votes.db")
    compare(writer, prompts, store, Comparison(drawing=Drawing(TOKENS, seed=seed), criteria=()))
    rate(store, panel_of(8, 2, position=0.3), worth, seed, asked.share)
    careless = sorted(w.name for w in study.study(store, 1).raters if w.careless)
    told = gather(store)
    how = Learning(settings=JUDGE, seed=seed)
    judge, seen = fit_reward(writer, told.rankings, told.trust, how)
    ours, best = accuracy(reward_of(judge), writer, test, seed + 1000)
    chain, alike = fit_reward(writer, list(ranked(store, 1)), {}, how)
    theirs, _ = accuracy(reward_of(chain), writer, test, seed + 1000)
    found = {
        "accuracy": ours, "unweighted": theirs, "gained": ours - theirs, "ceiling": best, "share": ours / best,
        "ece": seen.ece, "unweighted_ece": alike.ece, "careless_found": float(careless == ["rater 7", "rater 8"]),
    }  # fmt: skip
    print(seed, {k: round(v, 3) for k, v in found.items()}, flush=True)
    return found


def looped(asked: argparse.Namespace, seed: int, home: Path) -> list[dict[str, float]]:
    """By how much completions gained in true reward over the first writer's, round by round."""
    writer, people = artifact.load(home / "writer"), panel_of(8, 2, position=0.3)
    store = Store(home / "loop.db")
    drawing = Drawing(TOKENS, seed=seed)
    compare(writer, prompts_of(LOOP, seed + 7, writer), store, Comparison(drawing=drawing, criteria=()))
    settings = [f"training.steps={asked.steps}", "training.batch=64", "training.rate=0.0005", "objective.kl=0.05"]
    settings += ["training.threads=1", "objective.value=head"]
    learning = Learning(settings=(*JUDGE, "training.epochs=12"))
    plan = Plan(drawing=Drawing(TOKENS), learning=learning, how=How(settings, seed), gold=worth)
    gold = []
    for lap in range(asked.rounds):
        rate(store, people, worth, seed + lap)
        made = next_round(writer, store, home / "rounds", plan)
        after = made.gain("gold")
        gold.append({"mean": after.value, "low": after.low, "high": after.high} if after else {"mean": float("nan")})
        print(seed, "round", lap + 1, after, made.won and made.won.all, flush=True)
    return gold


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--prompts", type=int, default=400)
    words.add_argument("--seeds", type=int, default=3)
    words.add_argument("--share", type=float, default=0.25, help="of the prompts that each rater judges")
    words.add_argument("--rounds", type=int, default=3)
    words.add_argument("--loops", type=int, default=1, help="seeds that go through the rounds")
    words.add_argument("--steps", type=int, default=40, help="of the policy in a round")
    asked = words.parse_args()
    torch.set_num_threads(1)
    runs, laps = [], []
    result = {"prompts": asked.prompts, "share": asked.share, "settings": vars(asked)}
    for seed in range(asked.seeds):
        with tempfile.TemporaryDirectory() as folder:
            runs.append(learnt(asked, seed, Path(folder)))
            if seed < asked.loops:
                laps.append(looped(asked, seed, Path(folder)))
        figures = {k: interval([r[k] for r in runs]) for k in runs[0]}
        gold = laps[0] if len(laps) == 1 else [interval([lap[k]["mean"] for lap in laps]) for k in range(asked.rounds)]
        place = write("human_loop", result | {"figures": figures, "gold": gold, "seeds": len(runs), "loops": len(laps)})
    print(place)


if __name__ == "__main__":
    main()
