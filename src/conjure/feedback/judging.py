"""A reward model judged on people's preferences that it never saw."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from conjure.artifact import Artifact
from conjure.core.errors import ConfigError, DataError
from conjure.feedback import records
from conjure.feedback.audit import Audit, audit, prefers_longer
from conjure.feedback.shown import interval_text
from conjure.feedback.tables import encoded, table
from conjure.metrics.bootstrap import Interval
from conjure.metrics.figure import Report, Table
from conjure.metrics.judged import Metric
from conjure.metrics.words import summary
from conjure.models.reward import Reward

ACCURACY = Metric("preference accuracy", "share of pairs in which the preferred completion has the higher reward")
ECE = Metric("calibration error", "how far the stated odds are from how often they come true", direction="down")
BRIER = Metric(
    "Brier score", "mean squared error of the stated odds; 0.25 is that of always saying even", direction="down"
)


def judge(artifact: Artifact, held_out: str | Path, seed: int = 0) -> Report:
    """Accuracy, calibration error and Brier score on the pairs that a file's rankings tell apart.

    held_out: pairs, K-wise rankings, records of Argilla or Label Studio (`records.py`). The baseline is length alone,
    whichever way serves better here; the ceiling is told by how far several raters agree, where there are several.
    DataError names a line that is no ranking.
    """
    model = artifact.model
    if not isinstance(model, Reward):
        raise ConfigError(f"a {artifact.recipe.model} is no reward model: only those are judged by preferences")
    rankings = records.joined(records.read(Path(held_out)))
    if not rankings:
        raise DataError(f"{held_out} holds no ranking: known are {records.FORMS}")
    found = table(rankings, {})
    codec: Any = artifact.codec
    seen = audit(model, found, encoded(found, codec), codec, prefers_longer(found, codec), seed)
    figures = [
        ACCURACY.figure(seen.accuracy, seen.length.value, None if seen.ceiling is None else seen.ceiling.value),
        ECE.figure(seen.ece),
        BRIER.figure(seen.brier, 0.25),
    ]
    source = Path(held_out).name
    report = Report(f"reward model on {source}", figures, summary(figures))
    report.tables.append(_rows(seen))
    report.notes.append(f"{seen.pairs} pairs of {len(found)} prompts; intervals are over prompts.")
    if seen.ceiling is None:
        report.notes.append("No pair was judged by two people, so nobody can say how well a judge could do.")
    return report


def _rows(seen: Audit) -> Table:
    """What people of the file agree on with each other and with the reward model."""
    found: dict[str, Interval | None] = {"by length alone": seen.length, "the other raters' majority": seen.others}
    found |= {"ceiling by how far raters agree": seen.ceiling}
    found |= {f"pairs of {name}": value for name, value in seen.raters.items()}
    rows = [(name, interval_text(value)) for name, value in found.items() if value is not None]
    rows.append(("rank correlation of reward and length", f"{seen.length_bias:+.2f}"))
    rows.append(("of raters' ranks and length", f"{seen.length_taste:+.2f}"))
    return Table("Beside people", ("what", "share of pairs"), rows)
