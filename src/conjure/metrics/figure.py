"""What an evaluation hands back: figures, each beside its baseline and ceiling, in a report for people and machines."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from conjure.core.errors import DataError

Direction = Literal["up", "down", "toward 0.5"]


@dataclass(frozen=True)
class Figure:
    """One number about samples, and what it takes to read it.

    `low` and `high` bound its 95 % interval over resampled rows, `baseline` is what the simplest model gets,
    `ceiling` what real data gets against other real data; None is a number that was not measured. A figure is
    `saturated` when the baseline does about as well as real data: it then ranks no models. `kind` is "exact",
    "bound" or "estimate" where that matters.
    """

    name: str
    meaning: str
    ours: float | None
    low: float | None = None
    high: float | None = None
    baseline: float | None = None
    ceiling: float | None = None
    range: tuple[float, float] = (0.0, 1.0)
    direction: Direction = "up"
    saturated: bool = False
    kind: str = ""

    def loss(self, value: float) -> float:
        """How far a value is from the best there is, in the figure's own unit; lower is better."""
        match self.direction:
            case "up":
                return -value
            case "down":
                return value
            case _:
                return abs(value - 0.5)


@dataclass(frozen=True)
class Plot:
    """A picture as a data URI, with what it shows in a sentence."""

    title: str
    caption: str
    image: str


@dataclass(frozen=True)
class Table:
    """Rows of numbers and words under a header."""

    title: str
    header: tuple[str, ...]
    rows: list[tuple[Any, ...]]


@dataclass
class Report:
    """Everything one evaluation found. `summary` says it in plain words, `notes` what to know when reading it.

    samples: the first of what was judged, as HTML by their domain's view.
    """

    title: str
    figures: list[Figure]
    summary: list[str] = field(default_factory=list)
    plots: list[Plot] = field(default_factory=list, repr=False)
    tables: list[Table] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    samples: str = field(default="", repr=False)

    def __getitem__(self, name: str) -> Figure:
        return {figure.name: figure for figure in self.figures}[name]

    def to_json(self) -> str:
        """All but the pictures; a number that is not finite becomes null."""
        kept = {k: v for k, v in asdict(self).items() if k not in ("plots", "samples")}
        return json.dumps(_finite(kept), indent=2, ensure_ascii=False)

    def to_html(self) -> str:
        """One page that needs no other file and no network."""
        from conjure.metrics.page import render

        return render(self)

    def write(self, path: str | Path) -> list[Path]:
        """The page at `path` (.html) and the numbers beside it (.json); returns both."""
        page = Path(path)
        if page.suffix.lower() not in (".html", ".htm"):
            raise DataError(f"a report is written as .html (its .json goes beside it), not {page.name}")
        written = []
        for place, text in ((page, self.to_html()), (page.with_suffix(".json"), self.to_json() + "\n")):
            beside = place.with_name(f".{place.name}.new")
            try:
                beside.write_text(text, "utf-8")
                written.append(beside.replace(place))
            finally:
                beside.unlink(missing_ok=True)
        return written

    def _repr_html_(self) -> str:
        return self.to_html()


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(v) for v in value]
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
