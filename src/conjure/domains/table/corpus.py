"""Reading, splitting and writing tables; rows in memory are a DataFrame, larger files stay on disk."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conjure.core.config import nearest
from conjure.core.errors import ConfigError, DataError
from conjure.domains.protocol import Source
from conjure.domains.table import reading
from conjure.domains.table.reading import LargeTable
from conjure.domains.table.schema import load

if TYPE_CHECKING:
    import pandas as pd

EMBEDDED = {
    "breast-cancer": "569 biopsies, 30 measurements of cell nuclei and the diagnosis (UCI, CC BY 4.0)",
    "wine": "178 wines, 13 chemical measurements and the cultivar (UCI, CC BY 4.0)",
    "diabetes": "442 patients, 10 measurements and the disease's progress (Efron et al. 2004, public research data)",
}
SUFFIXES = (".csv", ".tsv", ".txt", ".parquet")
CELLS = 20_000_000  # a Parquet file with more cells stays on disk
BYTES = 300 << 20  # so does a larger CSV file


def told(data: Any, settings: dict[str, Any]) -> dict[str, Any]:
    """What a recipe for one table changes for this data: several tables, and events of entities, are linked."""
    if not (isinstance(data, dict) or settings.get("entity") or _folder(data)):
        return {}
    return {
        "domain": "linked",
        "codec": {**settings, **({"schema": s} if (s := load(settings.get("schema"), several=True)) else {})},
    }


def _folder(data: Any) -> bool:
    return isinstance(data, (str, Path)) and str(data) not in EMBEDDED and Path(data).is_dir()


def read(data: Any, cells: int = CELLS, size: int = BYTES) -> tuple[pd.DataFrame | LargeTable, Source]:
    """A table and where it came from.

    data: a DataFrame, the path of a CSV or Parquet file, or a name in `EMBEDDED`. A file of more than
    `cells` cells (Parquet) or `size` bytes (CSV) comes back as a LargeTable. DataError says in one sentence
    what is wrong with a file and where.
    """
    import pandas as pd

    if isinstance(data, pd.DataFrame):
        return _given(data), Source("a DataFrame", "", _digest(data), "unknown", len(data))
    name = str(data)
    if name in EMBEDDED:
        frame, licence = _embedded(name)
        return frame, Source(name, "", _digest(frame), licence, len(frame))
    path = Path(name)
    if not path.is_file():
        known = [*EMBEDDED]
        reason = "is a folder, not a table" if path.is_dir() else "does not exist, nor is it an embedded table"
        raise DataError(f"{name} {reason} ({nearest(name, known)})")
    if path.suffix.lower() not in SUFFIXES:
        raise DataError(f"{path} is not a table: it should end in {', '.join(SUFFIXES)}")
    if not path.stat().st_size:
        raise DataError(f"{path} is empty: a table needs a line of column names and rows below it")
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    found = _from_file(path, cells, size)
    rows = found.rows if isinstance(found, LargeTable) else len(found)
    if not rows:
        raise DataError(f"{path} holds column names but no rows")
    return found, Source(path.stem, str(path), sha256, "unknown", rows)


def split(frame: pd.DataFrame, fraction: float, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(training rows, held-out rows), shuffled by the seed; the index keeps each row's number."""
    import numpy as np

    if len(frame) < 2:
        raise DataError(f"the table has {len(frame)} row: at least 2 are needed, one to learn from and one to hold out")
    held = min(max(1, round(fraction * len(frame))), len(frame) - 1)
    order = np.random.default_rng(seed).permutation(len(frame))
    return frame.iloc[order[held:]], frame.iloc[order[:held]]


def cut(frame: pd.DataFrame, start: int, stop: int) -> pd.DataFrame:
    """Some of the rows, in order."""
    return frame.iloc[start:stop]


def join(parts: list[pd.DataFrame]) -> pd.DataFrame:
    """Rows cut apart, in one table again."""
    import pandas as pd

    return pd.concat(parts)


