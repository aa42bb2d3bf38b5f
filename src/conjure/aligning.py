"""Improve a writer by rewards or preferences: it completes prompts, somebody says what is better, it learns."""

from __future__ import annotations

import copy
import hashlib
import importlib
import importlib.util
import json
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from conjure import artifact as artifacts
from conjure import catalog, prompting
from conjure.artifact import Artifact
from conjure.core.batch import Batch
from conjure.core.config import assign, fill, nearest
from conjure.core.errors import ArtifactError, ConfigError, DataError
from conjure.core.rng import Noise, derive
from conjure.domains.answers.spelling import spelling
from conjure.domains.protocol import Encoded
from conjure.models.protocol import Model
from conjure.nets.lora import merge_lora
from conjure.objectives.protocol import Objective
from conjure.objectives.rollout import Rollout
from conjure.prompting import Drawing
from conjure.training import checkpoint
from conjure.training.adapting import adapt
from conjure.training.data import Examples
from conjure.training.distributed import alone
from conjure.training.interrupt import interruptible
from conjure.training.settings import Progress, Training
from conjure.training.trainer import Trainer

METHODS = ("ppo", "grpo")
TRAINING = {"steps": 100, "batch": 64, "rate": 1e-4, "clip": 1.0, "schedule": "constant", "validate_every": 10}
RUN = "run.json"
PAST = 16  # texts remembered at each step of objective.mix
Reward = Callable[[list[Any], list[Any]], Any]  # (prompts, completions) -> numbers, one each


@dataclass(frozen=True)
class How:
    """settings ("objective.kl=0.1", "training.steps=200" ...); remember: texts, or objects, that are not to be
    forgotten, by objective.mix; resume: go on from the folder's checkpoint.
    """

    settings: list[str] = field(default_factory=list)
    seed: int = 0
    watch: Callable[[Progress], None] = lambda progress: None
    remember: Any = field(default_factory=list)
    resume: bool = False


def align(
    artifact: Artifact,
    prompts: list[Any],
    reward: Reward,
    out: str | Path | None = None,
    *,
    method: str = "ppo",
    how: How | None = None,
) -> Artifact:
    """A copy of an artifact that has learnt to please `reward`, kept near what it was by a price on every nat.

    prompts: what to go on with, a tenth of them held out to choose the best step by; [None] * n for what writes whole
    objects without a prompt. reward: a function of prompts and their completions (texts, or decoded objects) that gives
    a number for each; one that is not a number is dropped and counted. ConfigError for an artifact that does not write
    token by token, or an unknown method.
    """
    how = how or How()
    if method not in METHODS:
        raise ConfigError(f"no method is called {method!r}: {nearest(method, list(METHODS))}")
    if reason := prompting.refuses(artifact):
        raise ConfigError(f"rewards improve what writes token by token, but {reason}")
    if len(prompts) < 2:
        raise DataError(f"{len(prompts)} prompts are too few: at least 2 are needed, one of them held out")
    found = prompting.rows(artifact, prompts)
    own = {"end": prompting.end_of(artifact), "tokens": prompting.length_of(artifact, found)}
    own = {name: value for name, value in own.items() if value is not None}
    nested = assign({"objective": own, "training": dict(TRAINING)}, how.settings)
    kind = catalog.resolve("objectives", method)
    config = fill(kind.Config, nested["objective"], "objective")
    prompting.check_room(artifact, found, config.tokens)
    data = _parted(found, how.seed)
    model = _policy(artifact, nested, how.seed)
    torch.manual_seed(derive(how.seed, "align"))
    goal = kind(model, config)
    goal.reward = judged(artifact, reward, prompts)
    if how.remember:
        goal.past = _remembered(artifact, how.remember, how.seed)
    return run(artifact, goal, data, out, (method, nested, how))


