"""Reading, splitting and writing scores: folders and files, grids of chorales as JSON, and embedded sets."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from conjure.core.errors import DataError
from conjure.domains import classes
from conjure.domains.music import embedded, files
from conjure.domains.music.grids import from_grid, voiced
from conjure.domains.music.piece import Piece, Pieces
from conjure.domains.protocol import Source

EMBEDDED = embedded.SETS
NAMED = 3  # broken files that a note names


def read(data: Any) -> tuple[Pieces, Source]:
    """Pieces and their source.

    data: a folder of scores, searched recursively (when all are in sub-folders, the first level's names are
    labels: composers, styles); one score, or a tune book; a .json grid of sixteenths, as published for the JSB chorales
    (pieces, or parts with pieces; a frame is a pitch a voice, -1 for silence, or just what sounds); an embedded name;
    pieces. A file that cannot be read is left out and noted; DataError where nothing is left.
    """
    if isinstance(data, Piece):
        data = [data]
    if not isinstance(data, (str, Path)):
        found = data if isinstance(data, Pieces) else Pieces(tuple(data))
        if not all(isinstance(p, Piece) for p in found):
            raise DataError("music in memory is a list of conjure.domains.music.piece.Piece")
        return found, Source("scores in memory", "", digest(found), rows=len(found))
    if str(data) in EMBEDDED and not Path(data).exists():
        found = embedded.load(str(data))
        return found, Source(str(data), "", digest(found), embedded.LICENCE, len(found))
    path = Path(data)
    if path.is_dir():
        found = _from_folder(path)
    elif path.is_file():
        found = _from_json(path) if path.suffix.lower() == ".json" else _noted(files.load(path), [])
    else:
        raise DataError(f"there is no file, folder or embedded set {str(data)!r} (embedded: {', '.join(EMBEDDED)})")
    return found, Source(path.name, str(path), digest(found), rows=len(found))


def split(objects: Pieces, fraction: float, seed: int) -> tuple[Pieces, Pieces]:
    """(training, held-out) whole pieces, of each label the same fraction."""
    if len(objects) < 2:
        raise DataError("one piece is too few to hold some out: give at least 2, or set held_out=0")
    kept, out = classes.apart([p.label for p in objects], fraction, seed)
    return objects.take(kept), objects.take(out)


def cut(objects: Pieces, start: int, stop: int) -> Pieces:
    """Some of the pieces, in order."""
    return objects[start:stop]


def join(parts: list[Pieces]) -> Pieces:
    """The inverse of cutting."""
    return Pieces(tuple(p for part in parts for p in part))


def write(objects: Pieces | list[Piece] | Piece, path: Path) -> Path:
    """One piece to a file by its suffix; several to a folder of that name, numbered; .mid where there is no suffix.

    Where a piece carries a certificate it is written beside, as NAME.certificate.json.
    """
    path = Path(path)
    pieces = [objects] if isinstance(objects, Piece) else list(objects)
    if len(pieces) == 1 and path.suffix:
        return _write_one(pieces[0], path)
    suffix, folder = path.suffix or ".mid", path.with_suffix("")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DataError(f"{folder} already exists and is not an empty folder; choose another name")
    beside = folder.with_name(f".{os.getpid()}.{folder.name}")
    try:
        beside.mkdir(parents=True)
        for row, one in enumerate(pieces):
            _write_one(one, beside / f"{row:04d}{suffix}")
        return beside.replace(folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def digest(objects: Pieces) -> str:
    """SHA-256 of notes, parts and labels."""
    state = hashlib.sha256()
    for one in objects:
        state.update(repr((one.notes.shape, one.parts, one.meters, one.tempos, one.label)).encode())
        state.update(np.ascontiguousarray(one.notes, np.int32).tobytes())
    return state.hexdigest()


def _write_one(one: Piece, path: Path) -> Path:
    written = files.save(one, path)
    if one.certificate:
        at = path.with_name(f"{path.stem}.certificate.json")
        beside = at.with_name(f".{os.getpid()}.{at.name}")
        beside.write_text(json.dumps(one.certificate, indent=2) + "\n", "utf-8")
        beside.replace(at)
    return written


def _from_folder(path: Path) -> Pieces:
    found = sorted(_scores(path, ()))
    if not found:
        raise DataError(
            f"the folder {path} holds no score: MIDI, MusicXML (.mxl), ABC or humdrum (.krn) are looked for"
        )
    broken: list[str] = []
    labelled = all(len(names) > 1 for names in found) and len({names[0] for names in found}) > 1
    pieces: list[Piece] = []
    for names in found:
        try:
            some = files.load(path.joinpath(*names))
        except DataError as error:
            broken.append(str(error))
            continue
        pieces += [replace(p, label=names[0]) for p in some] if labelled else some
    if not pieces:
        raise DataError(f"none of the {len(found)} scores in {path} can be used: {broken[0]}")
    notes = [f"{len(broken)} of {len(found)} files left out: " + "; ".join(broken[:NAMED])] if broken else []
    if len(broken) > NAMED:
        notes[0] += "; ..."
    return _noted(pieces, notes)


def _noted(pieces: list[Piece], notes: list[str]) -> Pieces:
    """Pieces with notes, to which is added what reading them lost."""
    for remark in sorted({r for p in pieces for r in p.remarks}):
        count = sum(remark in p.remarks for p in pieces)
        notes.append(f"{count} {'piece' if count == 1 else 'pieces'}: {remark}")
    return Pieces(tuple(pieces), tuple(notes))


def _scores(folder: Path, names: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """The scores in a folder and those below, by the names that lead to them."""
    with os.scandir(folder.joinpath(*names)) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _scores(folder, (*names, entry.name))
            elif entry.name[0] != "." and entry.name.lower().endswith(files.SUFFIXES) and entry.is_file():
                yield (*names, entry.name)


def _from_json(path: Path) -> Pieces:
    try:
        found = json.loads(path.read_text("utf-8"))
        parts = {"": found} if isinstance(found, list) else found
        grids = [(f"{name}{row}", voiced(g)) for name, part in parts.items() for row, g in enumerate(part)]
        if not grids:
            raise ValueError("it is empty")
    except (ValueError, TypeError, AttributeError) as error:
        raise DataError(
            f"{path} is no grid of voices: a list of pieces, each a list of frames of pitches ({error})"
        ) from None
    return Pieces(tuple(from_grid(grid, name=name) for name, grid in grids))
