"""Whether made rows help a target at all: cross-validated beside doing nothing, class weights, copies and SMOTE."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from conjure import catalog, fitting, rebalancing, sampling
from conjure.artifact import Artifact
from conjure.core.config import nearest
from conjure.core.errors import ConfigError, DataError
from conjure.core.rng import derive
from conjure.evaluation import facts_of
from conjure.metrics import plots
from conjure.metrics.advice import FRESH, MORE, NEAR, over_folds, verdict, word
from conjure.metrics.bootstrap import ROUNDS, around, resamples
from conjure.metrics.copies import hashes
from conjure.metrics.extra import needs
from conjure.metrics.figure import Figure, Report, Table
from conjure.metrics.frames import kinds, side_by_side
from conjure.metrics.remedies import NOTHING, Lesson, added, guess, lessons, macro_f1
from conjure.metrics.utility import Task, choose, column, explained
from conjure.rebalancing import Plan
from conjure.recipe import Recipe

if TYPE_CHECKING:
    import pandas as pd

FEWEST = 60  # rows, below which folds are too small to say anything
APART = 1 / 3  # of the kinds of a class that a fold leaves out


@dataclass(frozen=True)
class Trials:
    """How much is tried: folds, repeats of them; and the column whose values stand for kinds that a fold may lack.

    unseen: then each fold leaves a third of the kinds of every class out of learning, as the future will, and half of
    a class's weight in the test is theirs. The column itself is no feature.
    """

    folds: int = 5
    repeats: int = 1
    unseen: str | None = None

    def __post_init__(self) -> None:
        if self.folds < 2 or self.repeats < 1:
            raise ConfigError("at least 2 folds and 1 repeat are needed")


@dataclass(frozen=True)
class Fold:
    """Places of rows to learn from and to test on, and the weight of each tested row."""

    learn: np.ndarray
    test: np.ndarray
    weights: np.ndarray


def advise(
    artifact: Artifact,
    train: Any,
    target: str,
    *,
    test: Any = None,
    trials: Trials | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> Report:
    """Each remedy's macro-F1 (R2 of a number), with intervals, and a verdict in plain words.

    train: rows to learn from; each fold's model is fitted anew, with the artifact's recipe, on the rows that the fold
    learns from. test: rows apart, which every remedy is tried on once, after all of train. DataError for tables too
    small, ConfigError for a target or column that cannot be judged.
    """
    needs("sklearn", "xgboost", "matplotlib")
    trials = trials or Trials()
    corpus = catalog.part("table", "corpus")
    frame = _known(artifact, corpus.read(train)[0], target, trials)
    aside = None if test is None else _known(artifact, corpus.read(test)[0], target, trials)
    task = _task(artifact, frame, target)
    case = Case(task, replace(artifact.recipe, through="", start=""), trials, facts_of(artifact.codec))
    folds = list(_folds(frame, case))
    scores: dict[str, list[float]] = {}
    for at, fold in enumerate(folds):
        truth, guessed = _tried(frame.iloc[fold.learn], frame.iloc[fold.test], case, at)
        for name, said in guessed.items():
            scores.setdefault(name, []).append(_score(task, truth, said, fold.weights))
        say(f"fold {at + 1} of {len(folds)}: " + ", ".join(f"{k} {v[-1]:.3f}" for k, v in scores.items()))
    ratio = float(np.mean([len(f.test) / len(f.learn) for f in folds]))
    report = _report(case, {k: np.array(v) for k, v in scores.items()}, ratio)
    if aside is not None:
        report.tables.append(_apart(*_tried(frame, aside, case, len(folds)), case))
        report.notes += _overlap(frame, aside, case)
    return report


@dataclass(frozen=True)
class Case:
    """What is asked: the task, how each fold's model is fitted, how much is tried, what the columns are."""

    task: Task
    recipe: Recipe
    trials: Trials
    facts: dict[str, Any]

    @property
    def unit(self) -> str:
        return "R2" if self.task.kind == "r2" else "macro-F1"


