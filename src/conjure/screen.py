"""What the terminal shows while a run goes on and when a verb is done."""

from __future__ import annotations

import csv
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
import typer

from conjure.core.errors import ConfigError

if TYPE_CHECKING:
    from conjure.training.settings import Progress


class Watch:
    """A progress bar with time left on a terminal; a line every ten seconds elsewhere."""

    def __init__(self, quiet: bool = False):
        self.quiet, self.last = quiet, time.monotonic()
        self.bar: Any = None

    def __enter__(self) -> Watch:
        if not self.quiet and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, TextColumn
            from rich.progress import Progress as Bar

            parts = ("[bold]fit", "{task.fields[text]}")
            self.bar = Bar(TextColumn(parts[0]), BarColumn(), TextColumn(parts[1]), console=Console(stderr=True))
            self.bar.start()
            self.task = self.bar.add_task("fit", total=1.0, text="reading")
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.bar:
            self.bar.stop()

    def say(self, line: str) -> None:
        """A remark: what was inferred, what was left out."""
        if self.bar:
            self.bar.console.print(line, markup=False, highlight=False)
        elif not self.quiet:
            typer.echo(line, err=True)

    def show(self, progress: Progress) -> None:
        """How far the run is, and what it warns of."""
        for line in progress.warnings:
            self.say(f"warning: {line}")
        text = self._text(progress)
        if self.bar:
            self.bar.update(self.task, completed=progress.fraction, text=text)
        elif not self.quiet and (time.monotonic() - self.last > 10 or progress.fraction >= 1):
            self.last = time.monotonic()
            typer.echo(f"fit {progress.fraction:4.0%}  {text}", err=True)

    @staticmethod
    def _text(progress: Progress) -> str:
        shown = {k: v for k, v in progress.metrics.items() if k.endswith("loss") or k == "held_out"}
        losses = "  ".join(f"{k.replace('_', ' ')} {v:.3f}" for k, v in shown.items())
        minutes, seconds = divmod(int(progress.left), 60)
        return f"step {progress.step}  {losses}  {minutes}:{seconds:02d} left"


def write_scores(nats: np.ndarray, path: Path) -> Path:
    """One number a row, in the order of the data, as CSV."""
    if path.suffix.lower() != ".csv":
        raise ConfigError(f"scores are written as .csv, not {path.suffix or 'without a suffix'}: {path}")
    beside = path.with_name(f".{path.name}.new")
    try:
        with beside.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["row", "nats"])
            writer.writerows((i + 1, f"{v:.6f}") for i, v in enumerate(nats))
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    return path


def check_report(path: Path) -> None:
    """Refuse the name of a report that could not be written."""
    if path.suffix.lower() not in (".html", ".htm"):
        raise ConfigError(f"a report is written as .html (its .json goes beside it), not {path.name}")


def describe_scores(nats: np.ndarray, kind: str) -> str:
    """Mean with its standard error, quantiles, and the least typical rows."""
    low, middle, high = np.quantile(nats, [0.05, 0.5, 0.95])
    error = nats.std() / max(1, len(nats)) ** 0.5
    least = ", ".join(f"{i + 1} ({nats[i]:.1f})" for i in np.argsort(nats)[:5])
    return (
        f"{len(nats)} scored ({kind} log-probability, nats): mean {nats.mean():.3f} ± {1.96 * error:.3f}, "
        f"median {middle:.3f}, 5 % {low:.3f}, 95 % {high:.3f}\nleast typical rows: {least}"
    )


def describe_privacy(certificate: dict[str, Any]) -> str:
    """The claim of a private run, with what an audit found where there was one."""
    said = f"differentially private: epsilon {certificate['epsilon']:g}, delta {certificate['delta']:g}"
    return f"{said}, preprocessing included; spent {certificate['epsilon_spent']:.4f} (one row more or less)"


def describe_report(report: Any) -> str:
    """The report's figures as a table: ours, interval, baseline, ceiling."""
    head = f"{'':<34}{'ours':>9}  {'95 % interval':<19}{'baseline':>9}{'ceiling':>9}"
    return "\n".join([report.title, head, *(_figure_line(figure) for figure in report.figures)])


def _figure_line(figure: Any) -> str:
    def number(value: float | None) -> str:
        return "-" if value is None else f"{value:.3f}"

    interval = "" if figure.low is None else f"{figure.low:.3f} to {figure.high:.3f}"
    beside = f"{number(figure.baseline):>9}{number(figure.ceiling):>9}"
    tail = "  saturated" if figure.saturated else ""
    return f"{figure.name[:33]:<34}{number(figure.ours):>9}  {interval:<19}{beside}{tail}"
