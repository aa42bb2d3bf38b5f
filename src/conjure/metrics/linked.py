"""The judge of linked tables: each table by itself, then what only the links can get right."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from conjure.core.rng import derive
from conjure.metrics import detection, shapes, tabular
from conjure.metrics.bootstrap import Interval, around, resamples
from conjure.metrics.figure import Figure, Report, Table
from conjure.metrics.frames import Grid, kinds, side_by_side
from conjure.metrics.judged import Judged, Metric
from conjure.metrics.words import summary

if TYPE_CHECKING:
    import pandas as pd

ROWS = 20_000  # rows a side of a table and of rows beside their parents
FEWEST = 10
WORST = 10
ROUNDS = 50

NUMBERS = Metric(
    "numbers of children",
    "total variation distance of the distributions of how many rows a parent has, those without any included",
    direction="down",
)
ACROSS = Metric(
    "pairs across a key",
    "how alike a column of a row and one of its parent (or of the row before) hang together, on average: by "
    "correlation of numbers, by contingency table otherwise",
)
GAPS = Metric("gaps in time", "1 minus the Kolmogorov-Smirnov distance of the time between two rows of a parent")
JOINED = Metric(
    "detection AUC across keys",
    "how well 200 boosted trees tell real rows, one of each parent and beside it and the row before, from made ones",
    direction="toward 0.5",
)
INTEGRITY = Metric(
    "references that mean a row", "share of foreign keys that stand in the parent's primary key", saturated=True
)


def judge(judged: Judged) -> Report:
    """Every figure of linked tables: those of a table, with its name before them, and those across keys.

    The baseline draws every column by itself and every parent at random; the ceiling takes training tables for made
    ones. `facts["lay"]` lays tables out, `facts["tables"]`, `["joined"]` and `["across"]` say what columns are.
    """
    report = Report(judged.title, [], notes=list(judged.notes))
    report.notes.append("Baseline: columns each by itself, parents at random. Ceiling: training tables for made ones.")
    if judged.train is None:
        report.notes.append("Not measured: the ceiling (training data not found).")
    sides = _laid(judged)
    report.figures += across(judged, report, sides)
    report.figures += _nats(judged)
    for table in sides[0]["tables"]:  # type: ignore[index]
        _alone(report, judged, table, [None if s is None else s["tables"].get(table) for s in sides])
    report.summary = _said(report) + summary(report.figures)
    return report


def across(judged: Judged, report: Report, sides: list[dict[str, Any] | None] | None = None) -> list[Figure]:
    """The figures across keys alone; the pairs that differ most go into the report."""
    found = _Across(judged, sides or _laid(judged))
    return [found.integrity(), *found.numbers(), *found.pairs(report), *found.gaps(), *found.detection()]


def _laid(judged: Judged) -> list[dict[str, Any] | None]:
    """Held-out, made, the baseline's and training tables, laid out alike."""
    lay = judged.facts["lay"]
    return [None if s is None else lay(s) for s in (judged.held_out, judged.synthetic, judged.baseline, judged.train)]


