"""Reading, splitting and writing pairs of texts: a list of `Pair`."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import os
import random
import zlib
from pathlib import Path
from typing import Any

from conjure.core.errors import DataError
from conjure.domains.pairs.pair import Pair
from conjure.domains.pairs.phrases import phrases
from conjure.domains.protocol import Source

EMBEDDED = {"phrases": "2,400 German sentences of a small grammar with their English, words in another order (CC0)"}
LARGEST = 1 << 30  # bytes held in memory as text
NAMES = ("source", "target")
TABLES = {".tsv": "\t", ".csv": ","}
FORMS = "a .tsv, .csv or .jsonl of two columns, two files of lines as SOURCE:TARGET, or a folder of two such files"


def read(data: Any) -> tuple[list[Pair], Source]:
    """Pairs and where they came from.

    data: a .tsv or .csv of two columns, the first row left out where it says source and target; a .jsonl with
    those fields; two parallel files of lines, "train.de:train.en" or a folder with no others (the first in
    the alphabet is the source, unless they are named source and target); an embedded name; a list of pairs of
    strings. Files may end in .gz. DataError names the file and line that cannot be read, and both counts
    where two files differ in lines.
    """
    if isinstance(data, str) and data in EMBEDDED:
        pairs = phrases()
        return pairs, Source(data, "", _digest(pairs), "CC0-1.0", len(pairs))
    if isinstance(data, (str, Path)):
        return _from_path(str(data))
    pairs = []
    for row, pair in enumerate(data, 1):
        if isinstance(pair, str) or len(pair) != 2 or not all(isinstance(side, str) for side in pair):
            raise DataError(f"pair {row} is not two strings, a source and a target")
        pairs.append(Pair(*pair))
    return _checked(pairs, "pairs in memory", "")


def read_questions(data: Any) -> list[Pair]:
    """Sources alone: a file of lines (.txt, .gz, any other ending), a list of strings, or whatever `read` reads."""
    if isinstance(data, (str, Path)):
        path = Path(data)
        if not path.is_file() or _kind(path) in (*TABLES, ".jsonl"):
            return [Pair(pair.source, None) for pair in read(data)[0]]
        return [Pair(line, None) for line in _lines(path)]
    return [Pair(text, None) if isinstance(text, str) else Pair(text[0], None) for text in data]


def split(pairs: list[Pair], fraction: float, seed: int) -> tuple[list[Pair], list[Pair]]:
    """(training, held-out), drawn by the seed; pairs of one source stay together."""
    sources = sorted({pair.source or "" for pair in pairs})
    if len(sources) < 2:
        raise DataError(f"{len(pairs)} pairs of {len(sources)} sources are too few to hold some of them out")
    random.Random(seed).shuffle(sources)
    apart = set(sources[: min(len(sources) - 1, max(1, round(fraction * len(sources))))])
    parts = [[p for p in pairs if ((p.source or "") in apart) is side] for side in (False, True)]
    return parts[0], parts[1]


def write(pairs: list[Pair], path: Path) -> Path:
    """Pairs to .tsv, .csv or .jsonl, both sides; to .txt, a line a target."""
    path = Path(path)
    sides = [(pair.source or "", pair.target or "") for pair in pairs]
    out = io.StringIO()
    if path.suffix in TABLES:
        csv.writer(out, delimiter=TABLES[path.suffix], lineterminator="\n").writerows([NAMES, *sides])
    elif path.suffix == ".jsonl":
        out.writelines(json.dumps(dict(zip(NAMES, pair)), ensure_ascii=False) + "\n" for pair in sides)
    elif path.suffix == ".txt":
        out.writelines(target + "\n" for _, target in sides)
    else:
        raise DataError(f"pairs are written as .tsv, .csv, .jsonl or .txt (targets alone), not {path.name}")
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_text(out.getvalue(), "utf-8")
    return beside.replace(path)


def cut(pairs: list[Pair], start: int, stop: int) -> list[Pair]:
    """Some of the pairs, in order."""
    return pairs[start:stop]


def join(parts: list[list[Pair]]) -> list[Pair]:
    """The inverse of cutting."""
    return [pair for part in parts for pair in part]


def _from_path(data: str) -> tuple[list[Pair], Source]:
    path = Path(data)
    if path.is_dir():
        return _parallel(_two_of(path), path.name, data)
    if path.is_file():
        kind = _kind(path)
        if kind in TABLES:
            return _checked(_table(path, TABLES[kind]), path.name, data)
        if kind == ".jsonl":
            return _checked(_records(path), path.name, data)
        raise DataError(f"{path} is no file of pairs: they are read from {FORMS}")
    parts = [Path(part) for part in data.split(":")]
    if len(parts) == 2:
        if missing := [part for part in parts if not part.is_file()]:
            raise DataError(f"there is no file {missing[0]}")
        return _parallel(parts, f"{parts[0].name} and {parts[1].name}", data)
    raise DataError(f"there is no file, folder or embedded set {data!r} (embedded: {', '.join(EMBEDDED)})")


def _two_of(folder: Path) -> list[Path]:
    """The source's and the target's file of a folder."""
    files = sorted(f for f in folder.iterdir() if f.is_file() and not f.name.startswith("."))
    if len(files) != 2:
        raise DataError(f"{folder} holds {len(files)} files; two of as many lines are needed, source and target")
    return files


def _parallel(files: list[Path], name: str, path: str) -> tuple[list[Pair], Source]:
    sides = [_lines(file) for file in files]
    if len(sides[0]) != len(sides[1]):
        counts = " and ".join(f"{file} has {len(side)} lines" for file, side in zip(files, sides))
        raise DataError(f"{counts}: line by line one should be the other's translation")
    return _checked([Pair(*pair) for pair in zip(*sides)], name, path)


def _table(file: Path, delimiter: str) -> list[Pair]:
    quoting = csv.QUOTE_MINIMAL if delimiter == "," else csv.QUOTE_NONE
    text = _text(file)
    if delimiter == "\t" and '"' in text:  # quoted by `write`, or by hand; a lone mark is a mark
        quoting = csv.QUOTE_MINIMAL if text.startswith("\t".join(NAMES) + "\n") else csv.QUOTE_NONE
    pairs = []
    for number, row in enumerate(csv.reader(io.StringIO(text), delimiter=delimiter, quoting=quoting), 1):
        if number == 1 and tuple(cell.strip().lower() for cell in row) == NAMES:
            continue
        if row and len(row) != 2:
            raise DataError(f"{file}, line {number}, has {len(row)} columns; two are needed, source and target")
        if row:
            pairs.append(Pair(*row))
    return pairs


def _records(file: Path) -> list[Pair]:
    pairs = []
    for number, line in enumerate(_text(file).split("\n"), 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except json.JSONDecodeError as error:
            raise DataError(f"{file}, line {number}, is not JSON: {error.msg}") from None
        if not isinstance(record, dict) or not all(isinstance(record.get(name), str) for name in NAMES):
            raise DataError(f'{file}, line {number}, has no "source" and "target" that hold strings')
        pairs.append(Pair(record["source"], record["target"]))
    return pairs


def _lines(file: Path) -> list[str]:
    lines = _text(file).split("\n")
    return lines[:-1] if lines[-1] == "" else lines


def _kind(file: Path) -> str:
    """How a file's name ends, its compression aside."""
    return Path(file.stem).suffix.lower() if file.suffix == ".gz" else file.suffix.lower()


