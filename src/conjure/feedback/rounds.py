"""Lap after lap: people judge, a reward model learns from them, the writer improves, the same people judge again."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from conjure import aligning, prompting
from conjure import artifact as artifacts
from conjure.aligning import How, Reward
from conjure.artifact import Artifact
from conjure.core.config import nearest
from conjure.core.errors import ConfigError, DataError
from conjure.core.rng import derive
from conjure.feedback import overview
from conjure.feedback.audit import Audit
from conjure.feedback.comparing import Comparison, compare, different
from conjure.feedback.gathered import gather
from conjure.feedback.opinions import Candidate, Ranked
from conjure.feedback.report import Lap, write_report
from conjure.feedback.rewarding import Learning, fit_reward, reward_of
from conjure.feedback.shown import write_json
from conjure.feedback.store import Store
from conjure.feedback.winning import wins
from conjure.prompting import Drawing
from conjure.training import checkpoint
from conjure.training.journal import read_journal

METHODS = ("ppo", "grpo", "dpo", "best-of-n")
REWARD, POLICY, STATE = "reward", "policy", "rounds.json"
SHOWN = 64  # prompts whose completions a report looks at
LEAST_JUDGED = 0.5  # of a round's prompts, below which a round is not taken to be judged


@dataclass(frozen=True)
class Plan:
    """How rounds go. n: of best-of-n; k: completions of a prompt in the next round, `start` of them by the writer as
    it was, so that people tell whether it got better; hold_out: raters whom the reward model does not learn from (None:
    every fourth); gold: the true reward, where it is known; pessimism: times the members' doubt off every reward.
    """

    method: str = "ppo"
    n: int = 8
    k: int = 4
    start: int = 1
    drawing: Drawing = field(default_factory=Drawing)
    learning: Learning = field(default_factory=Learning)
    how: How = field(default_factory=How)
    hold_out: tuple[str, ...] | None = None
    gold: Reward | None = None
    pessimism: float = 0.0
    say: Callable[[str], None] = lambda line: None

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ConfigError(f"no method is called {self.method!r}: {nearest(self.method, list(METHODS))}")
        if not 0 <= self.start < self.k:
            raise ConfigError("of a prompt's k completions at least one is by the improved writer")


def next_round(writer: Artifact, store: Store, out: Path, plan: Plan) -> Lap:
    """One lap: learn a reward from all that was judged, improve the writer by it, draw the next round.

    writer: as it was at first; `out` holds a folder for each round and `rounds.json`, and a second call goes on from
    there. DataError where the round at hand is not judged yet, with what to do.
    """
    done = read_state(out)
    lap = overview.choose(store)
    if not judged_enough(lap):
        some = max(lap.judged.values(), default=0)
        raise DataError(
            f"{lap.name} is not judged yet: {some} of {lap.prompts} prompts by whoever judged most; "
            f"conjure assistant rank --store {store.place}"
        )
    number = len(done) + 1
    folder = out / f"round-{number}"
    last = [entry["policy"] for entry in done if entry["policy"]]
    policy = artifacts.load(out / last[-1]) if last else writer
    held = held_out(lap, plan)
    plan.say(f"round {number}: learning a reward from {lap.name} and before")
    found = gather(store)
    rankings = [one for one in found.rankings if one.rater not in held]
    won = wins(store, lap.id, done[-1]["digest"], artifacts.fingerprint(writer), held) if done else None
    learning = replace(plan.learning, seed=derive(plan.how.seed, "reward", number) >> 40)
    judge, audit = _judge(writer, rankings, found.trust, learning, folder / REWARD)
    reward = reward_of(judge, plan.pessimism)
    prompts = sorted({one.prompt for one in found.rankings})
    plan.say(f"round {number}: improving by {plan.method}")
    improved = _improve((writer, policy), (prompts, rankings), reward, folder / POLICY, plan)
    shown = _draw((writer, improved), prompts, reward, store, (plan, number))
    made = Lap(number, lap.name, shown, plan.method, audit, found.notes, won, held, _curve(folder / POLICY))
    made = replace(made, samples=_samples((writer, improved), prompts, reward, plan), warnings=[])
    made = replace(made, warnings=made.over_optimised())
    write_report(made, folder)
    where = POLICY if plan.method != "best-of-n" else ""
    entry = {"round": lap.name, "next": shown, "method": plan.method, "folder": folder.name}
    entry |= {
        "policy": f"{folder.name}/{where}" if where else "",
        "digest": f"best of {plan.n}" if not where else artifacts.fingerprint(improved),
    }
    write_json([*done, entry], out / STATE)
    return made


def read_state(out: Path) -> list[dict[str, Any]]:
    """What earlier calls did; empty for a new folder."""
    at = out / STATE
    if not at.exists():
        out.mkdir(parents=True, exist_ok=True)
        return []
    try:
        return json.loads(at.read_text("utf-8"))
    except ValueError:
        raise DataError(f"{at} is damaged: it is not the JSON that was saved") from None


def judged_enough(lap: overview.Lap) -> bool:
    """Whether somebody judged at least half of a round's prompts."""
    return max(lap.judged.values(), default=0) >= LEAST_JUDGED * lap.prompts and lap.prompts > 0


