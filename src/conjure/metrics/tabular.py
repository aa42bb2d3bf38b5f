"""The judge of tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from conjure.core.errors import DataError
from conjure.core.rng import derive
from conjure.metrics import copies, detection, likelihood, manifold, plots, shapes, utility
from conjure.metrics.features import Features
from conjure.metrics.figure import Figure, Report, Table
from conjure.metrics.frames import Grid, kinds, side_by_side
from conjure.metrics.judged import Judged, Metric
from conjure.metrics.words import summary

if TYPE_CHECKING:
    from conjure.metrics.bootstrap import Interval

NEIGHBOURS = 5_000  # points a side where all distances are measured
DETECTION = 20_000  # rows a side that detectors see
FEWEST = 10
WORST = 10  # columns and pairs named


def judge(judged: Judged) -> Report:
    """Every figure of a table's samples against held-out rows, beside baseline and ceiling.

    `facts["kinds"]` says what each column is, `facts["forms"]` how dates are written; `target` names the
    column that is learnt from made rows. DataError for fewer than 10 rows on a side.
    """
    told = kinds(judged.held_out, judged.facts.get("kinds", {}))
    if not told:
        raise DataError("the table has no column that can be judged: only keys, free text or constants")
    tables = [judged.held_out, judged.synthetic, judged.baseline, judged.train]
    grids = side_by_side(tables, told, judged.facts.get("forms", {}))
    for what, grid in zip(("held-out", "synthetic", "baseline", "training"), grids):
        if grid is not None and len(grid) < FEWEST:
            raise DataError(f"the {what} table has {len(grid)} rows; at least {FEWEST} are needed to judge")
    sides = _Sides(*grids, seed=judged.seed)  # type: ignore[arg-type]
    report = Report(judged.title, [], notes=[*judged.notes, *sides.notes()])
    report.figures += [*sides.detection(), *sides.utility(judged.target, list(told), report.notes)]
    report.figures += sides.trends(report) + likelihood.nats(judged) + sides.manifold() + sides.copies()
    left_out = [str(c) for c in judged.held_out.columns if str(c) not in told]
    if left_out:
        report.notes.append(f"Not judged, being keys, free text or constants: {', '.join(left_out)}.")
    report.plots += plots.columns(sides.held_out, sides.synthetic)
    report.summary = summary(report.figures)
    return report


class _Sides:
    """The tables to compare, and each comparison made three times: ours, the baseline's, real data's."""

    def __init__(self, held_out: Grid, synthetic: Grid, baseline: Grid | None, train: Grid | None, *, seed: int):
        self.held_out, self.synthetic, self.baseline, self.train = held_out, synthetic, baseline, train
        self.seed = seed

    def rng(self, name: str) -> np.random.Generator:
        return np.random.default_rng(derive(self.seed, "metrics", name))

    def notes(self) -> list[str]:
        n = [len(g) if g is not None else 0 for g in (self.held_out, self.synthetic, self.train)]
        said = [
            f"{n[1]:,} made rows against {n[0]:,} held-out rows. Baseline: independent columns. "
            "Ceiling: training rows in the place of made ones.",
            f"Distances are between {Features.name}, on at most {NEIGHBOURS:,} rows a side "
            f"({copies.ROWS:,} for near copies); detectors see at most {DETECTION:,} rows a side.",
        ]
        if self.train is None:
            said.append("Not measured: copies, the ceiling and training on real rows (training data not found).")
        return said

    def detection(self) -> list[Figure]:
        made: list[Figure] = []
        for metric, linear in ((detection.TREES, False), (detection.LINEAR, True)):

            def auc(grid: Grid, linear: bool = linear) -> Interval:
                real, other = self._thinned(DETECTION, self.held_out, grid)
                return detection.detect(real, other, self.seed, linear=linear)

            made.append(self._beside(metric, auc))
        return made

    def utility(self, target: str | None, names: list[str], notes: list[str]) -> list[Figure]:
        task = utility.choose(self.held_out, target, names)
        if task is None:
            notes.append("Not measured: utility (no column is a number or a category of few words).")
            return []
        if target is None:
            notes.append(f"Utility predicts {task.target!r}, the last column that can be; --target names another.")

        def learnt_from(grid: Grid | None) -> list[Interval] | None:
            return None if grid is None else utility.utility(task, grid, self.held_out, self.seed)

        found = detection.at_once(learnt_from, (self.synthetic, self.baseline, self.train))
        return [
            metric.figure(*(side[k] if at == 0 else side[k].value if side else None for at, side in enumerate(found)))  # type: ignore[index]
            for k, metric in enumerate(task.metrics)
        ]

    def trends(self, report: Report) -> list[Figure]:
        ours = shapes.trends(self.held_out, self.synthetic, self.rng("trends"))
        others = [None if g is None else shapes.trends(self.held_out, g) for g in (self.baseline, self.train)]
        made = [shapes.SHAPES.figure(ours.shapes, *(o and o.shapes.value for o in others))]
        if ours.trends:
            made.append(shapes.PAIRS.figure(ours.trends, *(o and o.trends and o.trends.value for o in others)))
        worst = sorted(ours.columns.items(), key=lambda item: item[1])[:WORST]
        report.tables.append(Table("Columns that differ most", ("column", "shape"), worst))
        pairs = sorted(ours.pairs.items(), key=lambda item: item[1])[:WORST]
        report.tables.append(
            Table("Pairs that differ most", ("columns", "trend"), [(f"{a} and {b}", v) for (a, b), v in pairs])
        )
        return made

    def manifold(self) -> list[Figure]:
        grids = (self.synthetic, self.baseline, self.train)
        n = min(NEIGHBOURS, *(len(g) for g in (self.held_out, *grids) if g is not None))
        features = Features(self.held_out)
        rng = self.rng("manifold")
        real = features(self.held_out.rows(rng.permutation(len(self.held_out))[:n]))
        found: list[dict[str, Interval]] = []
        for grid in grids:
            if grid is None:
                found.append({})
                continue
            points = features(grid.rows(rng.permutation(len(grid))[:n]))
            found.append(manifold.precision_recall_curves(real, points, rng) | manifold.neighbourhoods(real, points))
        metrics = (manifold.ALPHA, manifold.BETA, manifold.PRECISION, manifold.RECALL)
        return [_three(m, found) for m in (*metrics, manifold.DENSITY, manifold.COVERAGE)]

    def copies(self) -> list[Figure]:
        if (train := self.train) is None:
            return []
        near = copies.Nearness(train, self.held_out, self.rng("copies"))
        known = self.baseline is not None
        return [
            copies.EXACT.figure(
                copies.exact(self.synthetic, train),
                copies.exact(self.baseline, train).value if known else None,  # type: ignore[arg-type]
                copies.exact(self.held_out, train).value,
            ),
            copies.NEAR.figure(
                near.share(self.synthetic),
                near.share(self.baseline).value if known else None,  # type: ignore[arg-type]
                near.ceiling(),
            ),
        ]

    def _beside(self, metric: Metric, measure: Any) -> Figure:
        others = [None if g is None else measure(g).value for g in (self.baseline, self.train)]
        return metric.figure(measure(self.synthetic), *others)

    def _thinned(self, most: int, *grids: Grid) -> list[Grid]:
        rng = self.rng("thin")
        return [g.rows(np.sort(rng.permutation(len(g))[:most])) for g in grids]


def _three(metric: Metric, found: list[dict[str, Interval]]) -> Figure:
    ours, *others = (side.get(metric.name) for side in found)
    return metric.figure(ours, *(o.value if o else None for o in others))
