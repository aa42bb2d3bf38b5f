"""CSV and Parquet files to frames, in one piece or in pieces; what is wrong with a file is said by line and column."""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from conjure.core.errors import DataError
from conjure.domains.table import cells

if TYPE_CHECKING:
    import pandas as pd

DELIMITERS = ",;\t|"
ABSENT = {"", "NA", "N/A", "NaN", "nan", "null", "NULL", "#N/A", "<NA>", "-nan", "n/a"}
MARKS = {"?", "-", "--", ".", "None", "none", "*"}  # missing too where the other cells are numbers
BLOCK = 16 << 20  # bytes of a CSV file parsed at a time
ROWS = 65_536  # rows of a Parquet file in a piece


@dataclass(frozen=True)
class LargeTable:
    """A file that stays on disk: pieces in order, and an even sample."""

    path: Path
    rows: int

    def chunks(self) -> Iterator[pd.DataFrame]:
        """All rows in order, some thousands at a time; the index counts rows over the whole file."""
        for piece in self._numbered():
            yield _typed(piece) if self._text else piece

    def sample(self, n: int, seed: int) -> pd.DataFrame:
        """At most n rows drawn without replacement over the whole file, in the order of the file."""
        import pandas as pd

        wanted = np.sort(np.random.default_rng(seed).permutation(self.rows)[:n])
        parts = []
        for piece in self._numbered():
            low, high = np.searchsorted(wanted, [piece.index[0], piece.index[-1] + 1])
            parts.append(piece.iloc[wanted[low:high] - piece.index[0]])
        # Types are told from the sample as a whole: a piece of a column of codes may happen to hold digits alone.
        return _typed(pd.concat(parts)) if self._text else pd.concat(parts)

    @property
    def _text(self) -> bool:
        return self.path.suffix.lower() != ".parquet"

    def _numbered(self) -> Iterator[pd.DataFrame]:
        """Pieces as they are stored, of a CSV file as text."""
        start = 0
        for piece in _pieces(self.path):
            piece.index = range(start, start + len(piece))
            start += len(piece)
            yield piece


def rows_of(path: Path) -> int:
    """How many rows a Parquet file has; of a CSV file they are counted by parsing it once."""
    if path.suffix.lower() == ".parquet":
        return _parquet(path).metadata.num_rows
    return sum(len(piece) for piece in _csv_batches(path))


def table(path: Path) -> pd.DataFrame:
    """A whole file as a frame."""
    import pandas as pd

    pieces = list(_pieces(path)) if path.suffix.lower() == ".parquet" else [_typed(_csv_whole(path))]
    return pd.concat(pieces, ignore_index=True) if len(pieces) > 1 else pieces[0]


def columns_of(path: Path) -> int:
    """How many columns a file has."""
    return len(_parquet(path).schema_arrow.names) if path.suffix.lower() == ".parquet" else len(_header(path)[0])


def names_checked(names: list[str], where: str) -> list[str]:
    """Column names with blanks stripped; DataError for a name that stands twice."""
    names = [n.strip() or f"column {k}" for k, n in enumerate(names, 1)]
    twice = sorted({n for n in names if names.count(n) > 1})
    if twice:
        places = [str(k) for k, n in enumerate(names, 1) if n == twice[0]]
        raise DataError(
            f"{where} has {len(places)} columns called {twice[0]!r} (columns {', '.join(places)}): "
            "the first line must give each column a name of its own"
        )
    return names


def _pieces(path: Path) -> Iterator[pd.DataFrame]:
    if path.suffix.lower() == ".parquet":
        file = _parquet(path)
        names = names_checked(file.schema_arrow.names, str(path))
        for batch in file.iter_batches(batch_size=ROWS):
            yield batch.to_pandas().set_axis(names, axis=1)
    else:
        yield from _csv_batches(path)


def _parquet(path: Path) -> Any:
    from pyarrow import ArrowInvalid, parquet

    try:
        return parquet.ParquetFile(path)
    except ArrowInvalid as error:
        raise DataError(f"{path} is not a Parquet file that can be read: {str(error).splitlines()[0]}") from None