def held_out(lap: overview.Lap, plan: Plan) -> tuple[str, ...]:
    """Raters whom the reward model does not learn from, so that they can say whether the writer got better."""
    names = sorted(lap.judged)
    if plan.hold_out is not None:
        if unknown := [name for name in plan.hold_out if name not in names]:
            raise ConfigError(f"nobody called {unknown[0]!r} judged {lap.name}: {nearest(unknown[0], names)}")
        return plan.hold_out
    return tuple(names[3::4])


def _judge(
    writer: Artifact, rankings: list[Ranked], trust: dict[str, float], how: Learning, out: Path
) -> tuple[Artifact, Audit]:
    """The reward model of a round: fitted, or found where a call before this one was cut short."""
    if not rankings:
        raise DataError("all raters are held out: leave some for the reward model to learn from")
    if artifacts.occupied(out):
        judge = artifacts.load(out)
        if judge.card.get("rankings") == len(rankings):
            return judge, Audit.from_plain(judge.card["audit"])
        raise ConfigError(f"{out} was learnt from other judgements: remove {out.parent} to begin this round again")
    return fit_reward(writer, rankings, trust, how, out)


def _improve(
    writers: tuple[Artifact, Artifact], found: tuple[list[str], list[Ranked]], reward: Reward, out: Path, plan: Plan
) -> Artifact:
    """The policy of a round: from the writer as it was at first for DPO and best-of-n, else from the last one."""
    writer, policy = writers
    prompts, rankings = found
    if plan.method == "best-of-n":
        return writer
    if artifacts.occupied(out) and not checkpoint.find(out):  # a call before this one got so far
        return artifacts.load(out)
    tokens = f"objective.tokens={plan.drawing.tokens}"
    if plan.method == "dpo":
        pairs = [pair for one in rankings for pair in _pairs(one)]
        return aligning.prefer(writer, pairs, out, how=replace(plan.how, resume=bool(checkpoint.find(out))))
    how = replace(plan.how, settings=[tokens, *plan.how.settings], resume=bool(checkpoint.find(out)))
    return aligning.align(policy, prompts, reward, out, method=plan.method, how=how)


def _pairs(one: Ranked) -> list[tuple[str, str, str]]:
    ranked = [(rank, text) for rank, text in zip(one.ranks, one.completions) if not np.isnan(rank)]
    return [(one.prompt, better, worse) for a, better in ranked for b, worse in ranked if a < b]


def _draw(
    writers: tuple[Artifact, Artifact], prompts: list[str], reward: Reward, store: Store, turn: tuple[Plan, int]
) -> str:
    """Put the next round into the store, completions of both writers among each other; its name."""
    plan, number = turn
    writer, improved = writers
    drawing = replace(plan.drawing, seed=derive(plan.how.seed, "round", number) >> 33)
    name, criteria = f"round {number + 1}", overview.choose(store)
    asked = Comparison(name, plan.k, drawing, criteria.criteria, criteria.points)
    if plan.method == "best-of-n":
        round_id = store.open_round(name, asked.criteria, asked.points)
        best = aligning.best_of(improved, prompts, reward, plan.n, drawing)
        for prompt, text in zip(prompts, best):
            store.add(
                round_id, prompt, [Candidate(text, f"best of {plan.n}", drawing.choice.temperature, drawing.seed)]
            )
    else:
        compare(improved, prompts, store, replace(asked, k=max(2, plan.k - plan.start)))
    if plan.start or plan.method == "best-of-n":
        round_id, digest = store.open_round(name, asked.criteria, asked.points), artifacts.fingerprint(writer)
        before = different(writer, prompts, max(1, plan.start), replace(drawing, seed=drawing.seed + 1))
        for prompt, texts in zip(prompts, before):
            made = [Candidate(text, digest, drawing.choice.temperature, seed) for text, seed in texts.items()]
            store.add(round_id, prompt, made)
    return name


def _samples(
    writers: tuple[Artifact, Artifact], prompts: list[str], reward: Reward, plan: Plan
) -> list[dict[str, Any]]:
    """The same prompts completed by both, with what each is worth."""
    rng = np.random.default_rng(derive(plan.how.seed, "samples"))
    some = [prompts[k] for k in rng.permutation(len(prompts))[:SHOWN]]
    drawing = replace(plan.drawing, seed=derive(plan.how.seed, "samples") >> 33)
    before = [texts[0] for texts in prompting.write(writers[0], some, 1, drawing)]
    if plan.method == "best-of-n":
        after = aligning.best_of(writers[1], some, reward, plan.n, replace(drawing, seed=drawing.seed + 1))
    else:
        after = [texts[0] for texts in prompting.write(writers[1], some, 1, drawing)]
    columns: dict[str, Any] = {"prompt": some, "before": before, "after": after}
    for name, judge in {"reward": reward, "gold": plan.gold}.items():
        if judge is not None:
            columns |= {f"{name}_{k}": [float(v) for v in judge(some, columns[k])] for k in ("before", "after")}
    return [dict(zip(columns, row)) for row in zip(*columns.values())]


def _curve(folder: Path) -> list[dict[str, float]]:
    """Held-out reward against distance, by step, out of a run's journal."""
    lines = read_journal(folder / "journal.jsonl")
    names = {"step": "step", "reward": "held_out_reward", "kl": "held_out_kl"}
    return [{k: line[v] for k, v in names.items()} for line in lines if set(names.values()) <= set(line)]
