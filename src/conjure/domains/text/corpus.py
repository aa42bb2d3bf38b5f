"""Reading, splitting and writing text; a document is one string, a corpus a list of them."""

from __future__ import annotations

import hashlib
import json
import os
import random
from pathlib import Path
from typing import Any

from conjure.core.errors import DataError
from conjure.domains.protocol import Source

EMBEDDED = {"python-docs": "the Python language reference's help topics, 0.46 MB of English (PSF licence)"}
LARGEST = 1 << 30  # bytes held in memory as text, about a quarter more as tokens


def read(data: Any) -> tuple[list[str], Source]:
    """Documents and their source.

    data: a .txt file, a folder of them (one document each), a .jsonl file with a "text" field, an
    embedded name, or text itself: a string with a line break, or a list of strings.
    DataError names the file (and line or byte) that cannot be read.
    """
    if isinstance(data, Path) or (isinstance(data, str) and "\n" not in data and data not in EMBEDDED):
        return _from_path(Path(data))
    if isinstance(data, str) and data in EMBEDDED:
        return embedded(data)
    documents = [data] if isinstance(data, str) else list(data)
    for row, document in enumerate(documents, 1):
        if not isinstance(document, str):
            raise DataError(f"text {row} is of type {type(document).__name__}; every text should be a str")
    return _checked(documents, Source("text in memory", "", _digest(documents), rows=len(documents)))


def embedded(name: str) -> tuple[list[str], Source]:
    """A corpus that comes with Python itself."""
    from pydoc_data.topics import topics

    documents = [text.replace("\r\n", "\n") for _, text in sorted(topics.items())]
    return documents, Source(name, "", _digest(documents), "PSF-2.0", len(documents))


def split(documents: list[str], fraction: float, seed: int) -> tuple[list[str], list[str]]:
    """(training, held-out): the last part of a single text, or whole documents drawn by the seed.

    The end of one text is nanoGPT's split too: int(0.9 * characters) are for training.
    """
    if len(documents) == 1:
        text = documents[0]
        cut = int((1 - fraction) * len(text))
        if not 0 < cut < len(text):
            raise DataError(f"a text of {len(text)} characters is too short to hold out {fraction:.0%} of it")
        return [text[:cut]], [text[cut:]]
    order = list(range(len(documents)))
    random.Random(seed).shuffle(order)
    wanted, kept = fraction * sum(map(len, documents)), 0
    held_out: set[int] = set()
    for at in order[:-1]:
        held_out.add(at)
        kept += len(documents[at])
        if kept >= wanted:
            break
    parts = [[d for i, d in enumerate(documents) if (i in held_out) is side] for side in (False, True)]
    return parts[0], parts[1]


def write(documents: list[str], path: Path) -> Path:
    """Documents to .jsonl (one a line) or .txt (a blank line between them)."""
    path = Path(path)
    if path.suffix == ".jsonl":
        text = "".join(json.dumps({"text": document}, ensure_ascii=False) + "\n" for document in documents)
    elif path.suffix == ".txt":
        text = "\n\n".join(documents) + "\n"
    else:
        raise DataError(f"text is written as .txt or .jsonl, not {path.suffix or 'without a suffix'}: {path}")
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_text(text, "utf-8")
    return beside.replace(path)


def _from_path(path: Path) -> tuple[list[str], Source]:
    if path.is_dir():
        files = sorted(f for f in path.rglob("*.txt") if f.is_file())
        if not files:
            raise DataError(f"the folder {path} holds no .txt file")
    elif path.is_file():
        files = [path]
    else:
        raise DataError(f"there is no file, folder or embedded text {str(path)!r} (embedded: {', '.join(EMBEDDED)})")
    size = sum(f.stat().st_size for f in files)
    if size > LARGEST:
        raise DataError(f"{path} holds {size / 2**30:.1f} GiB of text; at most {LARGEST / 2**30:.0f} GiB can be read")
    documents = [d for file in files for d in (_lines(file) if file.suffix == ".jsonl" else [text_in(file)])]
    return _checked(documents, Source(path.name, str(path), _digest(documents), rows=len(documents)))


def text_in(file: Path) -> str:
    """What a file of UTF-8 says; DataError names the byte that is none."""
    raw = file.read_bytes()
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{file} is not UTF-8 text: byte {error.start} is 0x{raw[error.start]:02x}; save it as UTF-8"
        ) from None
    if "\0" in text:
        raise DataError(f"{file} is not text: byte {raw.index(0)} is zero")
    return text.replace("\r\n", "\n")


def _lines(file: Path) -> list[str]:
    documents = []
    for number, line in enumerate(text_in(file).split("\n"), 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except json.JSONDecodeError as error:
            raise DataError(f"{file}, line {number}, is not JSON: {error.msg}") from None
        if not isinstance(record, dict) or not isinstance(record.get("text"), str):
            raise DataError(f'{file}, line {number}, has no "text" field that holds a string')
        documents.append(record["text"])
    return documents


def _checked(documents: list[str], source: Source) -> tuple[list[str], Source]:
    if not any(document.strip() for document in documents):
        raise DataError(f"{source.path or source.name} is empty: there is no text to learn from")
    return [document for document in documents if document], source


def _digest(documents: list[str]) -> str:
    state = hashlib.sha256()
    for document in documents:
        state.update(len(document).to_bytes(8, "big"))
        state.update(document.encode("utf-8", "surrogatepass"))
    return state.hexdigest()
