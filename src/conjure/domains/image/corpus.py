"""Reading, splitting and writing pictures: folders of PNG and JPEG, NumPy files, arrays, and an embedded set."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from conjure.core.errors import DataError
from conjure.core.rng import derive
from conjure.domains.image.folder import Folder, open_folder
from conjure.domains.image.numbers import write_table
from conjure.domains.image.pictures import Images, images
from conjure.domains.image.view import contact_sheet
from conjure.domains.protocol import Source

EMBEDDED = {"digits": "1,797 handwritten digits of 8 x 8 grey pixels, from scikit-learn (UCI, CC BY 4.0)"}
LARGEST = 1 << 30  # bytes of pixels held in memory; more is read piece by piece
PIECE = 64 << 20


def read(data: Any, *, largest: int = LARGEST) -> tuple[Images | Chunks, Source]:
    """Pictures and their source; a chunked corpus when they take more than `largest` bytes.

    data: a folder of PNG and JPEG files, searched recursively (when all are in sub-folders, those of the first
    level are class labels; a metadata.csv with "file_name" and columns of numbers gives each picture numbers); a
    .npy file; a .npz file with "images", perhaps "labels" and further arrays of a number a picture; an embedded
    name; an array, or Images. A file that cannot be read is left out and noted; DataError where nothing is left.
    """
    if isinstance(data, Images):
        return data, Source("images in memory", "", digest(data), rows=len(data))
    if not isinstance(data, (str, Path)):
        found = images(data)
        return found, Source("array in memory", "", digest(found), rows=len(found))
    if str(data) in EMBEDDED and not Path(data).exists():
        return embedded(str(data))
    path = Path(data)
    if path.is_dir():
        folder = open_folder(path)
        source = Source(path.name, str(path), folder.sha256(), rows=len(folder.files))
        return (Chunks(folder) if folder.bytes > largest else folder.load()), source
    if not path.is_file():
        raise DataError(f"there is no file, folder or embedded set {str(data)!r} (embedded: {', '.join(EMBEDDED)})")
    return _from_file(path, largest)


def embedded(name: str) -> tuple[Images, Source]:
    """A set that ships inside a dependency; its values 0..16 are spread evenly over 0..255."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    found = images((digits.images * (255 / 16)).round().astype(np.uint8), digits.target)
    return found, Source(name, "", digest(found), "CC-BY-4.0", len(found))


def split(objects: Images, fraction: float, seed: int) -> tuple[Images, Images]:
    """(training, held-out), each class by the same fraction; every class keeps a picture in training."""
    rng = np.random.default_rng(derive(seed, "split"))
    labels = np.zeros(len(objects), int) if objects.labels is None else objects.labels
    held: list[np.ndarray] = []
    for label in np.unique(labels):
        rows = rng.permutation(np.flatnonzero(labels == label))
        held.append(rows[: min(round(fraction * len(rows)), len(rows) - 1)])
    out = np.concatenate(held)
    if not len(out) and len(objects) > 1:  # so few a class that none rounds to one picture
        common = [label for label in np.unique(labels) if (labels == label).sum() > 1]
        out = np.flatnonzero(labels == common[0])[:1] if common else out
    if not len(out):
        raise DataError(f"{len(objects)} images are too few to hold some out: each class needs at least 2")
    kept = np.setdiff1d(np.arange(len(objects)), out)
    return objects.take(kept), objects.take(np.sort(out))


def cut(objects: Images, start: int, stop: int) -> Images:
    """Some of the pictures, in order."""
    return objects.take(np.arange(start, min(stop, len(objects))))


