"""A reward model from what people said: fitted, settled, calibrated and audited on prompts it never saw."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch

from conjure import artifact as artifacts
from conjure.artifact import Artifact
from conjure.core.config import assign, fill, nearest, plain
from conjure.core.errors import ConfigError, DataError
from conjure.core.rng import derive
from conjure.domains.answers.answer import Answer
from conjure.domains.answers.codec import WRITERS, AnswersCodec
from conjure.domains.protocol import Encoded
from conjure.feedback.audit import Audit, audit, fit_slope, prefers_longer
from conjure.feedback.opinions import RANK, Ranked
from conjure.feedback.tables import Table, encoded, real_texts, table
from conjure.models.reward import TRUNKS, Reward
from conjure.nets.lora import merge_lora
from conjure.objectives.ranking import Ranking
from conjure.recipe import Recipe
from conjure.training.adapting import adapt
from conjure.training.data import Examples
from conjure.training.distributed import alone
from conjure.training.settings import Progress, Training
from conjure.training.trainer import Trainer

LEAST = 6  # prompts: some to learn from, some to stop by, some to report on
PARTS = (0.1, 0.15)  # of the prompts: to stop and calibrate by, to report on
TRAINING = {"epochs": 12.0, "batch": 16, "rate": 3e-4, "decay": 0.01, "warmup": 0.05, "schedule": "cosine"}
TRAINING |= {"clip": 1.0, "patience": 4, "threads": 1, "checkpoint_seconds": 1e9, "device": "auto"}
MODEL = {"reads": "both"}  # 63 % of held-out pairs of people told, 60 % by the state at the end alone
REFERENCES = 256  # texts that rewards are settled on


@dataclass(frozen=True)
class Learning:
    """members of the ensemble, each from prompts drawn anew; weights of criteria in the score (ranks alone without);
    settings: "objective.form=list", "training.lora.rank=16", "model.reads=end" ...; parts of the prompts to stop and
    calibrate by, and to report on.
    """

    members: int = 1
    weights: dict[str, float] = field(default_factory=dict)
    settings: tuple[str, ...] = ()
    seed: int = 0
    parts: tuple[float, float] = PARTS
    watch: Callable[[Progress], None] = lambda progress: None


def fit_reward(
    writer: Artifact, found: Sequence[Ranked], trust: dict[str, float], how: Learning, out: Path | None = None
) -> tuple[Artifact, Audit]:
    """A reward model for a writer's answers, from its own weights, and how good it is on held-out prompts.

    ConfigError for a writer that no judge can be made of, DataError for too few rankings.
    """
    if out is not None and artifacts.occupied(out):
        raise ConfigError(f"{out} already holds an artifact: choose another folder")
    codec, recipe = _codec(writer), writer.recipe
    whole = table(found, trust)
    parts = _split(whole, how)
    rows = [encoded(part, codec) for part in parts]
    weights = _weights(whole.criteria, how.weights)
    nested = assign({"model": dict(MODEL), "objective": {}, "training": dict(TRAINING)}, how.settings)
    settings = nested["model"] | {"family": recipe.model, "settings": recipe.model_settings, "weights": weights}
    settings |= {"criteria": list(whole.criteria), "members": how.members}
    made = Recipe("answers", "reward", "ranking", {"writer": recipe.domain}, settings, **_named(nested), seed=how.seed)
    model = artifacts.build_model(made, codec)
    assert isinstance(model, Reward)
    x, mask = real_texts(rows[0])
    some = torch.randperm(len(x), generator=torch.Generator().manual_seed(how.seed))[:REFERENCES]
    summary: dict[str, Any] = {}
    for member in range(how.members):
        one = _member(model.config, codec, writer, derive(how.seed, "member", member))
        one.to(alone(nested["training"]["device"]).device).settle(x[some], mask[some])  # before
        summary = _learn(one, (rows[0], rows[1]), nested, (how, member))
        model.judges[member] = one.judges[0]
    model.to(model.judges[-1].head.weight.device)  # type: ignore[union-attr, arg-type]
    model.eval().settle(x[some], mask[some])  # and after
    fit_slope(model, parts[1], rows[1])
    longer = prefers_longer(parts[0], codec)
    seen = audit(model, parts[2], rows[2], codec, longer, how.seed)
    card = _card(writer, whole, summary, seen) | {"rankings": len(found)}
    artifact = Artifact(made, codec, model, card)
    if out is not None:
        artifacts.save(artifact, out)
    return artifact, seen


def reward_of(judge: Artifact, pessimism: float = 0.0) -> Callable[[list[str], list[str]], list[float]]:
    """A fitted reward model as a function of texts; `pessimism` times the members' doubt is taken off."""
    codec, model = judge.codec, judge.model
    if judge.recipe.domain != "answers":
        raise ConfigError(f"a {judge.recipe.model} of {judge.recipe.domain} data is no reward model")

    @torch.no_grad()
    def reward(prompts: list[str], completions: list[str]) -> list[float]:
        part = codec.encode([Answer(*pair) for pair in zip(prompts, completions)])
        each = model.each_score(part.x, part.mask)  # type: ignore[operator]
        return (each.mean(0) - pessimism * each.std(0, unbiased=False)).tolist()

    return reward


