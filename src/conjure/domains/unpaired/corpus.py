"""Reading, splitting and writing two styles of picture: a folder with two sub-folders, or two arrays.

The objects are `Images` whose labels are the names of the two styles.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from conjure.core.errors import DataError
from conjure.domains.image import corpus as pictures
from conjure.domains.image.corpus import cut, split, write
from conjure.domains.image.folder import SUFFIXES, load_picture
from conjure.domains.image.pictures import Images, images
from conjure.domains.protocol import Source

__all__ = ["cut", "join", "read", "read_questions", "split", "write"]

EMBEDDED: dict[str, str] = {}
SHAPE = "two styles are a folder with two sub-folders of pictures, or a .npz file with two arrays"


def read(data: Any, **options: Any) -> tuple[Any, Source]:
    """Pictures of two styles and their source.

    data: a folder whose two sub-folders, of any names, hold PNG and JPEG files; a .npz file with two arrays of
    pictures, of any names, or with "images" and "labels"; in Python also {name: array, name: array} or labelled
    Images. A file that cannot be read is left out and noted; DataError where there are not two styles.
    """
    if isinstance(data, dict):
        found = _both({str(name): images(array, where=str(name)) for name, array in data.items()}, "the data")
        return found, Source("arrays in memory", "", pictures.digest(found), rows=len(found))
    if isinstance(data, (str, Path)) and Path(data).suffix == ".npz" and Path(data).is_file():
        found, source = _from_arrays(Path(data), options)
    else:
        found, source = pictures.read(data, **options)
    if isinstance(found, Images):
        _two(found.classes if found.labels is not None else (), source.path or source.name)
    return found, source


def read_questions(data: Any) -> Images:
    """Pictures to translate: one file, a folder, arrays; of one style, both, or unknown style.

    DataError names a file that is no picture.
    """
    if isinstance(data, dict):
        return read(data)[0]
    if not isinstance(data, (str, Path)):
        array = data if isinstance(data, Images) else np.asarray(data)
        one = isinstance(array, np.ndarray) and array.ndim == 3 and array.shape[2] in (1, 3)
        return pictures.read(array[None] if one else array)[0]
    path = Path(data)
    if path.suffix.lower() not in SUFFIXES or not path.is_file():
        return (read if path.suffix == ".npz" else pictures.read)(data)[0]
    try:
        return Images([load_picture(path)], names=(str(path),))
    except (OSError, SyntaxError, ValueError) as error:
        raise DataError(f"{path} cannot be read as a picture: {error}") from None


def join(parts: list[Images]) -> Images:
    """The inverse of cutting."""
    labels = [part.labels for part in parts]
    return Images(
        [picture for part in parts for picture in part],
        None if any(each is None for each in labels) else np.concatenate(labels),  # type: ignore[arg-type]
        parts[0].classes,
        tuple(name for part in parts for name in part.names),
        parts[0].notes,
    )


def _from_arrays(path: Path, options: dict[str, Any]) -> tuple[Any, Source]:
    try:
        with np.load(path, allow_pickle=False) as file:
            if "images" in file:
                return pictures.read(path, **options)
            sets = {name: images(file[name], where=f"{path}, {name}") for name in sorted(file.files)}
    except (ValueError, OSError, EOFError) as error:
        raise DataError(f"{path} is not a readable NumPy file: {error}") from None
    found = _both(sets, str(path))
    with path.open("rb") as file:
        return found, Source(path.name, str(path), hashlib.file_digest(file, "sha256").hexdigest(), rows=len(found))


def _both(sets: dict[str, Images], where: str) -> Images:
    """Two sets as one, labelled with their names."""
    _two(tuple(sets), where)
    labels = np.repeat(np.array(list(sets)), [len(one) for one in sets.values()])
    return Images([picture for one in sets.values() for picture in one], labels, tuple(sorted(sets)))


def _two(names: tuple[str, ...], where: str) -> None:
    if len(names) != 2:
        there = f"{len(names)} sets: {', '.join(names[:5])}" if names else "pictures of one style"
        raise DataError(f"{where} holds {there}; {SHAPE}")
