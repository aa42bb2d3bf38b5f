"""Windows of series as tensors: a history, with a mask of what is there, and the future under it; or windows alone."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from conjure.core.config import fill, nearest
from conjure.core.errors import ConfigError, DataError
from conjure.core.space import Dense
from conjure.domains.protocol import Encoded
from conjure.domains.series import corpus
from conjure.domains.series.clock import Clock
from conjure.domains.series.series import Series, SeriesSet
from conjure.domains.series.windows import futures, histories, last, starts

NUMBERS = 200_000_000  # in all windows together; beyond it windows start further apart
NAMED = 5  # series too short that are named
QUESTIONS = 2000  # windows a report asks at most


class SeriesCodec:
    """Windows of `horizon` rows as (T, C), each channel less its mean and over its standard deviation in training.

    A window with a missing value is left out: a family without histories sees whole ones only.
    """

    @dataclass(frozen=True)
    class Config:
        """horizon: rows of a window, or of a future. history: rows before it that are given; 0 for windows alone,
        "auto" for eight seasons or four horizons, whichever is more, within a quarter of the longest series.
        stride: rows between windows; 0 for 1, or what keeps all windows within 200 million numbers.
        """

        horizon: int = 24
        history: int | Literal["auto"] = "auto"
        stride: int = 0

        def __post_init__(self) -> None:
            if self.horizon < 1 or self.stride < 0 or (self.history != "auto" and self.history < 0):
                raise ConfigError("codec.horizon is at least 1, codec.history and codec.stride at least 0")

    def __init__(self, config: SeriesCodec.Config, known: dict[str, Any]):
        self.config, self.known = config, known
        self.columns, self.time = tuple(known["columns"]), known["time"]
        self.center, self.scale = np.array(known["center"]), np.array(known["scale"])
        self.history, self.horizon, self.stride = known["history"], config.horizon, known["stride"]
        self.notes: list[str] = []
        self.space = Dense((self.horizon, len(self.columns)))
        self.given_space = Dense((2, self.history, len(self.columns))) if self.history else None

    @staticmethod
    def learn(objects: SeriesSet, config: SeriesCodec.Config) -> SeriesCodec:
        """Scales, history and stride from the training part; DataError for a channel without a value."""
        every = np.concatenate([one.values for one in objects])
        there = np.isfinite(every)
        if not there.any(0).all():
            raise DataError(f"column {objects.columns[int(there.any(0).argmin())]!r} has no value in the training part")
        center, scale = np.nanmean(every, 0), np.nanstd(every, 0)
        history = config.history
        if history == "auto":
            most = max(config.horizon, max(map(len, objects)) // 4)
            history = min(max(8 * objects.period, 4 * config.horizon), most)
        windows = sum(len(starts(one, history, config.horizon, 1)) for one in objects)
        numbers = windows * (2 * history + config.horizon) * len(objects.columns)
        longest = max(objects, key=len)
        known = {
            "columns": list(objects.columns),
            "time": objects.time,
            "center": center.tolist(),
            "scale": np.where(scale > 1e-12, scale, 1.0).tolist(),
            "history": history,
            "stride": config.stride or max(1, -(-numbers // NUMBERS)),
            "period": objects.period,
            "recent": _listed(last(longest.values, history)) if history else [],
            "clock": longest.clock.moved(len(longest)).state() if longest.clock else None,
        }
        codec = (ForecastCodec if history else SeriesCodec)(config, known)
        codec.notes = [*objects.notes, *codec._short(objects)]
        if known["stride"] > 1 and not config.stride:
            codec.notes.append(f"Windows start every {known['stride']} rows, so that they stay within memory.")
        return codec

    def describe(self) -> str:
        """What was learnt, in one line."""
        season = f", a season of {self.known['period']} rows" if self.known["period"] > 1 else ""
        after = f" after {self.history}" if self.history else ""
        return f"windows of {self.horizon} rows{after}, of {len(self.columns)} columns{season}"

    def encode(self, objects: SeriesSet) -> Encoded:
        """Every window in order; DataError where the channels are others or no series is long enough."""
        series, values = self._standard(objects)
        x = futures(series, self._starts, values, self.horizon)
        whole = x.isfinite().flatten(1).all(1)
        if not whole.any():
            raise DataError(
                f"none of the {len(x)} windows of {self.horizon} rows is without a missing value: lower codec.horizon"
            )
        return Encoded(x if whole.all() else x[whole])

    def decode(self, x: Tensor, rng: torch.Generator | None = None, given: dict[str, Any] | None = None) -> SeriesSet:
        """Each x as a series of its own, in the units of the data; after a history, with the times that follow it."""
        clock = self._clock_after(given or {})
        values = self._plain(x)
        series = (Series(str(k), one, clock) for k, one in enumerate(values, 1))
        return SeriesSet(self.columns, tuple(series), self.time)

    def condition(self, given: dict[str, Any], n: int) -> Tensor | None:
        """Nothing: windows alone stand under no condition."""
        if given:
            raise ConfigError(f"this model makes windows without a history, so it takes no --given {next(iter(given))}")
        return None

    def log_density(self, objects: SeriesSet) -> np.ndarray:
        """What turns nats of standardised windows into nats of the data, (windows,): -sum log scale of what counts."""
        x = self.encode(objects)
        there = np.ones(x.x.shape, bool) if x.mask is None else x.mask.numpy()
        return -(there * np.log(self.scale)).sum((1, 2))

    def state(self) -> dict[str, Any]:
        return {"config": asdict(self.config), **self.known}

    @staticmethod
    def from_state(state: dict[str, Any]) -> SeriesCodec:
        known = {key: value for key, value in state.items() if key != "config"}
        config = fill(SeriesCodec.Config, state["config"], "codec")
        return (ForecastCodec if known["history"] else SeriesCodec)(config, known)

    def _starts(self, one: Series) -> range:
        return starts(one, self.history, self.horizon, self.stride)

    def _short(self, objects: SeriesSet) -> list[str]:
        """A note of the series that hold no window."""
        names = [one.name for one in objects if not len(self._starts(one))]
        if not names:
            return []
        shown = ", ".join(names[:NAMED]) + (", ..." if len(names) > NAMED else "")
        return [f"{len(names)} of {len(objects)} series are shorter than {self._least()} and were left out: {shown}"]

    def _least(self) -> str:
        return (f"{self.history} + " if self.history else "") + f"{self.horizon} rows"

    def _standard(self, objects: SeriesSet) -> tuple[list[Series], list[Tensor]]:
        """The series that are long enough, and their standardised values (rows, C)."""
        objects = self._ordered(objects)
        series = [one for one in objects if len(self._starts(one))]
        if not series:
            longest, held = max(objects, key=len), any(one.begin for one in objects)
            end = (
                f"and the part held out is {max(len(one) - one.begin for one in objects)}: lower codec.horizon, "
                "or hold out more"
                if held
                else "lower codec.history or codec.horizon"
            )
            raise DataError(
                f"no series has {self._least()}: the longest, {longest.name}, has {len(longest)} rows, {end}"
            )
        return series, [self._scaled(one.values) for one in series]

    def _ordered(self, objects: SeriesSet) -> SeriesSet:
        """The same series with the channels in the order of training."""
        if objects.columns == self.columns:
            return objects
        missing, more = (
            sorted(set(a) - set(b)) for a, b in ((self.columns, objects.columns), (objects.columns, self.columns))
        )
        if missing or more:
            told = [f"{word} {', '.join(names)}" for word, names in (("lacks", missing), ("has also", more)) if names]
            raise DataError(f"this data {' and '.join(told)}; the model knows the columns {', '.join(self.columns)}")
        order = [objects.columns.index(name) for name in self.columns]
        series = (Series(s.name, s.values[:, order], s.clock, s.begin, s.row) for s in objects)
        return SeriesSet(self.columns, tuple(series), objects.time, objects.notes)

    def _scaled(self, values: np.ndarray) -> Tensor:
        return torch.from_numpy(((values - self.center) / self.scale).astype(np.float32))

    def _plain(self, x: Tensor) -> np.ndarray:
        return x.detach().cpu().double().numpy() * self.scale + self.center

    def _clock_after(self, given: dict[str, Any]) -> Clock | None:
        return None


class ForecastCodec(SeriesCodec):
    """Futures (T, C) under histories (2, L, C): values with 0 where missing, and 1 where there is one.

    What is missing in a future does not count (`mask`); what a history lacks before its start is missing in it.
    """

    FILES = ("history",)  # words of a condition that name files
    levels = tuple(k / 20 for k in range(1, 20))  # quantiles that a forecast holds

    def encode(self, objects: SeriesSet) -> Encoded:
        series, values = self._standard(objects)
        x = futures(series, self._starts, values, self.horizon)
        given = histories(series, self._starts, values, self.history)
        there = x.isfinite()
        return Encoded(x, given=given) if there.all() else Encoded(x.nan_to_num(), there, given)

    def condition(self, given: dict[str, Any], n: int) -> Tensor | None:
        """The last rows of {"history": file, DataFrame or SeriesSet}, (1, 2, L, C); without it those of training."""
        if unknown := [key for key in given if key != "history"]:
            raise ConfigError(f"series take no --given {unknown[0]!r}: {nearest(unknown[0], ['history'])}")
        if not given:
            recent = np.array(self.known["recent"], float)  # None becomes NaN
            return self._given([recent])
        return self.evidence(self._history(given))

    def questions(self, objects: SeriesSet) -> SeriesSet:
        """The histories of the windows, without their futures; of more than 2,000 windows that many, evenly spread."""
        objects = self._ordered(objects)
        places = [(one, at) for one in objects for at in self._starts(one)]
        chosen = np.linspace(0, len(places) - 1, min(len(places), QUESTIONS)).round().astype(int)
        return objects.having(one.part(at - self.history, at) for one, at in (places[k] for k in chosen))

    def evidence(self, objects: SeriesSet, given: dict[str, Any] | None = None) -> Tensor:
        """The last rows of every series, (N, 2, L, C)."""
        if given:
            raise ConfigError(f"completing series takes no --given {next(iter(given))!r}: their rows are what is given")
        return self._given([last(one.values, self.history) for one in self._ordered(objects)])

    def complete(self, objects: SeriesSet, x: Tensor, rng: torch.Generator | None = None) -> SeriesSet:
        """The series with forecasts, from quantiles x (N, levels, T, C) or one future each, (N, T, C)."""
        values = self._plain(x)
        values = values[:, None] if values.ndim == 3 else values
        series = (
            Series(s.name, s.values, s.clock, s.begin, s.row, forecast)
            for s, forecast in zip(self._ordered(objects), values)
        )
        return SeriesSet(self.columns, tuple(series), objects.time, objects.notes, self.levels)

    def _given(self, values: list[np.ndarray]) -> Tensor:
        rows = torch.stack([self._scaled(v) for v in values])
        return torch.stack([rows.nan_to_num(), rows.isfinite().to(rows)], 1)

    def _history(self, given: dict[str, Any]) -> SeriesSet:
        found = corpus.read_questions(given["history"])
        if len(found) > 1:
            raise ConfigError(f"the history holds {len(found)} series; futures are drawn after one")
        return found

    def _clock_after(self, given: dict[str, Any]) -> Clock | None:
        if given:
            one = self._history(given)[0]
            return one.clock.moved(len(one)) if one.clock else None
        return Clock.from_state(self.known["clock"]) if self.known["clock"] else None


def _listed(values: np.ndarray) -> list[list[float | None]]:
    return [[None if np.isnan(v) else float(v) for v in row] for row in values]