def _codec(writer: Artifact) -> AnswersCodec:
    recipe = writer.recipe
    if recipe.domain not in WRITERS or recipe.model not in TRUNKS or not writer.model.space.stream:  # type: ignore[union-attr]
        raise ConfigError(
            f"a judge is made of a {', '.join(TRUNKS)} of streams of text; this is a {recipe.model} of {recipe.domain}"
        )
    return AnswersCodec(AnswersCodec.Config(recipe.domain), writer.codec)  # type: ignore[arg-type]


def _split(whole: Table, how: Learning) -> list[Table]:
    """(to learn from, to stop and calibrate by, to report on), by prompts."""
    if len(whole) < LEAST:
        raise DataError(f"{len(whole)} prompts with rankings are too few to learn from: at least {LEAST} are needed")
    order = np.random.default_rng(derive(how.seed, "prompts")).permutation(len(whole))
    sizes = [max(1, round(part * len(whole))) for part in how.parts]
    held = np.split(order[: sum(sizes)], [sizes[0]])
    return [whole.rows(np.sort(part)) for part in (order[sum(sizes) :], *held)]


def _weights(criteria: tuple[str, ...], asked: dict[str, float]) -> list[float]:
    """What each criterion counts: as asked, else ranks alone, else all the same."""
    if unknown := [name for name in asked if name not in criteria]:
        raise ConfigError(f"nobody judged by {unknown[0]!r}: {nearest(unknown[0], list(criteria))}")
    if asked:
        return [float(asked.get(name, 0.0)) for name in criteria]
    return [float(name == RANK) for name in criteria] if RANK in criteria else [1.0] * len(criteria)


def _member(config: Reward.Config, codec: AnswersCodec, writer: Artifact, seed: int) -> Reward:
    torch.manual_seed(seed)
    one = Reward(codec.space, None, Reward.Config(**{**vars(config), "members": 1}))
    one.adopt(writer.model)  # type: ignore[arg-type]
    return one


def _learn(
    one: Reward, parts: tuple[Encoded, Encoded], nested: dict[str, Any], turn: tuple[Learning, int]
) -> dict[str, Any]:
    """Train one member, on prompts drawn anew where there are several."""
    how, member = turn
    train, held = parts
    if how.members > 1:
        drawn = torch.randint(len(train.x), (len(train.x),), generator=torch.Generator().manual_seed(member))
        train = Encoded(train.x[drawn], train.mask[drawn], train.given[drawn])  # type: ignore[index]
    training = fill(Training, nested["training"], "training")
    if "validate_every" not in nested["training"]:
        every = max(1, len(train.x) // min(training.batch, len(train.x)))
        training = fill(Training, {**nested["training"], "validate_every": every}, "training")
    trunk = one.judges[0].trunk
    adapt(trunk, training, how.seed + member)  # type: ignore[arg-type]
    goal = Ranking(one, fill(Ranking.Config, nested["objective"], "objective"))
    data, seed = (Examples(train, how.seed + member), Examples(held)), how.seed + member
    trainer = Trainer(goal, training, data, seed=seed, processes=alone(training.device))
    trainer.average = None
    summary = trainer.run(how.watch)
    merge_lora(trunk)  # type: ignore[arg-type]
    return summary


def _named(nested: dict[str, Any]) -> dict[str, Any]:
    return {"objective_settings": plain(nested["objective"]), "training": plain(nested["training"])}


def _card(writer: Artifact, whole: Table, summary: dict[str, Any], seen: Audit) -> dict[str, Any]:
    """What the judge learnt from, and how good it was found."""
    raters = f"{len(whole.names)} raters, trusted {', '.join(sorted(set(whole.names)))}"
    source = {"name": "people's rankings", "rows": len(whole), "licence": "as agreed with the raters"}
    found = {"accuracy": seen.accuracy.value, "ece": seen.ece, "brier": seen.brier, "test_pairs": seen.pairs}
    notes = [
        f"A judge by {', '.join(whole.criteria)} from {raters}.",
        f"Began with the weights of a {writer.recipe.model} of {writer.card.get('source', {}).get('name', 'data')}.",
    ]
    kept = {k: v for k, v in summary.items() if k != "warnings"}
    made = datetime.now(UTC).date().isoformat()
    return {"source": source, "made": made, "metrics": {**kept, **found}, "notes": notes, "audit": seen.plain()}
