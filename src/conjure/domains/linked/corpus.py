"""Reading, splitting and writing several tables: a folder of files or a dict of DataFrames; or one table of events."""

from __future__ import annotations

import hashlib
import os
import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from conjure.core.errors import ConfigError, DataError
from conjure.domains.linked.database import LinkedTables, apart, checked_frames, together
from conjure.domains.linked.tying import tie
from conjure.domains.protocol import Source
from conjure.domains.table import corpus as tables
from conjure.domains.table.schema import load

if TYPE_CHECKING:
    import pandas as pd

EMBEDDED: dict[str, str] = {}
PARTED = False  # rows of a sample hang together by their keys: it is not cut
FILES = (".csv", ".tsv", ".parquet")
ALL = 1 << 60


@dataclass(frozen=True)
class Plain:
    """Nothing declared."""

    schema: None = None
    entity: str = ""
    time: str = ""


def read(data: Any) -> tuple[LinkedTables, Source]:
    """Tables whose keys can all be found by name and values."""
    return read_as(data, Plain())


def read_as(data: Any, settings: Any) -> tuple[LinkedTables, Source]:
    """Tables and where they came from; `settings` are the codec's: a schema, or entity and time of one table."""
    if isinstance(data, LinkedTables):
        return data, Source("tables", rows=len(data))
    declared = load(settings.schema, several=not settings.entity)
    if settings.entity:
        if isinstance(data, dict) or (isinstance(data, (str, Path)) and Path(data).is_dir()):
            raise ConfigError("codec.entity is for one table of events; declare the keys of several in a schema")
        frame, source = tables.read(data, cells=ALL, size=ALL)
        return apart(frame, "events", settings.entity, settings.time), source
    frames, source = _read(data)
    if "tables" not in declared and declared:
        raise ConfigError(f"the schema of several tables is by table, [tables.NAME]; it has {', '.join(declared)}")
    ties = tie(frames, declared.get("tables", {}))
    return LinkedTables(frames, ties).checked(), source


def split(database: LinkedTables, fraction: float, seed: int) -> tuple[LinkedTables, LinkedTables]:
    """(training part, held-out part): rows of the root shuffled by the seed, each with all that hangs below it.

    Tables of other roots (a catalogue that orders refer to) stand whole in both.
    """
    n = len(database)
    if n < 2:
        raise DataError(f"the root table {database.ties.root!r} has {n} row: at least 2 are needed")
    held = np.zeros(n, bool)
    held[np.random.default_rng(seed).permutation(n)[: min(max(1, round(fraction * n)), n - 1)]] = True
    return database.kept(lambda rows: ~held[rows]), database.kept(lambda rows: held[rows])


def write(made: dict[str, pd.DataFrame] | pd.DataFrame, path: str | Path) -> Path:
    """A folder with a CSV file a table, or one .zip of these; a table of events as a table's file.

    Written beside, then renamed; ConfigError for a folder that is there and not empty.
    """
    path = Path(path)
    if not isinstance(made, dict):
        return tables.write(made, path)
    if path.suffix.lower() not in ("", ".zip"):
        raise ConfigError(f"several tables are written to a folder or a .zip file, not to {path.name}")
    if (path.is_dir() and any(path.iterdir())) or path.is_file():
        raise ConfigError(f"{path} is already there: name a new folder")
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        for name, frame in made.items():
            tables.write(frame, beside / f"{name}.csv")
        if path.suffix.lower() == ".zip":
            packed = beside / path.name
            with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
                for name in made:
                    archive.write(beside / f"{name}.csv", f"{name}.csv")
            packed.replace(path)
        else:
            if path.is_dir():
                path.rmdir()
            beside.replace(path)
    except OSError as error:
        raise DataError(f"cannot write {path}: {error.strerror or error}") from None
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return path


def as_objects(database: LinkedTables) -> dict[str, pd.DataFrame] | pd.DataFrame:
    """What a person holds: a DataFrame a table by name, or the one table of events."""
    return together(database) if database.flat else dict(database.frames)


def _read(data: Any) -> tuple[dict[str, pd.DataFrame], Source]:
    if isinstance(data, dict):
        read = {str(n): tables.read(f) for n, f in checked_frames(data).items()}
        frames = {n: f for n, (f, _) in read.items()}
        return frames, Source("a dict of DataFrames", "", _digest(read), "unknown", sum(map(len, frames.values())))
    if not isinstance(data, (str, Path)) or not Path(data).is_dir():
        what = data if isinstance(data, (str, Path)) else f"a {type(data).__name__}"
        raise DataError(f"{what} is no folder of tables: linked tables are CSV or Parquet files in one folder")
    folder = Path(data)
    files = sorted(f for f in folder.iterdir() if f.suffix.lower() in FILES and not f.name.startswith("."))
    if not files:
        raise DataError(f"{folder} holds no table: its files should end in {', '.join(FILES)}")
    twice = [f.name for f in files if sum(g.stem == f.stem for g in files) > 1]
    if twice:
        raise DataError(f"{folder} holds table {Path(twice[0]).stem!r} more than once: {', '.join(twice)}")
    read = {f.stem: tables.read(f, cells=ALL, size=ALL) for f in files}
    frames = {n: f for n, (f, _) in read.items()}
    checked_frames(frames)
    return frames, Source(folder.name, str(folder), _digest(read), "unknown", sum(map(len, frames.values())))


def _digest(read: dict[str, tuple[pd.DataFrame, Source]]) -> str:
    text = "\n".join(f"{name} {source.sha256}" for name, (_, source) in read.items())
    return hashlib.sha256(text.encode()).hexdigest()