def prefer(
    artifact: Artifact, pairs: list[tuple[str, str, str]], out: str | Path | None = None, *, how: How | None = None
) -> Artifact:
    """A copy of a writer of texts that prefers what people did, by DPO; pairs are (prompt, chosen, rejected).

    DataError for a pair longer than the model sees.
    """
    how = how or How()
    if reason := prompting.refuses(artifact):
        raise ConfigError(f"preferences improve what writes token by token, but {reason}")
    if not artifact.model.space.stream:  # type: ignore[union-attr]
        raise ConfigError("pairs of texts teach a writer of streams; improve this one by rewards")
    nested = assign({"objective": {}, "training": dict(TRAINING)}, how.settings)
    kind = catalog.resolve("objectives", "dpo")
    order = np.random.default_rng(derive(how.seed, "pairs")).permutation(len(pairs))
    if len(pairs) < 2:
        raise DataError(f"{len(pairs)} pairs are too few: at least 2 are needed, one of them held out")
    held = max(1, len(pairs) // 10)
    rows = _pair_rows(artifact, pairs)
    data = (Examples(_some(rows, order[held:]), how.seed), Examples(_some(rows, order[:held]), how.seed))
    goal = kind(_policy(artifact, nested, how.seed), fill(kind.Config, nested["objective"], "objective"))
    return run(artifact, goal, data, out, ("dpo", nested, how))


def best_of(artifact: Artifact, prompts: list[Any], reward: Reward, n: int, drawing: Drawing) -> list[Any]:
    """Of n completions of each prompt the one that is rewarded most: no training, log n - (n - 1) / n nats away."""
    drawn = prompting.write(artifact, prompts, n, drawing)
    flat = [c for some in drawn for c in some]
    found = np.array([float(v) for v in reward([p for p in prompts for _ in range(n)], flat)], float)
    table = np.where(np.isfinite(found), found, -np.inf).reshape(-1, n)
    return [some[int(row.argmax())] for some, row in zip(drawn, table)]


def run(
    before: Artifact,
    goal: Objective,
    data: tuple[Examples, Examples],
    out: str | Path | None,
    told: tuple[str, dict[str, Any], How],
) -> Artifact:
    """Train an objective whose model is a copy of an artifact's; the improved artifact, left in `out`."""
    method, nested, how = told
    folder = None if out is None else Path(out)
    if folder is not None:
        _claim(folder, before, told)
    training = fill(Training, nested["training"], "training")
    trainer = Trainer(goal, training, data, seed=how.seed, folder=folder, processes=alone(training.device))
    trainer.average = None
    if how.resume:
        trainer.resume()
    with interruptible(trainer):
        summary = trainer.run(how.watch)
    settings = {"objective_settings": nested["objective"], "training": nested["training"], "seed": how.seed}
    notes = [f"Improved by {method}, from a {before.recipe.model} trained for {before.recipe.objective}."]
    notes += [f"Warned in training: {line}" for line in summary.pop("warnings")]
    card = {**before.card, "made": datetime.now(UTC).date().isoformat(), "metrics": summary, "notes": notes}
    merge_lora(goal.model)
    made = Artifact(replace(before.recipe, objective=method, **settings), before.codec, goal.model.eval(), card)
    if folder is not None:
        artifacts.save(made, folder)
        if summary["stopped_by"] != "interrupt":
            checkpoint.forget(folder)
    return made


def reward_from(spec: str) -> Reward:
    """A reward by name: "package.module:function", or "file.py:function"; ConfigError where there is none.

    The code is the caller's own, and is run.
    """
    place, colon, name = spec.rpartition(":")
    if not colon or not place or not name:
        raise ConfigError(f"a reward is named as module:function or file.py:function, not {spec!r}")
    try:
        if place.endswith(".py"):
            found = importlib.util.spec_from_file_location("reward", place)
            module = importlib.util.module_from_spec(found)  # type: ignore[arg-type]
            found.loader.exec_module(module)  # type: ignore[union-attr]
        else:
            sys.path.insert(0, "")
            module = importlib.import_module(place)
    except (ImportError, FileNotFoundError) as error:
        raise ConfigError(f"the reward {spec!r} cannot be loaded: {error}") from None
    if not callable(getattr(module, name, None)):
        raise ConfigError(
            f"{place} has no function {name!r}: {nearest(name, [n for n in vars(module) if n[0] != '_'])}"
        )
    return getattr(module, name)


def together(rewards: list[tuple[float, Reward]]) -> Reward:
    """Several rewards as one, each with its weight."""

    def reward(prompts: list[Any], completions: list[Any]) -> list[float]:
        found = [np.array([float(v) for v in judge(prompts, completions)]) * weight for weight, judge in rewards]
        return np.sum(found, 0).tolist()

    return reward


def judged(artifact: Artifact, reward: Reward, prompts: list[Any]) -> Callable[[Rollout], Tensor]:
    """The reward of token rows: that of the texts or objects they stand for.

    A reward that raises for a whole batch is asked one by one; what it raises for has none (NaN).
    """
    known = prompting.spelt(artifact, prompts)

    def judge(rollout: Rollout) -> Tensor:
        asked, completions = prompting.texts(artifact, rollout, known)
        try:
            found = [float(v) for v in reward(asked, completions)]
        except Exception:
            found = [_alone(reward, *pair) for pair in zip(asked, completions)]
        if len(found) != len(completions):
            raise ConfigError(
                f"the reward gave {len(found)} numbers for {len(completions)} completions: one each is needed"
            )
        return torch.tensor([v if math.isfinite(v) else math.nan for v in found])

    return judge


def _alone(reward: Reward, prompt: Any, completion: Any) -> float:
    try:
        (value,) = reward([prompt], [completion])
        return float(value)
    except Exception:
        return math.nan


def _parted(found: Encoded, seed: int) -> tuple[Examples, Examples]:
    """Those to learn from, and a tenth held out."""
    order = np.random.default_rng(derive(seed, "prompts")).permutation(len(found.x))
    held = max(1, len(found.x) // 10)
    return Examples(_some(found, order[held:]), seed), Examples(_some(found, order[:held]), seed)


def _pair_rows(artifact: Artifact, pairs: list[tuple[str, str, str]]) -> Encoded:
    """x (N, 2, T): prompt, completion and end of both; mask (N, 2, T), True from the completion on."""
    spell, room = spelling(artifact.codec), artifact.model.space.length + 1  # type: ignore[union-attr]
    rows = []
    for number, (prompt, *both) in enumerate(pairs, 1):
        asked = spell.prompt(prompt)
        for text in both:
            rows.append((asked, [*spell.completion(text), spell.end]))
            if (length := sum(map(len, rows[-1]))) > room:
                raise DataError(
                    f"pair {number} has {length} tokens; this model sees {room}: leave it out or shorten it"
                )
    x = torch.full((len(rows), max(len(a) + len(b) for a, b in rows)), spell.end)
    mask = torch.zeros(x.shape, dtype=torch.bool)
    for row, (asked, said) in enumerate(rows):
        x[row, : len(asked) + len(said)] = torch.tensor(asked + said)
        mask[row, len(asked) : len(asked) + len(said)] = True
    return Encoded(x.unflatten(0, (-1, 2)), mask.unflatten(0, (-1, 2)))


def _policy(artifact: Artifact, nested: dict[str, Any], seed: int) -> Model:
    """A copy to train: all of it, or (training.lora) adapters beside its frozen weights, merged at the end."""
    model = copy.deepcopy(artifact.model)
    adapt(model, fill(Training, nested["training"], "training"), seed)
    return model


def _some(encoded: Encoded, where: np.ndarray) -> Encoded:
    at = torch.from_numpy(where)
    return Encoded(*(None if t is None else t[at] for t in (encoded.x, encoded.mask, encoded.given)))  # type: ignore[arg-type]


def _remembered(artifact: Artifact, texts: Any, seed: int) -> Callable[[Noise], Batch]:
    """Batches of what the policy is not to forget, each a function of a step's noise."""
    examples = Examples(artifact.codec.encode(texts), seed)

    def batch(noise: Noise) -> Batch:
        step = int(torch.randint(2**30, (), generator=noise.generator))
        return examples.batch(step, PAST * noise.world, noise.rank, noise.world)

    return batch


def _claim(folder: Path, before: Artifact, told: tuple[str, dict[str, Any], How]) -> None:
    """Make the folder this run's own, or refuse it."""
    method, nested, how = told
    start = artifacts.fingerprint(before)
    named = json.dumps([method, nested, how.seed, start], sort_keys=True, default=str)
    digest, at = hashlib.sha256(named.encode()).hexdigest(), folder / RUN
    if artifacts.occupied(folder) and not (how.resume and checkpoint.find(folder)):
        raise ConfigError(f"{folder} already holds an artifact: choose another folder")
    if how.resume and at.exists() and json.loads(at.read_text("utf-8")).get("digest") != digest:
        raise ConfigError(f"{folder} holds a run of other data or settings: resume it with the same command line")
    if checkpoint.find(folder) and not how.resume:
        raise ArtifactError(
            f"{folder} holds an unfinished run: add --resume to go on with it, or choose another folder"
        )
    folder.mkdir(parents=True, exist_ok=True)
    at.write_text(json.dumps({"digest": digest}), "utf-8")
