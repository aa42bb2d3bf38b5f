"""The judge of clips: what single frames look like, how they follow each other, and how much moves."""

from __future__ import annotations

from typing import Any

import numpy as np

from conjure.core.errors import DataError
from conjure.core.rng import derive
from conjure.metrics import likelihood, plots
from conjure.metrics.bootstrap import Interval
from conjure.metrics.figure import Report, Table
from conjure.metrics.frechet import frechet
from conjure.metrics.judged import Judged, Metric
from conjure.metrics.pictorial import Components
from conjure.metrics.words import summary

POINTS, LEARNT = 2_000, 2_000  # clips, or frames, a side; those that the features are learnt from
FEWEST = 16
MOTION = Metric(
    "motion gap",
    "How far the clips' mean change from frame to frame is from that of real ones: the mean distance between the two "
    "sorted lists, over the real mean",
    (0.0, np.inf),
    "down",
)
JOLTS = Metric(
    "jolt gap",
    "The same of the change of the change, over the clip's change: larger when frames come in no order",
    (0.0, np.inf),
    "down",
)


def judge(judged: Judged) -> Report:
    """Frechet distances of single frames and of motion on stated features, and gaps of two statistics of motion.

    Baselines are training clips whose frames were shuffled (the figures' own) and whose first frame stands still (in a
    table). Objects hold clips uint8 (T, H, W, C) by index. DataError for fewer than 16 on a side.
    """
    made, rng = np.stack(list(judged.synthetic)), np.random.default_rng(derive(judged.seed, "metrics", "video"))
    real = np.stack(list(judged.as_made(judged.held_out)))
    train = None if judged.train is None else np.stack(list(judged.as_made(judged.train)))
    sides = [side for side in (real, made, train) if side is not None]
    count = min(POINTS, *map(len, sides))
    if count < FEWEST:
        raise DataError(f"{count} clips on a side are too few to judge; at least {FEWEST} are needed")
    real, made, train = (None if s is None else s[rng.permutation(len(s))[:count]] for s in (real, made, train))
    beside: dict[str, np.ndarray | None] = {"ours": made, "shuffled frames": None, "still": None, "real": train}
    if train is not None:
        beside["shuffled frames"] = _shuffled(train, rng)
        beside["still"] = train[:, :1].repeat(train.shape[1], 1)
    found, metrics = _measured(real, beside, rng)
    report = Report(judged.title, notes=list(judged.notes), figures=[])
    for metric in metrics:
        ours, shuffled, ceiling = (found[who].get(metric.name) for who in ("ours", "shuffled frames", "real"))
        report.figures.append(metric.figure(ours, *(b.value if b else None for b in (shuffled, ceiling))))
    report.figures += likelihood.nats(judged)
    report.tables.append(_table(found, metrics))
    report.notes.append(
        f"{count:,} clips a side. Features: principal components of standardised pixels of held-out clips, of single "
        "frames and of the differences between neighbouring ones. Baseline: training clips in which the frames are "
        "shuffled, so of single frames it is as good as real. Ceiling: training clips in the place of made ones."
    )
    if train is None:
        report.notes.append("Not measured: baseline and ceiling (training data not found).")
    report.plots.append(_strips(made, real))
    report.summary = summary(report.figures)
    return report


def _measured(
    real: np.ndarray, beside: dict[str, np.ndarray | None], rng: np.random.Generator
) -> tuple[dict[str, dict[str, Interval]], list[Metric]]:
    """Each side's figures by name, and the metrics in order."""
    pick = rng.permutation(len(real) * real.shape[1])[:POINTS]
    frames = Components(real.reshape(-1, *real.shape[2:])[pick[:LEARNT]])
    changes = Components(_changes(real))
    metrics = [
        Metric(f"FD(frames, {frames.name})", _meaning("single frames"), (0.0, np.inf), "down"),
        Metric(f"FD(motion, {changes.name})", _meaning("differences of neighbouring frames"), (0.0, np.inf), "down"),
        MOTION,
        JOLTS,
    ]
    points = frames(real.reshape(-1, *real.shape[2:])[pick]), changes(_changes(real))
    found: dict[str, dict[str, Interval]] = {}
    for who, clips in beside.items():
        found[who] = {}
        if clips is None:
            continue
        resampled = rng if who == "ours" else None
        single = frames(clips.reshape(-1, *clips.shape[2:])[pick])
        found[who][metrics[0].name] = frechet(points[0], single, resampled)
        found[who][metrics[1].name] = frechet(points[1], changes(_changes(clips)), resampled)
        found[who][MOTION.name] = _gap(motion(real), motion(clips))
        found[who][JOLTS.name] = _gap(jolts(real), jolts(clips))
    return found, metrics


def motion(clips: np.ndarray) -> np.ndarray:
    """Mean absolute change from frame to frame of each clip (N, T, H, W, C), as a share of full brightness, (N,)."""
    return np.abs(np.diff(clips.astype(np.float32), axis=1)).mean((1, 2, 3, 4)) / 255


def jolts(clips: np.ndarray) -> np.ndarray:
    """Mean absolute change of the change over the mean absolute change of each clip, (N,); 0 where nothing moves."""
    if clips.shape[1] < 3:
        return np.zeros(len(clips))
    second = np.abs(np.diff(clips.astype(np.float32), 2, axis=1)).mean((1, 2, 3, 4)) / 255
    first = motion(clips)
    return np.divide(second, first, out=np.zeros(len(clips)), where=first > 0)


def _meaning(what: str) -> str:
    return f"Frechet distance between made and real {what}, of means and covariances of these features"


def _changes(clips: np.ndarray) -> np.ndarray:
    """Differences of neighbouring frames side by side, as pictures that are brighter or darker than grey, (N, ...)."""
    return (np.diff(clips.astype(np.float32), axis=1) + 255) / 2


def _gap(real: np.ndarray, made: np.ndarray) -> Interval:
    """Distance between two samples of a number (Wasserstein's first), over the real mean."""
    at = (np.arange(512) + 0.5) / 512
    value = float(np.abs(np.quantile(real, at) - np.quantile(made, at)).mean() / max(real.mean(), 1e-9))
    return Interval(value, value, value)


def _shuffled(clips: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The frames of every clip in an order of its own."""
    order = rng.random(clips.shape[:2]).argsort(1)
    return clips[np.arange(len(clips))[:, None], order]


def _table(found: dict[str, dict[str, Interval]], metrics: list[Metric]) -> Table:
    rows = [(who, *(round(s[m.name].value, 4) for m in metrics)) for who, s in found.items() if s]
    return Table("Beside frames in no order, and frames that stand still", ("clips", *(m.name for m in metrics)), rows)


def _strips(made: np.ndarray, real: np.ndarray) -> Any:
    """A few made clips, frame by frame, above a few held-out ones."""
    sides = []
    for clips in (made[:3], real[:3]):
        n, frames, height, width, channels = clips.shape
        sides.append([clips.transpose(0, 2, 1, 3, 4).reshape(n * height, frames * width, channels)])
    return plots.strip(*sides, "Film strips", "Above: samples, a row a clip. Below: held-out clips.")
