"""What if: how the model's distribution of one column changes for given rows when other cells are changed.

It is what goes with what in the training data, not what would follow from an intervention.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from conjure import sampling
from conjure.artifact import Artifact
from conjure.core.config import nearest
from conjure.core.errors import ConfigError
from conjure.core.rng import derive

if TYPE_CHECKING:
    import pandas as pd

DRAWS = 200
SPAN = (0.05, 0.5, 0.95)  # of a number's conditional distribution
NORMAL = 1.96
MOST = 20  # values of a category that are shown


@dataclass(frozen=True)
class Question:
    """P(target | a row's other cells), before and after the cells of `change` are set.

    free: columns that are no longer held at the row's own value, so that they follow as they usually do.
    """

    target: str
    change: dict[str, Any]
    free: tuple[str, ...] = ()
    draws: int = DRAWS


@dataclass(frozen=True)
class Change:
    """A mean over rows, before and after, and their difference with its 95 % interval (over rows and draws)."""

    of: str
    before: float
    after: float
    difference: float
    low: float
    high: float

    def describe(self) -> str:
        sure = "" if self.low > 0 or self.high < 0 else "  (may be none)"
        span = f"{self.low:+.4g} to {self.high:+.4g}"
        return f"{self.of}: {self.before:.4g} -> {self.after:.4g}, change {self.difference:+.4g} ({span}){sure}"


@dataclass(frozen=True)
class Supposed:
    """A line a row, before and after, and what that comes to over all rows."""

    rows: pd.DataFrame
    changes: list[Change]

    def describe(self) -> str:
        return "\n".join(
            [*(c.describe() for c in self.changes), "What goes with what in training, not what causes what."]
        )


def what_if(artifact: Artifact, rows: pd.DataFrame, question: Question, *, seed: int = 0) -> Supposed:
    """The target's distribution in each row, before and after the change, by draws from both.

    A category is described by the probability of each value, a number by its mean and 5 %, 50 %, 95 % points.
    ConfigError for a column that is not learnt, a change of the target itself, a value that training never had.
    """
    _check(artifact, question)
    target = question.target
    field = artifact.codec.fields[target]
    open_to = rows.reset_index(drop=True).assign(**dict.fromkeys((target, *question.free)))
    changed = open_to.assign(**{n: _cell(artifact, n, word) for n, word in question.change.items()})
    # One seed for both: the same luck on both sides, so that less of a difference is luck.
    how = (target, question.draws, derive(seed, "what if"))
    before, after = (_draws(artifact, frame, how) for frame in (open_to, changed))
    return _probabilities(before, after, field) if field.listed else _points(before, after, field)


def _check(artifact: Artifact, question: Question) -> None:
    if artifact.recipe.domain != "table":
        raise ConfigError(f"what-if is for tables; this artifact is of {artifact.recipe.domain} data")
    target, change, free = question.target, question.change, question.free
    learnt = list(artifact.codec.fields)
    for name in (target, *change, *free):
        if name not in learnt:
            raise ConfigError(f"no learnt column is called {name!r}: {nearest(name, learnt)}")
    if not change:
        raise ConfigError("name what to change: --set column=value")
    if target in change or target in free:
        raise ConfigError(f"{target!r} is the target; change other columns")
    if clash := set(change) & set(free):
        raise ConfigError(f"{min(clash)!r} is both set and left free")
    if (kind := artifact.codec.schema[target].kind) not in ("number", "category", "boolean"):
        raise ConfigError(f"{target!r} is a {kind}; a target is a number or a category")
    if question.draws < 20:
        raise ConfigError(f"{question.draws} draws are too few for an interval; at least 20")


def _cell(artifact: Artifact, name: str, word: Any) -> Any:
    """A value as the column holds it; ConfigError where the column cannot hold it."""
    if word is None or word == "missing":
        raise ConfigError(f"{name!r} cannot be set to missing here; leave it free, so that it follows the rest")
    artifact.codec.condition({name: word}, 1)  # refuses, with the values there are
    field = artifact.codec.fields[name]
    return field.write(np.array([field.parse(word)])).iloc[0]


def _draws(artifact: Artifact, frame: pd.DataFrame, how: tuple[str, int, int]) -> np.ndarray:
    """The target as its field reads it, (rows, draws)."""
    target, draws, seed = how
    repeated = frame.loc[frame.index.repeat(draws)].reset_index(drop=True)
    filled = sampling.complete(artifact, repeated, seed=seed)[target]
    return artifact.codec.fields[target].read(filled).reshape(len(frame), draws)


def _probabilities(before: np.ndarray, after: np.ndarray, field: Any) -> Supposed:
    """The probability of each value, the most frequent first."""
    import pandas as pd

    counts = np.bincount(np.concatenate([before, after], 1).astype(int).ravel(), minlength=len(field.values))
    shown = [int(c) for c in np.argsort(-counts, kind="stable")[:MOST] if counts[c]]
    rows: dict[str, np.ndarray] = {}
    changes = []
    for code in shown:
        word = field.show(float(code))
        sides = [(side == code).astype(float) for side in (before, after)]
        rows |= {f"{word} before": sides[0].mean(1), f"{word} after": sides[1].mean(1)}
        changes.append(_change(f"P({field.name} = {word})", *sides))
    return Supposed(pd.DataFrame(rows), changes)


def _points(before: np.ndarray, after: np.ndarray, field: Any) -> Supposed:
    """Mean and quantiles of a number, in its own unit."""
    import pandas as pd

    scale = 10.0 ** (field.column.decimals or 0)
    rows: dict[str, np.ndarray] = {}
    for name, side in (("before", before / scale), ("after", after / scale)):
        rows[f"mean {name}"] = side.mean(1)
        rows |= {f"{q:.0%} {name}": v for q, v in zip(SPAN, np.quantile(side, SPAN, axis=1))}
    return Supposed(pd.DataFrame(rows), [_change(f"mean {field.name}", before / scale, after / scale)])


def _change(of: str, before: np.ndarray, after: np.ndarray) -> Change:
    """From (rows, draws): the error is the larger of what rows and what draws make it."""
    apart = after - before
    rows, draws = apart.shape
    luck = float(apart.var(1).mean()) / draws / rows
    spread = float(apart.mean(1).var(ddof=1)) / rows if rows > 1 else 0.0
    half = NORMAL * max(luck, spread) ** 0.5
    mean = float(apart.mean())
    return Change(of, float(before.mean()), float(after.mean()), mean, mean - half, mean + half)