def write(objects: Images, path: Path) -> Path:
    """Pictures to a .npy or .npz file, or as PNG files in a folder, one sub-folder a class.

    A path that ends in .png becomes a contact sheet, with the pictures in a folder of the same name beside it.
    """
    path = Path(path)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    match path.suffix.lower():
        case ".npy" | ".npz":
            with beside.open("wb") as file:
                if path.suffix.lower() == ".npy":
                    np.save(file, objects.array())
                else:
                    labels = {} if objects.labels is None else {"labels": objects.labels}
                    np.savez_compressed(file, images=objects.array(), **labels, **objects.numbers)
        case ".png":
            write(objects, path.with_suffix(""))
            contact_sheet(objects).save(beside, format="PNG")
        case "":
            if path.exists() and (not path.is_dir() or any(path.iterdir())):
                raise DataError(f"{path} already exists and is not an empty folder; choose another name")
            try:
                _write_folder(objects, beside)
                return beside.replace(path)
            finally:
                shutil.rmtree(beside, ignore_errors=True)
        case other:
            raise DataError(f"images are written as a folder, .png, .npy or .npz, not {other}: {path}")
    return beside.replace(path)


def digest(objects: Images) -> str:
    """SHA-256 of sizes, pixels and labels."""
    state = hashlib.sha256()
    for picture in objects:
        state.update(repr(picture.shape).encode())
        state.update(np.ascontiguousarray(picture).tobytes())
    if objects.labels is not None:
        state.update("\0".join(objects.labels.tolist()).encode())
    for name, values in objects.numbers.items():
        state.update(name.encode() + np.ascontiguousarray(values).tobytes())
    return state.hexdigest()


class Chunks:
    """A corpus too large for memory, read piece by piece in one fixed shuffled order.

    Shuffled, because folders list one class after another and the last rows are the ones held out.
    """

    def __init__(self, corpus: Folder | Images):
        self.corpus = corpus
        self.rows = len(corpus.files) if isinstance(corpus, Folder) else len(corpus)
        self.order = np.random.default_rng(derive(0, "chunks")).permutation(self.rows)
        size = corpus.bytes if isinstance(corpus, Folder) else corpus.pixels.nbytes  # type: ignore[union-attr]
        self.piece = max(1, PIECE * self.rows // max(size, 1))

    def sample(self, n: int, seed: int) -> Images:
        """At most n pictures, and no more than one piece, drawn evenly."""
        rng = np.random.default_rng(derive(seed, "sample"))
        return self._load(np.sort(rng.permutation(self.rows)[: min(n, self.piece)]))

    def chunks(self) -> Iterator[Images]:
        """All pictures, a piece at a time; what cannot be read is left out."""
        for start in range(0, self.rows, self.piece):
            yield self._load(self.order[start : start + self.piece])

    def _load(self, rows: np.ndarray) -> Images:
        return self.corpus.load(rows) if isinstance(self.corpus, Folder) else self.corpus.take(rows)


def _from_file(path: Path, largest: int) -> tuple[Images | Chunks, Source]:
    labels, numbers = None, {}
    try:
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as file:
                if "images" not in file:
                    raise DataError(f'{path} has no array "images" (it has {", ".join(file.files)})')
                array, labels = file["images"], file.get("labels")
                numbers = {name: file[name] for name in file.files if name not in ("images", "labels")}
        elif path.suffix == ".npy":
            array = np.load(path, mmap_mode="r", allow_pickle=False)
        else:
            raise DataError(f"{path} is not a folder, .npy or .npz file; put single pictures into a folder")
    except (ValueError, OSError, EOFError) as error:
        raise DataError(f"{path} is not a readable NumPy file: {error}") from None
    found = images(array, labels, str(path), numbers)
    with path.open("rb") as file:
        source = Source(path.name, str(path), hashlib.file_digest(file, "sha256").hexdigest(), rows=len(found))
    return (Chunks(found) if found.pixels.nbytes > largest else found), source  # type: ignore[union-attr]


def _write_folder(objects: Images, folder: Path) -> None:
    from PIL import Image

    files = []
    for row, picture in enumerate(objects):
        place = folder if objects.labels is None else folder / str(objects.labels[row])
        place.mkdir(parents=True, exist_ok=True)
        files.append(place / f"{row:06d}.png")
        Image.fromarray(picture.squeeze(2) if picture.shape[2] == 1 else picture).save(files[-1])
    if objects.numbers:
        write_table(folder, files, objects.numbers)