def write(frame: pd.DataFrame, path: str | Path) -> Path:
    """Rows to a .csv, .tsv, .parquet or .json (one object a line) file, beside it first, then renamed."""
    path = Path(path)
    writers = {
        ".csv": lambda at: _whole(frame).to_csv(at, index=False, lineterminator="\n"),
        ".tsv": lambda at: _whole(frame).to_csv(at, index=False, sep="\t", lineterminator="\n"),
        ".parquet": lambda at: frame.to_parquet(at, index=False),
        ".json": lambda at: frame.to_json(at, orient="records", lines=True, date_format="iso", force_ascii=False),
        ".jsonl": lambda at: frame.to_json(at, orient="records", lines=True, date_format="iso", force_ascii=False),
    }
    if path.suffix.lower() not in writers:
        raise ConfigError(f"cannot write a table to {path}: its name should end in {', '.join(writers)}")
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        writers[path.suffix.lower()](beside)
        beside.replace(path)
    except OSError as error:
        raise DataError(f"cannot write {path}: {error.strerror or error}") from None
    finally:
        beside.unlink(missing_ok=True)
    return path


def _from_file(path: Path, cells: int, size: int) -> pd.DataFrame | LargeTable:
    if path.suffix.lower() == ".parquet":
        rows = reading.rows_of(path)
        large = rows * reading.columns_of(path) > cells
    else:
        large = path.stat().st_size > size
        rows = reading.rows_of(path) if large else 0
    return LargeTable(path, rows) if large else reading.table(path)


def _given(frame: pd.DataFrame) -> pd.DataFrame:
    """Somebody's frame with text names and rows numbered from 0."""
    names = reading.names_checked([str(n) for n in frame.columns], "the DataFrame")
    if not names:
        raise DataError("the DataFrame has no columns")
    if not len(frame):
        raise DataError("the DataFrame has column names but no rows")
    return frame.set_axis(names, axis=1).reset_index(drop=True)


def _digest(frame: pd.DataFrame) -> str:
    import pandas as pd

    digest = hashlib.sha256(repr([(str(n), str(t)) for n, t in frame.dtypes.items()]).encode())
    for name in range(frame.shape[1]):
        column = frame.iloc[:, name]
        plain = column.map(repr) if column.dtype == object else column
        digest.update(pd.util.hash_pandas_object(plain, index=False).to_numpy().tobytes())
    return digest.hexdigest()


def _whole(frame: pd.DataFrame) -> pd.DataFrame:
    """Whole numbers without a decimal point beside missing cells, as a CSV file held them."""
    floats = [c for c in frame.columns if frame[c].dtype == float and frame[c].isna().any()]
    whole = [c for c in floats if (frame[c].dropna() % 1 == 0).all()]
    return frame.astype(dict.fromkeys(whole, "Int64"))


def _embedded(name: str) -> tuple[pd.DataFrame, str]:
    """A table that ships inside scikit-learn, its columns in plain words, and its licence."""
    try:
        from sklearn import datasets
    except ImportError:
        raise DataError(f"the embedded table {name!r} comes with scikit-learn: pip install 'conjure[report]'") from None
    if name == "diabetes":
        bunch = datasets.load_diabetes(as_frame=True, scaled=False)
        words = ["age", "sex", "body mass index", "blood pressure", "total cholesterol", "LDL", "HDL"]
        words += ["cholesterol ratio", "log triglycerides", "blood sugar", "disease progress"]
        frame = bunch.frame.set_axis(words, axis=1)
        return frame.astype({"sex": int, "age": int}), "public research data (Efron et al. 2004), BSD-3-Clause copy"
    if name == "wine":
        bunch, target = datasets.load_wine(as_frame=True), "cultivar"
    else:
        bunch, target = datasets.load_breast_cancer(as_frame=True), "diagnosis"
    frame = bunch.frame.rename(columns=lambda c: c.replace("_", " "))
    labels = frame.pop("target").map(dict(enumerate(map(str, bunch.target_names)))).astype("str")
    return frame.assign(**{target: labels}), "CC BY 4.0 (UCI Machine Learning Repository)"
