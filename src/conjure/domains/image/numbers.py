"""Numbers that come with pictures (an angle, an age): read from a table beside them, standardised as conditions."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from conjure.core.config import nearest
from conjure.core.errors import ConfigError, DataError
from conjure.domains.classes import GOLDEN
from conjure.domains.image.pictures import Images

TABLE, FILE = "metadata.csv", "file_name"  # as Hugging Face's folders of images name them
KNOTS = 65  # quantiles kept of each number


@dataclass(frozen=True)
class Scale:
    """One number over the training pictures: mean, standard deviation, and quantiles from least to greatest."""

    mean: float
    deviation: float
    quantiles: tuple[float, ...]

    def standard(self, values: np.ndarray) -> np.ndarray:
        return (values - self.mean) / self.deviation


def read_table(folder: Path, files: Sequence[Path]) -> tuple[dict[str, np.ndarray], list[str]]:
    """Numbers of each file from the folder's metadata.csv, by column, and notes on columns left out.

    Empty where there is no such file. DataError names a picture without a row, or a cell that is no number in a
    column of numbers.
    """
    table = folder / TABLE
    if not table.is_file():
        return {}, []
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{table} cannot be read as CSV in UTF-8: {error}") from None
    if not rows or FILE not in rows[0]:
        raise DataError(f"{table} has no column {FILE!r}: it should name each picture, relative to {folder}")
    at = {Path(row[FILE] or "").as_posix(): (line, row) for line, row in enumerate(rows, 2)}
    names = [file.relative_to(folder).as_posix() for file in files]
    if absent := [name for name in names if name not in at]:
        raise DataError(f"{table} has no row for {absent[0]}; every picture needs one, or remove the table")
    numbers, notes = {}, []
    for column in (c for c in rows[0] if c and c != FILE):
        cells = [(at[name][0], (at[name][1][column] or "").strip()) for name in names]
        bad = [(line, cell) for line, cell in cells if not _number(cell)]
        if len(bad) > len(cells) / 2:
            notes.append(f"column {column!r} of {TABLE} holds no numbers and is left out")
            continue
        if bad:
            raise DataError(f"{table}, line {bad[0][0]}, column {column!r} holds {bad[0][1]!r}; a number is needed")
        numbers[column] = np.array([float(cell) for _, cell in cells])
    return numbers, notes


def write_table(folder: Path, files: Sequence[Path], numbers: dict[str, np.ndarray]) -> None:
    """The inverse of `read_table`."""
    with (folder / TABLE).open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow([FILE, *numbers])
        rows.writerows(
            [path.relative_to(folder).as_posix(), *(f"{values[row]:.9g}" for values in numbers.values())]
            for row, path in enumerate(files)
        )


def learn(numbers: dict[str, np.ndarray]) -> tuple[dict[str, Scale], list[str]]:
    """The scale of each number that varies, and notes on those that do not."""
    scales, notes = {}, []
    for name, values in numbers.items():
        if np.ptp(values) == 0:
            notes.append(f"{name!r} is {values[0]:g} for every picture and is left out")
            continue
        quantiles = np.quantile(values, np.linspace(0, 1, KNOTS))
        scales[name] = Scale(float(values.mean()), float(values.std()), tuple(quantiles.tolist()))
    return scales, notes


def codes(objects: Images, scales: dict[str, Scale]) -> Tensor | None:
    """Standardised numbers of each picture, float32 (N, K); DataError where the pictures lack one."""
    if not scales:
        return None
    if absent := [name for name in scales if name not in objects.numbers]:
        raise DataError(
            f"these images come without the number {absent[0]!r}, which the model was fitted with; "
            f"put it into {TABLE} beside them"
        )
    columns = [scale.standard(objects.numbers[name]) for name, scale in scales.items()]
    return torch.from_numpy(np.stack(columns, 1)).float()


def wanted(given: dict[str, Any], scales: dict[str, Scale], n: int) -> dict[str, np.ndarray]:
    """The number each of n samples shall have, (N,) by name, in the data's own units.

    Asked for as one number, one a sample, or "low..high" for numbers spread over that range; a number not asked for
    is spread over its training values, the same way each time. ConfigError outside the range of training.
    """
    found = {}
    for k, (name, scale) in enumerate(scales.items(), 2):
        places = ((np.arange(n) + 0.5) * GOLDEN * k) % 1.0
        knots = np.linspace(0, 1, len(scale.quantiles))
        if name in given:
            found[name] = _asked(name, given[name], places, (scale.quantiles[0], scale.quantiles[-1]))
        else:
            found[name] = np.interp(places, knots, scale.quantiles)
    return found


def standardised(values: dict[str, np.ndarray], scales: dict[str, Scale]) -> Tensor:
    """Numbers as `wanted` gives them as a model reads them, float32 (N, K)."""
    return torch.from_numpy(np.stack([s.standard(values[name]) for name, s in scales.items()], 1)).float()


def check_words(given: dict[str, Any], known: list[str]) -> None:
    """ConfigError for a word that the pictures were not fitted with."""
    if unknown := [key for key in given if key not in known]:
        if not known:
            raise ConfigError(
                f"this model was fitted without class labels or numbers, so --given {unknown[0]}= cannot be honoured"
            )
        raise ConfigError(f"these images take no --given {unknown[0]!r}: {nearest(unknown[0], known)}")


def _asked(name: str, word: Any, places: np.ndarray, ends: tuple[float, float]) -> np.ndarray:
    n = len(places)
    if isinstance(word, str) and ".." in word:
        low, _, high = word.partition("..")
        if not ((_number(low) or not low.strip()) and (_number(high) or not high.strip())):
            raise ConfigError(f"{name}={word!r} is not a range of numbers, such as {ends[0]:g}..{ends[1]:g}")
        a, b = float(low) if low.strip() else ends[0], float(high) if high.strip() else ends[1]
        values = a + places * (b - a)
    elif isinstance(word, (str, int, float, np.number)):
        if not _number(str(word)):
            raise ConfigError(f"{name}={word!r} is not a number")
        values = np.full(n, float(word))
    else:
        values = np.asarray(word, float)
        if values.shape != (n,):
            raise ConfigError(f"given has {values.size} values of {name!r} for {n} samples; give one, or one each")
    outside = values[(values < ends[0]) | (values > ends[1]) | np.isnan(values)]
    if len(outside):
        raise ConfigError(
            f"{name}={outside[0]:g} is outside {ends[0]:g}..{ends[1]:g}, all that the model has seen of it"
        )
    return values


def _number(cell: str) -> bool:
    try:
        return math.isfinite(float(cell))
    except ValueError:
        return False
