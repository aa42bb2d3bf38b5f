"""The artifacts a server knows by name: those it was started with and those below its root; in and out as zip files."""

from __future__ import annotations

import errno
import re
import secrets
import shutil
import struct
import tempfile
import threading
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from conjure import artifact as artifacts
from conjure.artifact import CARD, CODEC, FIRST, MANIFEST, TABLES, WEIGHTS, Artifact
from conjure.core.errors import ArtifactError
from conjure.server import confined
from conjure.server.errors import Refusal

NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
OPEN = 8  # artifacts kept in memory
OWN = (MANIFEST, CODEC, WEIGHTS, CARD)
INSIDE = rf"(?:(?:{FIRST}|{TABLES}/[^/\\]{{1,64}})/){{0,2}}"  # the folders of artifacts that one is composed of
MEMBERS = re.compile(INSIDE + "(?:" + "|".join(map(re.escape, OWN)) + ")")
LONGEST, DEEP = 200, 12  # bytes of a name in an archive, folders within folders
DAMAGED = (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, RuntimeError, ValueError, struct.error)
RATIO = 200  # uncompressed over compressed bytes, beyond which an archive is a bomb


class Shelf:
    """Artifacts by name, opened when asked for. A name is never a path: it is matched against `NAME` first."""

    def __init__(self, root: Path | None, given: dict[str, Artifact]):
        self.folder = None if root is None else root / "artifacts"
        self.given = dict(given)
        self._open: OrderedDict[str, tuple[int, Artifact]] = OrderedDict()
        self._lock = threading.Lock()
        if self.folder is not None:
            self.folder.mkdir(parents=True, exist_ok=True)

    def names(self) -> list[str]:
        """All that can be opened, in order."""
        found = set(self.given)
        if self.folder is not None:
            found |= {p.name for p in self.folder.iterdir() if artifacts.occupied(p) and re.fullmatch(NAME, p.name)}
        return sorted(found)

    def get(self, name: str) -> Artifact:
        """An artifact; Refusal 404 where there is none of that name, 409 where it cannot be opened."""
        if name in self.given:
            return self.given[name]
        place = self.place(name)
        if not artifacts.occupied(place):
            raise Refusal(404, f"there is no artifact {name!r}: GET /artifacts lists them", param="name")
        with self._lock:
            made = (place / MANIFEST).stat().st_mtime_ns
            if name not in self._open or self._open[name][0] != made:
                try:
                    self._open[name] = (made, confined.artifact(artifacts.load(place), self.folder.parent))
                except ArtifactError as error:
                    raise Refusal(409, str(error).replace(str(place), name)) from None
            self._open.move_to_end(name)
            while len(self._open) > OPEN:
                self._open.popitem(last=False)
            return self._open[name][1]

    def place(self, name: str) -> Path:
        """The folder of a name below the root; Refusal for a name that is none, or without a root."""
        if not re.fullmatch(NAME, name) or name.endswith("."):
            raise Refusal(400, f"{name!r} is no name: letters, digits, '.', '_' and '-', at most 64", param="name")
        if self.folder is None:
            raise Refusal(409, "this server keeps nothing: start it with --root FOLDER")
        return self.folder / name

    def remove(self, name: str) -> None:
        """Forget an artifact below the root, files and all."""
        if name in self.given:
            raise Refusal(
                409, f"{name} was named when the server was started; only what lies below its root is removed"
            )
        place = self.place(name)
        if not artifacts.occupied(place):
            raise Refusal(404, f"there is no artifact {name!r}", param="name")
        gone = place.with_name(f".{place.name}.{secrets.token_hex(4)}")
        place.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)
        self._open.pop(name, None)

    @contextmanager
    def packed(self, name: str) -> Iterator[IO[bytes]]:
        """A zip file of an artifact's folder, open for reading."""
        found = self.get(name)
        with tempfile.TemporaryDirectory() as spare, tempfile.TemporaryFile() as file:
            place = found.path if found.path is not None and artifacts.occupied(found.path) else None
            place = place or artifacts.save(found, Path(spare) / "made")
            with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
                for file_ in sorted(place.rglob("*")):
                    member = file_.relative_to(place).as_posix()
                    if file_.is_file() and MEMBERS.fullmatch(member):
                        archive.write(file_, member)
            file.seek(0)
            yield file

    def unpack(self, name: str, archive: Path, most: int) -> Artifact:
        """Put an artifact out of a zip file on the shelf: validated before it gets its name."""
        place = self.place(name)
        if artifacts.occupied(place) or name in self.given:
            raise Refusal(409, f"there is an artifact {name!r} already: choose another name", param="name")
        with tempfile.TemporaryDirectory(dir=self.folder, prefix=".") as spare:
            made = Path(spare) / "made"
            extract(archive, made, most, MEMBERS)
            try:
                artifacts.load(made)
            except ArtifactError as error:
                raise Refusal(400, f"this is no artifact: {str(error).replace(str(made), 'the archive')}") from None
            try:
                made.rename(place)
            except OSError:
                raise Refusal(409, f"there is an artifact {name!r} already: choose another name") from None
        return self.get(name)


def extract(archive: Path, folder: Path, most: int, members: re.Pattern[str] | None = None) -> list[Path]:
    """Unpack a zip file whose files, of at most `most` bytes in all, stay below the folder.

    members: what the names are like. Refusal for paths that lead out, links, bombs, damage, nothing inside.
    """
    made = []
    try:
        with zipfile.ZipFile(archive) as opened:
            infos = [i for i in opened.infolist() if not i.is_dir()]
            total, packed = sum(i.file_size for i in infos), sum(i.compress_size for i in infos)
            if total > most or total > RATIO * max(packed, 1 << 10):
                raise Refusal(
                    413, f"the archive would unpack to {total:,} bytes: at most {most:,} and {RATIO} times its size"
                )
            for info in infos:
                parts = Path(info.filename.replace("\\", "/")).parts
                link = info.external_attr >> 28 == 0o12
                odd = any(not part.isprintable() or len(part.encode()) > LONGEST or ":" in part for part in parts)
                if not parts or link or odd or ".." in parts or Path(*parts).is_absolute() or len(parts) > DEEP:
                    raise Refusal(400, f"the archive holds {info.filename[:80]!r}, which is no plain file inside it")
                if members is not None and not members.fullmatch("/".join(parts)):
                    raise Refusal(400, f"the archive holds {info.filename!r}, which no artifact has")
                place = folder.joinpath(*parts)
                place.parent.mkdir(parents=True, exist_ok=True)
                with opened.open(info) as source, place.open("wb") as target:
                    _copy(source, target, info.file_size)
                made.append(place)
    except DAMAGED as error:
        raise Refusal(400, f"the archive cannot be read: {error}") from None
    except OSError as error:
        if error.errno != errno.EINVAL:  # of a full disk, say; this one is of an archive that points before its start
            raise
        raise Refusal(400, "the archive cannot be read: it points outside itself") from None
    if not made:
        raise Refusal(400, "the archive holds no file")
    return made


def _copy(source: IO[bytes], target: IO[bytes], told: int) -> None:
    """Copy no more than the archive told: a lie about the size must not fill the disk."""
    left = told
    while piece := source.read(min(1 << 20, left + 1)):
        left -= len(piece)
        if left < 0:
            raise Refusal(400, "the archive holds more than it says")
        target.write(piece)