def _text(file: Path) -> str:
    try:
        raw = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
    except (gzip.BadGzipFile, EOFError, zlib.error):
        raise DataError(f"{file} is not a whole gzip file") from None
    if len(raw) > LARGEST:
        raise DataError(f"{file} holds {len(raw) / 2**30:.1f} GiB of text; at most {LARGEST / 2**30:.0f} can be read")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{file} is not UTF-8 text: byte {error.start} is 0x{raw[error.start]:02x}; save it as UTF-8"
        ) from None
    return text.replace("\r\n", "\n")


def _checked(pairs: list[Pair], name: str, path: str) -> tuple[list[Pair], Source]:
    """Pairs with both sides filled; those with an empty one have nothing to learn from."""
    kept = [pair for pair in pairs if pair.source.strip() and pair.target.strip()]  # type: ignore[union-attr]
    if not kept:
        raise DataError(f"{path or name} is empty: there is no pair to learn from")
    return kept, Source(name, path, _digest(kept), rows=len(kept))


def _digest(pairs: list[Pair]) -> str:
    state = hashlib.sha256()
    for side in (side or "" for pair in pairs for side in pair):
        state.update(len(side).to_bytes(8, "big"))
        state.update(side.encode("utf-8", "surrogatepass"))
    return state.hexdigest()
