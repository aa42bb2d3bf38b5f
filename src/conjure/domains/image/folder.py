"""A folder of picture files: what is in it, known from the files' headers, and their pixels when asked for."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from conjure.core.errors import DataError
from conjure.domains.image.numbers import read_table
from conjure.domains.image.pictures import Images

SUFFIXES = (".png", ".jpg", ".jpeg")
NAMED = 3  # broken files that a note names


@dataclass(frozen=True)
class Folder:
    """Files in order, their labels, and how many bytes their pixels take."""

    path: Path
    files: tuple[Path, ...]
    labels: np.ndarray | None
    bytes: int
    broken: tuple[Path, ...]
    numbers: dict[str, np.ndarray]
    notes: tuple[str, ...]

    def load(self, rows: np.ndarray | None = None) -> Images:
        """The pictures at these rows (all without); files broken inside are left out and noted."""
        rows = np.arange(len(self.files)) if rows is None else rows
        pixels, kept, broken = [], [], list(self.broken)
        for row in rows:
            try:
                pixels.append(load_picture(self.files[row]))
                kept.append(int(row))
            except _unreadable():
                broken.append(self.files[row])
        if not pixels:
            raise DataError(f"none of the {len(rows)} picture files in {self.path} can be read; {broken[0]} is broken")
        labels = None if self.labels is None else self.labels[kept]
        classes = () if self.labels is None else tuple(sorted(set(self.labels.tolist())))
        names, notes = tuple(str(self.files[i]) for i in kept), _notes(broken) + self.notes
        return Images(pixels, labels, classes, names, notes, {k: v[kept] for k, v in self.numbers.items()})

    def sha256(self) -> str:
        """Of all files' relative names and contents, and of the numbers that come with them."""
        state = hashlib.sha256()
        for file in self.files:
            state.update(str(file.relative_to(self.path)).encode())
            state.update(hashlib.sha256(file.read_bytes()).digest())
        for name, values in self.numbers.items():
            state.update(name.encode() + values.tobytes())
        return state.hexdigest()


def open_folder(path: Path) -> Folder:
    """All PNG and JPEG files below a folder, with the numbers in its metadata.csv if it has one.

    DataError when there is no picture that can be opened, or the table does not fit the pictures.
    """
    from PIL import Image

    found = sorted(f for f in path.rglob("*") if f.suffix.lower() in SUFFIXES and f.is_file() and f.name[0] != ".")
    if not found:
        raise DataError(f"the folder {path} holds no PNG or JPEG file")
    files, broken, size = [], [], 0
    for file in found:
        try:
            with Image.open(file) as picture:
                size += picture.width * picture.height * (1 if _grey(picture) else 3)
            files.append(file)
        except _unreadable():
            broken.append(file)
    if not files:
        raise DataError(f"none of the {len(found)} picture files in {path} can be read; {broken[0]} is broken")
    parents = [f.relative_to(path).parts for f in files]
    labelled = all(len(p) > 1 for p in parents) and len({p[0] for p in parents}) > 1
    labels = np.array([p[0] for p in parents]) if labelled else None
    numbers, notes = read_table(path, files)
    return Folder(path, tuple(files), labels, size, tuple(broken), numbers, tuple(notes))


def load_picture(file: Path) -> np.ndarray:
    """A file's pixels, uint8 (H, W, 1 or 3), turned as its camera says.

    16-bit grey loses its low byte; what is transparent lies on white.
    """
    from PIL import Image, ImageOps

    with Image.open(file) as opened:
        picture = ImageOps.exif_transpose(opened)
        if picture.mode.startswith("I"):
            return (np.asarray(picture).astype(np.int64) >> 8).clip(0, 255).astype(np.uint8)[..., None]
        if picture.has_transparency_data:
            white = Image.new("RGBA", picture.size, "white")
            picture = Image.alpha_composite(white, picture.convert("RGBA")).convert("L" if _grey(picture) else "RGB")
        array = np.asarray(picture.convert("L" if _grey(picture) else "RGB"))
    return array[..., None] if array.ndim == 2 else array


def _unreadable() -> tuple[type[Exception], ...]:
    """What Pillow raises for files that are no pictures, cut short, or far too large."""
    from PIL import Image

    return (OSError, SyntaxError, ValueError, Image.DecompressionBombError)


def _grey(picture: object) -> bool:
    mode = picture.mode  # type: ignore[attr-defined]
    return mode in ("1", "L", "LA") or mode.startswith("I")


def _notes(broken: list[Path]) -> tuple[str, ...]:
    if not broken:
        return ()
    named = ", ".join(str(f) for f in broken[:NAMED]) + (", ..." if len(broken) > NAMED else "")
    return (f"{len(broken)} broken picture file{'s' if len(broken) > 1 else ''} left out: {named}",)
