"""A run under a privacy budget: what fit does otherwise than without one."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conjure import catalog
from conjure.core.errors import ArtifactError, ConfigError
from conjure.core.privacy import Ledger
from conjure.domains.protocol import Codec, Encoded, Source
from conjure.objectives.protocol import Objective
from conjure.recipe import Recipe

if TYPE_CHECKING:
    from conjure.training.settings import Training

CLEAR = 50.0  # noise scales of a row count below which little can be learnt of a table
KEPT = "secrets.json"  # in the folder of a run under way: what a stopped one needs to spend nothing twice
FEWEST = 64  # rows in a batch on average: that one is empty has a chance below e^-64
FIXED = {  # settings of training that a budget rules out, and why
    "minutes": "the number of steps is part of the promise: set training.epochs or training.steps, not minutes",
    "patience": "stopping early would look at held-out rows: training.patience=0",
    "compile": "gradients are taken example by example, which a compiled model hides: training.compile=false",
}


def ledger_of(recipe: Recipe, resume: bool) -> Ledger | None:
    """The ledger of a recipe's budget, None without one; ConfigError for a run that cannot keep to a budget."""
    if not recipe.budget:
        return None
    if recipe.domain == "linked":
        raise ConfigError(
            "a privacy budget hides one row of one table; in linked tables somebody is many rows, which it would not "
            "hide: fit the root table alone, or leave out --epsilon"
        )
    if recipe.domain != "table":
        raise ConfigError(f"a privacy budget is for tables; this run is of {recipe.domain} data")
    if recipe.start or recipe.through:
        raise ConfigError("a private run starts from nothing: leave out --start and --through")
    if recipe.held_out > 0:
        raise ConfigError("a private run holds nothing out, since it may look at nothing twice: held_out=0")
    objective = catalog.resolve("objectives", recipe.objective)
    if objective.descends is None:
        if resume:
            raise ConfigError("a private run is not resumed: what it looked at is spent; start anew in another folder")
        if objective.under is Objective.under:
            raise ConfigError(
                f"{objective.__name__} cannot keep to a privacy budget: leave out --model, or name marginals, columns, "
                "vae or gan"
            )
    else:
        _refuse(recipe.training)
    return Ledger(recipe.budget)


def _refuse(training: dict[str, Any]) -> None:
    """ConfigError for settings under which steps down noisy gradients would promise too much."""
    for name, reason in FIXED.items():
        if training.get(name):
            raise ConfigError(f"under a privacy budget {reason}")
    if training.get("precision", "fp32") != "fp32":
        raise ConfigError("under a privacy budget gradients are taken in full precision: training.precision=fp32")
    if (batch := training.get("batch", 256) * training.get("accumulate", 1)) < FEWEST:
        raise ConfigError(f"training.batch is {batch}; a private run draws {FEWEST} rows a step at least")
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise ConfigError("a private run is one process: start it without torchrun")


@dataclass(frozen=True)
class Begun:
    """What a private run learns from, and as what: the codec, all rows' codes, and the rows that are public."""

    codec: Codec
    encoded: Encoded
    source: Source
    training: Training


def begin(recipe: Recipe, data: tuple[Any, Source], training: Training, ledger: Ledger, kept: Path | None) -> Begun:
    """The codec and the rows' codes, and the source without what only the data itself knows.

    kept: the folder of a stopped run to go on with: what it measured is taken up again, and nothing is spent twice.
    """
    objects, source = data
    if hasattr(objects, "chunks"):
        raise ConfigError("a private run wants a table that fits in memory: take a sample of the rows")
    coding = catalog.part(recipe.domain, "private")
    if kept and (kept / KEPT).exists():
        codec, rows = _recalled(recipe, source, ledger, kept / KEPT)
    else:
        codec, rows = coding.learn(objects, recipe.configs()[0], ledger)
        if catalog.resolve("objectives", recipe.objective).descends:
            size = training.batch * training.accumulate
            steps = training.steps or max(1, round((training.epochs or 1.0) * rows / size))
            ledger.descend(rows, size, steps, training.clip)
    lost = [c.name for c in codec.schema.columns if not c.learnt]
    if lost:
        ledger.notes.append(f"too few rows share a value to learn from: {', '.join(map(repr, lost))}")
    if rows < (fewest := round(CLEAR * 10 / ledger.mu)):
        ledger.notes.append(
            f"about {rows:,.0f} rows are few for epsilon {ledger.budget.epsilon:g}: expect noise; "
            f"some {fewest:,} would give a clear picture"
        )
    if ledger.descent:
        training = replace(training, steps=ledger.descent["steps"], epochs=None)
    return Begun(codec, coding.encode(objects, codec), replace(unnamed(source), rows=round(rows)), training)


def remember(begun: Begun, source: Source, ledger: Ledger, folder: Path) -> None:
    """Keep what a stopped run would need: a file that only its owner can read, gone when the run is done."""
    held = {
        "sha256": source.sha256,
        "rows": begun.source.rows,
        "codec": begun.codec.state(),
        "entries": ledger.entries,
        "descent": ledger.descent,
        "key": ledger.key.hex(),
    }
    path = folder / KEPT
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(held, file)


def forget(folder: Path) -> None:
    """Remove the secrets of a finished run."""
    (folder / KEPT).unlink(missing_ok=True)


def _recalled(recipe: Recipe, source: Source, ledger: Ledger, path: Path) -> tuple[Codec, float]:
    """The codec and the number of rows of a stopped run; the ledger as it was."""
    try:
        held = json.loads(path.read_text("utf-8"))
        codec = catalog.codec(recipe.domain).from_state(held["codec"])
        ledger.entries, ledger.descent, ledger.key = held["entries"], held["descent"], bytes.fromhex(held["key"])
        rows, sha256 = held["rows"], held["sha256"]
    except (ValueError, KeyError, TypeError):
        raise ArtifactError(f"{path} is damaged: start again in another folder, without --resume") from None
    if sha256 != source.sha256:
        raise ConfigError(f"{path.parent} holds a run of other data: resume it with the same table")
    return codec, rows


def unnamed(source: Source) -> Source:
    """Without the number of rows and the digest, which are not noisy."""
    return replace(source, sha256="", rows=0)