def _known(artifact: Artifact, frame: Any, target: str, trials: Trials) -> pd.DataFrame:
    """Rows whose target is there; refusals for what cannot be tried."""
    if artifact.recipe.domain != "table":
        raise ConfigError(f"advice is for tables; this artifact is of {artifact.recipe.domain} data")
    if hasattr(frame, "chunks"):
        raise ConfigError("this table does not fit in memory: give a sample of its rows")
    names = [*map(str, frame.columns)]
    for name in filter(None, (target, trials.unseen)):
        if name not in names:
            raise ConfigError(f"the table has no column {name!r}: {nearest(name, names)}")
    if target == trials.unseen:
        raise ConfigError(f"{target!r} is the target; kinds to leave out are those of another column")
    frame = frame[frame[target].notna()].reset_index(drop=True)
    if len(frame) < FEWEST:
        raise DataError(f"{len(frame)} rows have a {target!r}; advice takes at least {FEWEST}")
    return frame


def _overlap(frame: pd.DataFrame, aside: pd.DataFrame, case: Case) -> list[str]:
    """A warning where rows kept apart are rows learnt from."""
    learnt, tested = side_by_side([frame, aside], kinds(frame, case.facts["kinds"]), case.facts["forms"])
    if not (shared := int(np.isin(hashes(tested), hashes(learnt)).sum())):  # type: ignore[arg-type]
        return []
    return [f"{shared:,} of {len(aside):,} test rows equal rows of the training table: the test flatters by so much."]


def _task(artifact: Artifact, frame: pd.DataFrame, target: str) -> Task:
    facts = facts_of(artifact.codec)
    grid = side_by_side([frame], kinds(frame, facts["kinds"]), facts["forms"])[0]
    task = choose(grid, target, [*grid.names[0], *grid.names[1]])  # type: ignore[union-attr, arg-type]
    if task is None:
        raise ConfigError(f"{target!r} cannot be predicted")
    return task


def _folds(frame: pd.DataFrame, case: Case) -> Iterator[Fold]:
    """Stratified folds, or those that leave kinds out."""
    from sklearn.model_selection import KFold, StratifiedKFold

    trials, seed = case.trials, case.recipe.seed
    for repeat in range(trials.repeats):
        if trials.unseen is not None:
            for k in range(trials.folds):
                yield _without_kinds(frame, case, derive(seed, "kinds", repeat, k))
            continue
        number = case.task.kind == "r2"
        split = (KFold if number else StratifiedKFold)(trials.folds, shuffle=True, random_state=seed + repeat)
        labels = np.zeros(len(frame)) if number else frame[case.task.target].astype(str)
        if not number and (fewest := labels.value_counts()).min() < trials.folds:
            raise DataError(
                f"{case.task.target!r} is {fewest.idxmin()!r} in {fewest.min()} rows; {trials.folds} folds need as many"
            )
        for learn, test in split.split(labels, labels):
            yield Fold(learn, test, np.ones(len(test)))


def _without_kinds(frame: pd.DataFrame, case: Case, seed: int) -> Fold:
    """A third of the kinds of each class that has several are only tested on, with one in `folds` of the other rows."""
    rng = np.random.default_rng(seed)
    labels, kind = frame[case.task.target].astype(str).to_numpy(), frame[case.trials.unseen].astype(str).to_numpy()
    left = np.zeros(len(frame), bool)
    for label in np.unique(labels):
        names = np.unique(kind[labels == label])
        out = rng.choice(names, max(1, round(len(names) * APART)), replace=False) if len(names) > 1 else names[:0]
        left |= (labels == label) & np.isin(kind, out)
    if not left.any():
        raise ConfigError(f"no class of {case.task.target!r} has rows of two values of {case.trials.unseen!r}")
    tested = left | (rng.random(len(frame)) < 1 / case.trials.folds)
    test, weights = np.flatnonzero(tested), np.ones(int(tested.sum()))
    for label in np.unique(labels[test]):
        own = labels[test] == label
        new, old = own & left[test], own & ~left[test]
        if new.any() and old.any():
            weights[new], weights[old] = own.sum() / 2 / new.sum(), own.sum() / 2 / old.sum()
    return Fold(np.flatnonzero(~tested), test, weights)