def _header(path: Path) -> tuple[list[str], str]:
    """(column names, delimiter) from the first line."""
    with path.open(encoding="utf-8-sig", newline="", errors="replace") as file:
        line = file.readline()
    if not line.strip():
        raise DataError(f"{path} is empty: a table needs a line of column names and rows below it")
    bare = "".join(part for k, part in enumerate(line.split('"')) if k % 2 == 0)
    delimiter = max(DELIMITERS, key=bare.count)
    return names_checked(next(csv.reader([line], delimiter=delimiter)), str(path)), delimiter


def _check_encoding(path: Path) -> None:
    """DataError with the line and byte of the first place that is not UTF-8."""
    with path.open("rb") as file:
        head = file.read(4)
        if head[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            raise DataError(f"{path} is encoded in UTF-16 (byte 1 says so); save it as UTF-8")
        file.seek(0)
        decoder, lines, done = codecs.getincrementaldecoder("utf-8")(), 1, 0
        while block := file.read(BLOCK):
            held = len(decoder.getstate()[0])
            try:
                decoder.decode(block)
            except UnicodeDecodeError as error:
                line = lines + error.object[: error.start].count(b"\n")
                byte = done - held + error.start + 1
                raise DataError(
                    f"{path} is not UTF-8: line {line}, byte {byte} is 0x{error.object[error.start]:02x} "
                    "(it may be Latin-1 or Windows-1252); save it as UTF-8"
                ) from None
            lines, done = lines + block.count(b"\n"), done + len(block)


def _csv_options(path: Path) -> dict[str, Any]:
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    _check_encoding(path)
    names, delimiter = _header(path)
    return {
        "read_options": arrow_csv.ReadOptions(column_names=names, skip_rows=1, block_size=BLOCK, use_threads=False),
        "parse_options": arrow_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        "convert_options": arrow_csv.ConvertOptions(
            column_types={n: pa.string() for n in names}, strings_can_be_null=False
        ),
    }


def _csv_whole(path: Path) -> pd.DataFrame:
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    options = _csv_options(path)
    try:
        found = arrow_csv.read_csv(path, **options)
    except pa.ArrowInvalid as error:
        raise _complaint(path, options, error) from None
    if not found.num_rows:
        raise DataError(f"{path} holds column names but no rows")
    return found.to_pandas()


def _csv_batches(path: Path) -> Iterator[pd.DataFrame]:
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    options = _csv_options(path)
    try:
        with arrow_csv.open_csv(path, **options) as reader:
            for batch in reader:
                yield batch.to_pandas()
    except pa.ArrowInvalid as error:
        raise _complaint(path, options, error) from None


def _complaint(path: Path, options: dict[str, Any], error: Exception) -> DataError:
    """What the parser did not like, with the line of the first ragged row."""
    names, delimiter = options["read_options"].column_names, options["parse_options"].delimiter
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, delimiter=delimiter)
        before = 0
        try:
            for fields in reader:
                if fields and len(fields) != len(names):
                    return DataError(
                        f"{path}, line {before + 1}: expected {len(names)} fields as in the first line, "
                        f"found {len(fields)}"
                    )
                before = reader.line_num
        except csv.Error as bad:
            return DataError(f"{path}, line {reader.line_num}: {bad}")
    return DataError(f"{path} cannot be read as CSV: {str(error).splitlines()[0]}")


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    """Columns of text as numbers where they are numbers, with missing cells."""
    import pandas as pd

    return pd.DataFrame({name: _typed_column(frame[name]) for name in frame.columns}, index=frame.index)


def _typed_column(series: pd.Series) -> pd.Series:
    import pandas as pd

    words = series.str.strip()
    absent = words.isin(ABSENT)
    words = words.mask(absent)
    numbers = pd.to_numeric(words, errors="coerce")
    held = ~absent.to_numpy()
    found = numbers.notna().to_numpy()
    if not held.any() or not found.any():
        return words
    odd = held & ~found
    if odd.any():
        if found.sum() <= cells.MIXED * held.sum() or not words[odd].isin(MARKS).all():
            return words
        held = found
    # Numbers with a leading zero (post codes) are names: as numbers they would lose it.
    sample = words[held]
    if sample.str.match(r"[-+]?0\d").any():
        return words
    return numbers if held.all() and sample.str.fullmatch(r"[-+]?\d+").all() else numbers.astype(np.float64)
