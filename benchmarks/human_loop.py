"""The loop with people who do not exist: reward accuracy beside TRL and the raters' ceiling, and rounds of true reward.

    python benchmarks/human_loop.py [--prompts 400] [--seeds 3] [--share 0.25] [--members 3] [--rounds 3] [--loops 1]

Eight raters with known utilities, Gumbel noise and a habit of favouring what stands higher; two click at random. Each
judges a quarter of the prompts, so that two people see a prompt, as panels that cost money do. A small decoder of the
embedded python-docs writes. Ours learns whole orders by trust in each rater, three members that read a text's states at
its end and on average; "end" are the same that read the end alone. The chain is TRL's RewardTrainer in an environment
of its own: the same network with a head at the last token, the same judgements as all their pairs, raters alike, its
best epoch by its own held-out loss. Accuracy is on fresh completions of prompts that neither saw, against pairs of an
honest rater, and its ceiling the best anyone could do on those. All settings were chosen on seed 10, results are of
seeds 0, 1, 2. The rounds are on fewer prompts, of `--loops` seeds; their gains have intervals over prompts. Ten
minutes of one core.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from stage import ROOT, interval, peer_python, write

import conjure
from conjure import artifact, prompting
from conjure.aligning import How
from conjure.domains.answers.answer import Answer
from conjure.domains.answers.codec import AnswersCodec
from conjure.feedback import study
from conjure.feedback.audit import calibration
from conjure.feedback.comparing import Comparison, compare
from conjure.feedback.gathered import gather
from conjure.feedback.opinions import Ranked
from conjure.feedback.rewarding import Learning, fit_reward, reward_of
from conjure.feedback.rounds import Plan, next_round
from conjure.feedback.simulation import ceiling, panel_of, rate
from conjure.feedback.store import Store
from conjure.prompting import Drawing

WRITER = ["model.width=96", "model.layers=2", "model.heads=3", "model.ngrams=[]", "codec.context=64"]
WRITER += ["training.steps=600", "training.threads=1", "training.optimizer=adamw", "training.rate=0.003"]
JUDGE = ("training.epochs=24", "training.rate=0.001", "training.patience=4", "training.decay=0.1")
JUDGE += ("objective.form=list",)
PEER = {"epochs": 6, "batch": 64, "rate": 1e-3, "decay": 0.1, "patience": 2}  # each text comes six times an epoch
PARTS = (0.12, 0.03)  # of the prompts, to stop and calibrate by, and for the report; fresh answers are the test
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


def fresh(writer: artifact.Artifact, prompts: list[str], seed: int) -> tuple[list[str], list[str]]:
    """(each prompt four times, completions of it that nobody judged)."""
    drawn = prompting.write(writer, prompts, 4, Drawing(TOKENS, seed=seed))
    return [p for p in prompts for _ in range(4)], [c for some in drawn for c in some]


def accuracy(found: np.ndarray, true: np.ndarray) -> float:
    """The share of an honest rater's pairs told rightly by rewards, of completions (P, 4) with these utilities."""
    apart, up = _apart(found), 1 / (1 + np.exp(-_apart(true)))
    said = (np.sign(apart) + 1) / 2
    return float((said * up + (1 - said) * (1 - up)).mean())


def calibrated(judge: artifact.Artifact, found: np.ndarray, true: np.ndarray) -> float:
    """The calibration error of a judge's probabilities on such a rater's pairs."""
    up = 1 / (1 + np.exp(-_apart(true)))
    side = np.where(np.random.default_rng(0).random(up.shape) < up, 1, -1)
    return calibration((1 / (1 + np.exp(-float(judge.model.slope) * _apart(found) * side))).ravel())[0]  # type: ignore[union-attr]


def _apart(values: np.ndarray) -> np.ndarray:
    first, second = np.triu_indices(values.shape[1], 1)
    return values[:, first] - values[:, second]


def chain(home: Path, found: list[Ranked], texts: list[list[int]], codec: AnswersCodec, seed: int) -> np.ndarray:
    """Rewards of texts by TRL's RewardTrainer, which learns from the same judgements as pairs, raters alike."""
    python = peer_python("trl-1.12", ["trl==1.12.0", "peft==0.21.2"])
    prompts = sorted({one.prompt for one in found})
    held = set(np.random.default_rng(seed).permutation(prompts)[: len(prompts) // 8].tolist())
    parts: dict[str, list] = {"train": [], "held": []}
    for one in found:
        ids = [codec.ids(Answer(one.prompt, text)) for text in one.completions]
        pairs = [(a, b) for i, a in enumerate(ids) for j, b in enumerate(ids) if one.ranks[i] < one.ranks[j]]
        parts["held" if one.prompt in held else "train"] += pairs
    job = PEER | parts | {"writer": str(home / "writer"), "test": texts, "seed": seed}
    (home / "job.json").write_text(json.dumps(job), "utf-8")
    command = [str(python), str(Path(__file__).parent / "peers" / "reward.py"), str(home / "job.json")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr[-3000:])
    told = json.loads(done.stdout.strip().splitlines()[-1])
    print("TRL", {k: v for k, v in told.items() if k != "rewards"}, flush=True)
    return np.array(told["rewards"])


def learnt(asked: argparse.Namespace, seed: int, home: Path) -> dict[str, float]:
    """How good the reward model of so many judgements is, and what TRL makes of the same."""
    if not artifact.occupied(home / "writer"):
        conjure.fit("text", "python-docs", home / "writer", settings=[*WRITER, f"seed={seed}"])
    writer = artifact.load(home / "writer")
    every = prompts_of(asked.prompts + TEST, seed, writer)
    prompts, test = every[TEST:], every[:TEST]
    store = Store(home / "votes.db")
    compare(writer, prompts, store, Comparison(drawing=Drawing(TOKENS, seed=seed), criteria=()))
    rate(store, panel_of(8, 2, position=0.3), worth, seed, asked.share)
    careless = sorted(w.name for w in study.study(store, 1).raters if w.careless)
    told, started = gather(store), time.process_time()
    how = Learning(asked.members, settings=JUDGE, seed=seed, parts=PARTS)
    judge, _ = fit_reward(writer, told.rankings, told.trust, how)
    spent = time.process_time() - started
    short, _ = fit_reward(writer, told.rankings, told.trust, replace(how, settings=(*JUDGE, "model.reads=end")))
    flat = fresh(writer, test, seed + 1000)
    true, ours, ends = (np.array(f(*flat)).reshape(-1, 4) for f in (worth, reward_of(judge), reward_of(short)))
    texts = [judge.codec.ids(Answer(*pair)) for pair in zip(*flat)]
    theirs = chain(home, told.rankings, texts, judge.codec, seed).reshape(-1, 4)
    best, right = ceiling(true), accuracy(ours, true)
    found = {
        "accuracy": right, "end": accuracy(ends, true), "chain": accuracy(theirs, true),
        "ceiling": best, "share": right / best,
        "ece": calibrated(judge, ours, true), "careless_found": float(careless == ["rater 7", "rater 8"]),
        "cpu_seconds": spent,
    }  # fmt: skip
    found["gained"] = found["accuracy"] - found["chain"]
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
    words.add_argument("--members", type=int, default=3, help="of the ensemble")
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
