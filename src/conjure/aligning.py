"""Improve a writer by rewards: it completes prompts, somebody says what each completion is worth, it learns."""

from __future__ import annotations

import copy
import importlib
import importlib.util
import math
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from conjure import artifact as artifacts
from conjure import catalog, prompting
from conjure.artifact import Artifact
from conjure.core.config import assign, fill, nearest
from conjure.core.errors import ConfigError, DataError
from conjure.core.rng import derive
from conjure.domains.protocol import Encoded
from conjure.objectives.rollout import Rollout
from conjure.training.data import Examples
from conjure.training.settings import Progress, Training
from conjure.training.trainer import Trainer

METHODS = ("ppo", "grpo")
TRAINING = {"steps": 100, "batch": 64, "rate": 1e-4, "clip": 1.0, "schedule": "constant", "validate_every": 10}
TRAINING |= {"checkpoint_seconds": 1e9}  # a few minutes' run; its policy is what is kept
Reward = Callable[[list[str], list[str]], Any]  # (prompts, completions) -> numbers, one each


def align(
    artifact: Artifact,
    prompts: list[str],
    reward: Reward,
    out: str | Path | None = None,
    *,
    method: str = "ppo",
    options: dict[str, Any] | None = None,
) -> Artifact:
    """A copy of a text artifact that has learnt to please `reward`, kept near what it was by a price on every nat.

    prompts: texts to go on with, a tenth of them held out to choose the best step by. reward: a function of prompts
    and their completions that gives a number for each; one that is not a number is dropped and counted. options:
    settings ("objective.kl=0.1", "training.steps=200" ...), seed, watch. ConfigError for an artifact that does not
    write text token by token, or an unknown method.
    """
    options = options or {}
    if method not in METHODS:
        raise ConfigError(f"no method is called {method!r}: {nearest(method, list(METHODS))}")
    if reason := prompting.refuses(artifact):
        raise ConfigError(f"rewards improve what writes token by token, but {reason}")
    seed = int(options.get("seed", 0))
    ends = {} if (end := prompting.end_of(artifact)) is None else {"end": end}
    nested = assign({"objective": ends, "training": dict(TRAINING)}, options.get("settings", []))
    kind = catalog.resolve("objectives", method)
    config, training = (
        fill(kind.Config, nested["objective"], "objective"),
        fill(Training, nested["training"], "training"),
    )
    data = _prompts(artifact, prompts, config.tokens, seed)
    torch.manual_seed(derive(seed, "align"))
    goal = kind(copy.deepcopy(artifact.model), config)
    goal.reward = _judged(artifact, reward, prompts)
    trainer = Trainer(goal, training, data, seed=seed)
    trainer.average = None
    summary = trainer.run(options.get("watch", _unseen))
    return _finished(artifact, goal.model, (method, nested, seed), summary, out)


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


def _prompts(artifact: Artifact, prompts: list[Any], tokens: int, seed: int) -> tuple[Examples, Examples]:
    """Prompts as the model reads them; a tenth held out."""
    if len(prompts) < 2:
        raise DataError(f"{len(prompts)} prompts are too few: at least 2 are needed, one of them held out")
    found = prompting.rows(artifact, prompts)
    prompting.check_room(artifact, found, tokens)
    order = np.random.default_rng(derive(seed, "prompts")).permutation(len(prompts))
    held = max(1, len(prompts) // 10)
    parts = (order[held:], order[:held])
    return tuple(Examples(_some(found, torch.from_numpy(p)), seed) for p in parts)  # type: ignore[return-value]


def _some(encoded: Encoded, where: Tensor) -> Encoded:
    return Encoded(*(None if t is None else t[where] for t in (encoded.x, encoded.mask, encoded.given)))  # type: ignore[arg-type]


def _judged(artifact: Artifact, reward: Reward, prompts: list[Any]) -> Callable[[Rollout], Tensor]:
    """The reward of token rows: that of the texts or objects they stand for."""

    known = prompting.spelt(artifact, prompts)

    def judge(rollout: Rollout) -> Tensor:
        asked, completions = prompting.texts(artifact, rollout, known)
        found = [float(v) for v in reward(asked, completions)]
        if len(found) != len(completions):
            raise ConfigError(
                f"the reward gave {len(found)} numbers for {len(completions)} completions: one each is needed"
            )
        return torch.tensor([v if math.isfinite(v) else math.nan for v in found])

    return judge


def _finished(
    before: Artifact, model: Any, how: tuple[str, dict[str, Any], int], summary: dict[str, Any], out: str | Path | None
) -> Artifact:
    """The improved artifact, with a card that says what it came from."""
    method, nested, seed = how
    recipe = replace(
        before.recipe, objective=method, objective_settings=nested["objective"], training=nested["training"], seed=seed
    )
    notes = [f"Improved by {method} on rewards, from a {before.recipe.model} trained for {before.recipe.objective}."]
    notes += [f"Warned in training: {line}" for line in summary.pop("warnings")]
    card = {**before.card, "made": datetime.now(UTC).date().isoformat(), "metrics": summary, "notes": notes}
    made = Artifact(recipe, before.codec, model.eval(), card)
    if out is not None:
        if artifacts.occupied(Path(out)):
            raise ConfigError(f"{out} already holds an artifact: choose another folder")
        artifacts.save(made, Path(out))
    return made


def _unseen(progress: Progress) -> None:
    pass
