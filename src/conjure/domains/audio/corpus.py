"""Reading, splitting and writing recordings: folders and files of sound, arrays, and embedded sets."""

from __future__ import annotations

import hashlib
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from conjure.core.errors import DataError
from conjure.domains import classes
from conjure.domains.audio import files, rendered
from conjure.domains.audio.checks import silent
from conjure.domains.audio.drums import EACH, KINDS, SECONDS, drum_sounds
from conjure.domains.audio.sounds import Sound, Sounds, sounds
from conjure.domains.protocol import Source

EMBEDDED = {
    "drums": f"{len(KINDS) * EACH} sounds of {SECONDS:g} s made by formula: {', '.join(KINDS)}s",
    "chorales": "the beginnings of 120 of Bach's chorales (music21), played by conjure's own synthesiser",
}
NAMED = 3  # files left out that a note names
GAP = 0.25  # seconds between sounds in one file


def read(data: Any) -> tuple[Sounds, Source]:
    """Recordings and their source.

    data: a folder of WAV, FLAC, OGG, MP3 and AIFF files, searched recursively (when all are in sub-folders, those of
    the first level are class labels); one such file; an embedded name; an array (N, T) at 16 kHz; Sounds. A file that
    is broken or silent is left out and noted; DataError where nothing is left.
    """
    if isinstance(data, Sound):
        data = Sounds((data,))
    if not isinstance(data, (str, Path)):
        found = data if isinstance(data, Sounds) else sounds(data)
        if all(map(silent, found)):
            raise DataError("there is nothing but silence in these sounds")
        return found, Source("sounds in memory", "", digest(found), rows=len(found))
    if str(data) in EMBEDDED and not Path(data).exists():
        found, licence = (drum_sounds(), "CC0") if str(data) == "drums" else (rendered.chorales(), rendered.LICENCE)
        return found, Source(str(data), "", digest(found), licence, len(found))
    path = Path(data)
    if path.is_dir():
        found = _from_folder(path)
    elif not path.is_file():
        raise DataError(f"there is no file, folder or embedded set {str(data)!r} (embedded: {', '.join(EMBEDDED)})")
    elif path.suffix.lower() not in files.SUFFIXES:
        raise DataError(f"{path} is no sound file: {_kinds()} can be read")
    else:
        found = Sounds((files.load(path),))
        if silent(found[0]):
            raise DataError(f"{path} is silent: there is nothing to learn from it")
    return found, Source(path.name, str(path), digest(found), rows=len(found))


def split(objects: Sounds, fraction: float, seed: int) -> tuple[Sounds, Sounds]:
    """(training, held-out) whole recordings, of each class the same fraction; of a single one its end is held out."""
    if len(objects) == 1:
        one = objects[0]
        at = max(1, len(one) - max(1, round(fraction * len(one))))
        parts = (replace(one, samples=part) for part in (one.samples[:at], one.samples[at:]))
        return tuple(Sounds((part,), objects.notes) for part in parts)  # type: ignore[return-value]
    kept, out = classes.apart([one.label for one in objects], fraction, seed)
    return objects.take(kept), objects.take(out)


def cut(objects: Sounds, start: int, stop: int) -> Sounds:
    """Some of the recordings, in order."""
    return objects[start:stop]


def write(objects: Sounds, path: Path) -> Path:
    """Recordings as WAV files in a folder, one sub-folder a class; one recording to a .wav file.

    Several to a .wav become one file, a short rest between them.
    """
    path = Path(path)
    match path.suffix.lower():
        case "":
            return _write_folder(objects, path)
        case ".wav":
            beside = path.with_name(f".{os.getpid()}.{path.name}")
            beside.write_bytes(files.to_wav(in_turn(objects)))
            return beside.replace(path)
        case other:
            raise DataError(f"sounds are written as a folder or as .wav, not {other}: {path}")


def in_turn(objects: Sounds) -> Sound:
    """All recordings as one, a short rest between them; all must have one rate, as a codec gives them."""
    first = objects[0]
    if any(one.rate != first.rate for one in objects):
        raise DataError("sounds of different rates cannot be joined in one file: write them to a folder")
    rest = np.zeros(int(GAP * first.rate), np.int16)
    parts = [part for one in objects for part in (one.samples, rest)][:-1]
    return Sound(np.concatenate(parts), first.rate)


def digest(objects: Sounds) -> str:
    """SHA-256 of samples, rates and labels."""
    state = hashlib.sha256()
    for one in objects:
        state.update(repr((len(one), one.rate, one.label)).encode())
        state.update(np.ascontiguousarray(one.samples).tobytes())
    return state.hexdigest()


def _from_folder(path: Path) -> Sounds:
    found = sorted(
        f for f in path.rglob("*") if f.suffix.lower() in files.SUFFIXES and f.is_file() and f.name[0] != "."
    )
    if not found:
        raise DataError(f"the folder {path} holds no sound file: {_kinds()} can be read")
    if other := next((f for f in found if f.suffix.lower() in files.OTHERS), None):
        files.needs_soundfile(other)
    parts = [f.relative_to(path).parts for f in found]
    labelled = all(len(p) > 1 for p in parts) and len({p[0] for p in parts}) > 1
    kept, broken, quiet, size = [], [], [], 0
    for file, part in zip(found, parts):
        try:
            one = files.load(file)
        except (OSError, DataError) as error:
            broken.append((file, error))
            continue
        size += one.samples.nbytes
        if size > files.LARGEST:
            raise DataError(f"the sounds in {path} take more than {files.LARGEST >> 20:,} MB; give shorter or fewer")
        quiet.append(file) if silent(one) else kept.append(replace(one, label=part[0] if labelled else ""))
    if not kept:
        why = f"{broken[0][1]}" if broken else f"{quiet[0]} is silent"
        raise DataError(f"none of the {len(found)} sounds in {path} can be learnt from; {why}")
    notes = [*_notes("broken", [f for f, _ in broken]), *_notes("silent", quiet)]
    return Sounds(tuple(kept), tuple(notes))


def _notes(what: str, left_out: list[Path]) -> list[str]:
    if not left_out:
        return []
    named = ", ".join(map(str, left_out[:NAMED])) + (", ..." if len(left_out) > NAMED else "")
    return [f"{len(left_out)} {what} sound file{'s' if len(left_out) > 1 else ''} left out: {named}"]


def _kinds() -> str:
    return "WAV, FLAC, OGG, MP3 and AIFF"


def _write_folder(objects: Sounds, path: Path) -> Path:
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise DataError(f"{path} already exists and is not an empty folder; choose another name")
    beside = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        for row, one in enumerate(objects):
            place = beside / one.label if one.label else beside
            place.mkdir(parents=True, exist_ok=True)
            (place / f"{row:04d}.wav").write_bytes(files.to_wav(one))
        return beside.replace(path)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
