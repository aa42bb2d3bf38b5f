"""A run under a privacy budget: what fit does otherwise than without one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from conjure import catalog
from conjure.core.errors import ConfigError
from conjure.core.privacy import Ledger
from conjure.domains.protocol import Codec, Encoded, Source
from conjure.objectives.protocol import Objective
from conjure.recipe import Recipe

CLEAR = 50.0  # noise scales of a row count below which little can be learnt of a table


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
    if resume:
        raise ConfigError("a private run is not resumed: what it looked at is spent; start anew in another folder")
    objective = catalog.resolve("objectives", recipe.objective)
    if objective.under is Objective.under:
        raise ConfigError(f"{objective.__name__} cannot keep to a privacy budget: leave out --model, or name marginals")
    return Ledger(recipe.budget)


def encoded(recipe: Recipe, objects: Any, source: Source, ledger: Ledger) -> tuple[Codec, tuple[Encoded, None], Source]:
    """The codec and the rows' codes, and the source without what only the data itself knows."""
    if hasattr(objects, "chunks"):
        raise ConfigError("a private run wants a table that fits in memory: take a sample of the rows")
    coding = catalog.part(recipe.domain, "private")
    codec, rows = coding.learn(objects, recipe.configs()[0], ledger)
    lost = [c.name for c in codec.schema.columns if not c.learnt]
    if lost:
        ledger.notes.append(f"too few rows share a value to learn from: {', '.join(map(repr, lost))}")
    if rows < (fewest := round(CLEAR * 10 / ledger.mu)):
        ledger.notes.append(
            f"about {rows:,.0f} rows are few for epsilon {ledger.budget.epsilon:g}: expect noise; "
            f"some {fewest:,} would give a clear picture"
        )
    return codec, (coding.encode(objects, codec), None), replace(unnamed(source), rows=round(rows))


def unnamed(source: Source) -> Source:
    """Without the number of rows and the digest, which are not noisy."""
    return replace(source, sha256="", rows=0)