def _tried(learn: pd.DataFrame, test: pd.DataFrame, case: Case, at: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The truth of tested rows, and what is guessed of them after each remedy."""
    task, seed = case.task, derive(case.recipe.seed, "advice", at)
    hidden = [case.trials.unseen] if case.trials.unseen else []
    learn, test = learn.drop(columns=hidden).reset_index(drop=True), test.drop(columns=hidden).reset_index(drop=True)
    fitted = fitting.fit(replace(case.recipe, seed=seed % 2**31), learn)
    made = _made(fitted, learn, task, seed)
    told = kinds(learn, {k: v for k, v in case.facts["kinds"].items() if k not in hidden})
    grids = side_by_side([learn, test, *made.values()], told, case.facts["forms"])
    first, tested, lots = grids[0], grids[1], dict(zip(made, grids[2:]))
    number = task.kind == "r2"
    if number:
        tries = {
            NOTHING: Lesson(first.without(task.target), column(first, task.target)),
            **added(first, task.target, lots),
        }
    else:
        tries = lessons(first, task.target, lots, np.random.default_rng(seed))
    bare = tested.without(task.target)
    return column(tested, task.target), {name: guess(lesson, bare, number=number) for name, lesson in tries.items()}


def _made(fitted: Artifact, learn: pd.DataFrame, task: Task, seed: int) -> dict[str, pd.DataFrame]:
    """Made rows, as many as classes lack, drawn whole or near real rows; for a number as many as real ones."""
    if task.kind == "r2":
        return {MORE: sampling.sample(fitted, len(learn), seed=seed)[list(learn.columns)]}
    found = {}
    for name, keep in ((FRESH, 0.0), (NEAR, 0.5)):
        rows, _ = rebalancing.rebalance(fitted, learn, Plan((task.target,), keep=keep), seed=seed)
        found[name] = rows.iloc[len(learn) :].reset_index(drop=True)
    return found


def _score(task: Task, truth: np.ndarray, said: np.ndarray, weights: np.ndarray) -> float:
    return explained(truth, said, weights) if task.kind == "r2" else macro_f1(truth, said, weights)


def _report(case: Case, scores: dict[str, np.ndarray], ratio: float) -> Report:
    """Figures with intervals over folds, differences, and the verdict."""
    task, unit = case.task, case.unit
    over = {name: over_folds(values - scores[NOTHING], ratio) for name, values in scores.items() if name != NOTHING}
    figures = []
    for name, values in scores.items():
        mean, low, high = over_folds(values, ratio)
        meaning = f"of 100 boosted trees that learn {task.target!r} with {name}, on real rows of other folds"
        span = (-np.inf, 1.0) if task.kind == "r2" else (0.0, 1.0)
        figures.append(Figure(f"{unit}, {name}", meaning, mean, low, high, float(scores[NOTHING].mean()), range=span))
    rows = [(name, float(scores[name].mean()), *d, word(d)) for name, d in over.items()]
    header = ("remedy", unit, "gain over nothing", "from", "to", "")
    shown = [(name, *d) for name, d in over.items()]
    caption = f"Gain in {unit} over doing nothing, with 95 % intervals over {len(scores[NOTHING])} folds."
    notes = [
        "Each fold's model is fitted on the rows that the fold learns from, so no made row knows a tested one.",
        "Intervals over folds allow for folds that share rows (Nadeau and Bengio 2003). Baseline: doing nothing.",
    ]
    if case.trials.unseen:
        notes.append(
            f"Folds leave kinds of {case.trials.unseen!r} out of learning; half of a class's weight is theirs."
        )
    return Report(
        f"Do made rows help {task.target!r}?",
        figures,
        [verdict(scores, ratio, unit)],
        [plots.intervals(shown, "What each remedy gains", caption, line=0.0)],
        [Table("Remedies", header, rows)],
        notes,
    )


def _apart(truth: np.ndarray, guessed: dict[str, np.ndarray], case: Case) -> Table:
    """Every remedy on the rows kept apart; intervals over those rows, of the gain with the same rows drawn for both."""
    weights = resamples(len(truth), ROUNDS, np.random.default_rng(case.recipe.seed))
    drawn = {n: np.array([_score(case.task, truth, said, w) for w in weights]) for n, said in guessed.items()}
    rows = [(n, *around(v), *around(v - drawn[NOTHING])) for n, v in drawn.items()]
    header = ("remedy", case.unit, "from", "to", "gain over nothing", "from", "to")
    return Table(f"On the {len(truth):,} rows of the test table", header, rows)