class _Across:
    """Comparisons across keys, each made three times: ours, the baseline's, real data's."""

    def __init__(self, judged: Judged, sides: list[dict[str, Any] | None]):
        self.judged, self.sides = judged, sides
        self.rng = np.random.default_rng(derive(judged.seed, "linked"))
        self.grids: dict[str, list[Grid | None]] = {}
        for table, (told, forms) in judged.facts["joined"].items():
            frames = [None if s is None else _thin(s["joined"][table], self.rng) for s in sides]
            if min(len(f) for f in frames if f is not None) >= FEWEST:
                self.grids[table] = side_by_side(frames, kinds(frames[0], told), forms)  # type: ignore[arg-type]

    def integrity(self) -> Figure:
        return INTEGRITY.figure(*(None if s is None else s["integrity"] for s in self.sides[1:]))

    def numbers(self) -> list[Figure]:
        made = []
        for name in self.sides[0]["numbers"]:  # type: ignore[index]
            real, *others = (None if s is None else s["numbers"][name] for s in self.sides)
            metric = replace(NUMBERS, name=f"numbers of children: {name}")
            ours, *beside = (None if o is None else _variation(real, o, self.rng) for o in others)
            made.append(metric.figure(ours, *(b and b.value for b in beside)))
        return made

    def pairs(self, report: Report) -> list[Figure]:
        made, worst = [], []
        for table, groups in self.judged.facts["across"].items():
            if table not in self.grids:
                continue
            real, *others = self.grids[table]
            known = {n for side in real.names for n in side}  # type: ignore[union-attr]
            for name, pairs in groups.items():
                if not (kept := [p for p in pairs if set(p) <= known]):
                    continue
                found = [
                    None if o is None else shapes.trends(real, o, self.rng if k == 0 else None, kept)  # type: ignore[arg-type]
                    for k, o in enumerate(others)
                ]
                if (ours := found[0]) is None or ours.trends is None:
                    continue
                beside = [f.trends.value if f and f.trends else None for f in found[1:]]
                made.append(replace(ACROSS, name=f"pairs: {name}").figure(ours.trends, *beside))
                worst += [(f"{table}: {a} and {b}", v) for (a, b), v in ours.pairs.items()]
        worst.sort(key=lambda row: row[1])
        report.tables.append(Table("Pairs across keys that differ most", ("columns", "trend"), worst[:WORST]))
        return made

    def gaps(self) -> list[Figure]:
        made = []
        for table, grids in self.grids.items():
            real, *others = grids
            for name in [n for n in real.names[0] if n.startswith("gap of ")]:  # type: ignore[union-attr]
                pairs = [(name, name)]
                found = [
                    None if o is None else shapes.trends(real, o, self.rng if k == 0 else None, pairs).shapes  # type: ignore[arg-type]
                    for k, o in enumerate(others)
                ]
                metric = replace(GAPS, name=f"gaps in time: {table}")
                made.append(metric.figure(found[0], *(f and f.value for f in found[1:])))
        return made

    def _one_each(self, table: str) -> list[Grid | None]:
        """One row of each owner: rows of the same one would tell trees who it is."""
        frames = []
        for side in self.sides:
            if side is None or table not in side["owners"]:
                frames.append(None if side is None else _thin(side["joined"][table], self.rng))
                continue
            order = self.rng.permutation(len(side["owners"][table]))
            first = order[np.unique(side["owners"][table][order], return_index=True)[1]]
            frames.append(_thin(side["joined"][table].iloc[first], self.rng))
        told, forms = self.judged.facts["joined"][table]
        return side_by_side(frames, kinds(frames[0], told), forms)  # type: ignore[arg-type]

    def detection(self) -> list[Figure]:
        made = []
        for table in self.grids:
            metric = replace(JOINED, name=f"detection AUC across keys: {table}")
            real, *others = self._one_each(table)
            ours, *beside = (None if o is None else detection.detect(real, o, self.judged.seed) for o in others)  # type: ignore[arg-type]
            made.append(metric.figure(ours, *(b and b.value for b in beside)))
        return made


def _variation(real: np.ndarray, made: np.ndarray, rng: np.random.Generator) -> Interval:
    """Total variation distance of two samples of whole numbers, with its interval over parents drawn again."""
    size = int(max(real.max(initial=0), made.max(initial=0))) + 1
    one, other = (
        np.stack([np.bincount(side, w, size) for w in resamples(len(side), ROUNDS, rng)]) / len(side)
        for side in (real, made)
    )
    return around(np.abs(one - other).sum(1) / 2, (0, 1))


def _alone(report: Report, judged: Judged, table: str, frames: list[pd.DataFrame | None]) -> None:
    """The figures of one table by itself, added to the report under its name."""
    told, forms = judged.facts["tables"][table]
    rng = np.random.default_rng(derive(judged.seed, "alone", table))
    real, made, baseline, train = (None if f is None else _thin(f, rng) for f in frames)
    sizes = [len(f) for f in (real, made, baseline, train) if f is not None]
    if min(sizes) < FEWEST or not kinds(real, told):  # type: ignore[arg-type]
        report.notes.append(f"Table {table!r} was not judged by itself: too few rows, or nothing but keys.")
        return
    one = tabular.judge(
        Judged(
            held_out=real, synthetic=made, train=train, baseline=baseline, seed=judged.seed,
            facts={"kinds": told, "forms": forms}, title=table,
        )
    )  # fmt: skip
    report.figures += [replace(f, name=f"{table}: {f.name}") for f in one.figures]
    report.tables += [replace(t, title=f"{table}: {t.title}") for t in one.tables]
    report.plots += [replace(p, title=f"{table}: {p.title}") for p in one.plots]
    report.notes += [f"Table {table!r}: {note}" for note in one.notes]


def _nats(judged: Judged) -> list[Figure]:
    from conjure.metrics import likelihood

    return likelihood.nats(judged)


def _said(report: Report) -> list[str]:
    """The links in words."""
    said = []
    for figure in report.figures:
        beside = f" (at random: {figure.baseline:.3f})" if figure.baseline is not None else ""
        if figure.name.startswith("numbers of children: "):
            said.append(f"How many {figure.name.partition(': ')[2]} has differs by {figure.ours:.3f} in all{beside}.")
        elif figure.name.startswith("pairs: "):
            said.append(f"{figure.name.partition(': ')[2]}: {figure.ours:.1%} alike{beside}.")
    return said


def _thin(frame: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    return frame.iloc[np.sort(rng.permutation(len(frame))[:ROWS])].reset_index(drop=True)
