"""Reading, splitting and writing clips: folders of GIF and MP4, NumPy files, arrays, and an embedded set."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from conjure.core.errors import DataError
from conjure.core.rng import derive
from conjure.domains.protocol import Source
from conjure.domains.video import files
from conjure.domains.video.bouncing import bouncing_digits
from conjure.domains.video.clips import RATE, Clips, clips
from conjure.domains.video.view import sheet

EMBEDDED = {"bouncing": "1,797 clips, 8 frames of 16 x 16: scikit-learn's digits bounce off walls (UCI, CC BY 4.0)"}
LARGEST = 2 << 30  # bytes of frames held in memory
NAMED = 3  # broken files that a note names


def read(data: Any) -> tuple[Clips, Source]:
    """Clips and their source.

    data: a folder of GIF and MP4 files, searched recursively (when all are in sub-folders, those of the first
    level are class labels); one such file; a .npy file; a .npz file with "clips" and perhaps "labels"; an embedded
    name; an array, or Clips. A file that cannot be read is left out and noted; DataError where nothing is left.
    """
    if isinstance(data, Clips):
        return data, Source("clips in memory", "", digest(data), rows=len(data))
    if not isinstance(data, (str, Path)):
        found = clips(data)
        return found, Source("array in memory", "", digest(found), rows=len(found))
    if str(data) in EMBEDDED and not Path(data).exists():
        found = clips(*bouncing_digits())
        return found, Source(str(data), "", digest(found), "CC-BY-4.0", len(found))
    path = Path(data)
    if path.is_dir():
        found = _from_folder(path)
        return found, Source(path.name, str(path), digest(found), rows=len(found))
    if not path.is_file():
        raise DataError(f"there is no file, folder or embedded set {str(data)!r} (embedded: {', '.join(EMBEDDED)})")
    found = _from_file(path)
    return found, Source(path.name, str(path), digest(found), rows=len(found))


def split(objects: Clips, fraction: float, seed: int) -> tuple[Clips, Clips]:
    """(training, held-out), each class by the same fraction; every class keeps a clip in training."""
    rng = np.random.default_rng(derive(seed, "split"))
    labels = np.zeros(len(objects), int) if objects.labels is None else objects.labels
    if len(objects) < 2:
        raise DataError("one clip is too few to hold some out: give at least 2, or set held_out=0")
    held: list[np.ndarray] = []
    for label in np.unique(labels):
        rows = rng.permutation(np.flatnonzero(labels == label))
        held.append(rows[: min(round(fraction * len(rows)), len(rows) - 1)])
    out = np.concatenate(held)
    if not len(out):  # so few a class that none rounds to one clip
        out = rng.permutation(len(objects))[:1]
    kept = np.setdiff1d(np.arange(len(objects)), out)
    return objects.take(kept), objects.take(np.sort(out))


def cut(objects: Clips, start: int, stop: int) -> Clips:
    """Some of the clips, in order."""
    return objects.take(np.arange(start, min(stop, len(objects))))


def write(objects: Clips, path: Path) -> Path:
    """Clips to a .npy or .npz file, or as GIF files in a folder, one sub-folder a class.

    A path that ends in .gif or .mp4 becomes one moving sheet of all clips, with each in a folder of the same name
    beside it, in the same format.
    """
    path = Path(path)
    beside = path.with_name(f".{os.getpid()}.{path.name}")
    match path.suffix.lower():
        case ".npy":
            with beside.open("wb") as file:
                np.save(file, objects.array())
        case ".npz":
            labels = {} if objects.labels is None else {"labels": objects.labels}
            with beside.open("wb") as file:
                np.savez_compressed(file, clips=objects.array(), **labels)
        case ".gif" | ".mp4":
            _write_folder(objects, path.with_suffix(""), path.suffix.lower())
            files.save(sheet(objects), beside, objects.rate)
        case "":
            return _write_folder(objects, path, ".gif")
        case other:
            raise DataError(f"clips are written as a folder, .gif, .mp4, .npy or .npz, not {other}: {path}")
    return beside.replace(path)


def digest(objects: Clips) -> str:
    """SHA-256 of sizes, frames and labels."""
    state = hashlib.sha256()
    for clip in objects:
        state.update(repr(clip.shape).encode())
        state.update(np.ascontiguousarray(clip).tobytes())
    if objects.labels is not None:
        state.update("\0".join(objects.labels.tolist()).encode())
    return state.hexdigest()


def _from_folder(path: Path) -> Clips:
    found = sorted(
        f for f in path.rglob("*") if f.suffix.lower() in files.SUFFIXES and f.is_file() and f.name[0] != "."
    )
    if not found:
        raise DataError(f"the folder {path} holds no GIF or MP4 file")
    if any(f.suffix.lower() == ".mp4" for f in found):
        files.needs_av()
    frames, kept, rates, broken, size = [], [], [], [], 0
    for file in found:
        try:
            clip, rate = files.load(file)
        except (OSError, SyntaxError, ValueError):  # what Pillow and PyAV raise for files that are none
            broken.append(file)
            continue
        frames.append(clip)
        rates.append(rate)
        kept.append(file)
        size += clip.nbytes
        if size > LARGEST:
            raise DataError(f"the clips in {path} take more than {LARGEST >> 30} GB as frames; give smaller or fewer")
    if not kept:
        raise DataError(f"none of the {len(found)} clips in {path} can be read; {broken[0]} is broken")
    parts = [f.relative_to(path).parts for f in found]
    labelled = all(len(p) > 1 for p in parts) and len({p[0] for p in parts}) > 1
    labels = np.array([f.relative_to(path).parts[0] for f in kept]) if labelled else None
    classes = () if labels is None else tuple(sorted(set(labels.tolist())))
    return Clips(frames, labels, classes, tuple(map(str, kept)), _notes(broken), float(np.median(rates)))


def _from_file(path: Path) -> Clips:
    if path.suffix.lower() in files.SUFFIXES:
        try:
            clip, rate = files.load(path)
        except (OSError, SyntaxError, ValueError) as error:
            raise DataError(f"{path} is not a readable {path.suffix[1:].upper()} file: {error}") from None
        return Clips([clip], names=(str(path),), rate=rate)
    labels = None
    try:
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as file:
                if "clips" not in file:
                    raise DataError(f'{path} has no array "clips" (it has {", ".join(file.files)})')
                array, labels = file["clips"], file.get("labels")
        elif path.suffix == ".npy":
            array = np.load(path, allow_pickle=False)
        else:
            raise DataError(f"{path} is not a folder, .gif, .mp4, .npy or .npz file")
    except (ValueError, OSError, EOFError) as error:
        raise DataError(f"{path} is not a readable NumPy file: {error}") from None
    return clips(array, labels, str(path))


def _notes(broken: list[Path]) -> tuple[str, ...]:
    if not broken:
        return ()
    named = ", ".join(str(f) for f in broken[:NAMED]) + (", ..." if len(broken) > NAMED else "")
    return (f"{len(broken)} broken clip{'s' if len(broken) > 1 else ''} left out: {named}",)


def _write_folder(objects: Clips, path: Path, suffix: str) -> Path:
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise DataError(f"{path} already exists and is not an empty folder; choose another name")
    beside = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        for row, clip in enumerate(objects):
            place = beside if objects.labels is None else beside / str(objects.labels[row])
            place.mkdir(parents=True, exist_ok=True)
            files.save(clip, place / f"{row:06d}{suffix}", objects.rate or RATE)
        return beside.replace(path)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
