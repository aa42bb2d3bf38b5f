"""Files that clients bring: kept below the root under a number of their own, never under a path of the client's."""

from __future__ import annotations

import asyncio
import re
import secrets
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Request
from fastapi import Path as InPath

from conjure import catalog
from conjure.server.errors import RESPONSES, Refusal
from conjure.server.shelf import extract

router = APIRouter(tags=["uploads"], responses=RESPONSES)
NUMBER = r"[0-9a-f]{16}"
FILE = r"[^/\\\x00-\x1f]{1,120}"
UNPACKED = 4 << 30  # bytes that an archive of pictures may unpack to


class Uploads:
    """A folder with one folder an upload."""

    def __init__(self, root: Path | None):
        self.folder = None if root is None else root / "uploads"
        if self.folder is not None:
            self.folder.mkdir(parents=True, exist_ok=True)

    def path(self, number: str) -> Path:
        """The file, or the folder that an archive was unpacked to; Refusal 404 where there is none."""
        if self.folder is None or not re.fullmatch(NUMBER, number) or not (self.folder / number).is_dir():
            raise Refusal(404, f"there is no upload {number!r}", param="data")
        found = sorted((self.folder / number).iterdir())
        if len(found) != 1:
            raise Refusal(404, f"the upload {number!r} is not complete", param="data")
        return found[0]

    def data(self, words: str, domain: str) -> str:
        """What a domain is to read: an upload's number, or the name of a set that comes with conjure."""
        if words in catalog.part(domain, "corpus").EMBEDDED:
            return words
        if re.fullmatch(NUMBER, words):
            return str(self.path(words))
        known = ", ".join(catalog.part(domain, "corpus").EMBEDDED) or "none"
        raise Refusal(400, f"data is an upload's number or an embedded set ({known}), not {words[:80]!r}", param="data")

    async def keep(self, name: str, pieces: AsyncIterator[bytes]) -> tuple[str, Path]:
        """Write pieces to a file of a new upload: (number, path). A broken transfer leaves nothing."""
        if self.folder is None:
            raise Refusal(409, "this server keeps nothing: start it with --root FOLDER")
        if not re.fullmatch(FILE, name) or name.startswith("."):
            raise Refusal(400, f"{name[:80]!r} is no file name: no slashes, no control characters, no dot first")
        number = secrets.token_hex(8)
        place, size = self.folder / f".{number}", 0
        place.mkdir()
        try:
            with (place / name).open("wb") as file:
                async for piece in pieces:
                    size += len(piece)
                    await asyncio.to_thread(file.write, piece)
            if not size:
                raise Refusal(400, f"{name} is empty: it has 0 bytes")
            if name.lower().endswith(".zip"):
                await asyncio.to_thread(self._unzip, place / name)
            place.rename(self.folder / number)
        finally:
            shutil.rmtree(place, ignore_errors=True)
        return number, self.path(number)

    def adopt(self, files: list[Path]) -> str:
        """The number of an upload of files that lie on this machine already: one, or several in a folder."""
        if self.folder is None:
            raise Refusal(409, "this server keeps nothing: start it with --root FOLDER")
        if wrong := [f.name for f in files if not re.fullmatch(FILE, f.name) or f.name.startswith(".")]:
            raise Refusal(400, f"{wrong[0][:80]!r} is no file name: no slashes, no control characters, no dot first")
        if empty := [f.name for f in files if not f.stat().st_size]:
            raise Refusal(400, f"{empty[0]} is empty: it has 0 bytes")
        number = secrets.token_hex(8)
        place = self.folder / f".{number}"
        try:
            inner = place if len(files) == 1 else place / "files"
            inner.mkdir(parents=True)
            for file in files:
                shutil.copyfile(file, inner / file.name)
            if len(files) == 1 and files[0].suffix.lower() == ".zip":
                self._unzip(inner / files[0].name)
            place.rename(self.folder / number)
        finally:
            shutil.rmtree(place, ignore_errors=True)
        return number

    @staticmethod
    def _unzip(archive: Path) -> None:
        """Put an archive's files where the archive was."""
        beside = archive.parent / ".unpacked"
        extract(archive, beside, UNPACKED)
        archive.unlink()
        inner = [p for p in beside.iterdir() if p.name != "__MACOSX"]
        lone = len(inner) == 1 and inner[0].is_dir()  # most tools pack a folder of pictures with the folder itself
        (inner[0] if lone else beside).rename(archive.parent / (inner[0].name if lone else archive.stem))
        shutil.rmtree(beside, ignore_errors=True)


@router.put("/uploads/{name}", status_code=201)
async def upload(request: Request, name: Annotated[str, InPath(max_length=120)]) -> dict[str, Any]:
    """Keep the body as a file of that name; a .zip is unpacked. The number is what other routes call it by."""
    uploads: Uploads = request.app.state.uploads
    number, path = await uploads.keep(name, request.stream())
    size = path.stat().st_size if path.is_file() else sum(p.stat().st_size for p in path.rglob("*") if p.is_file())
    return {"upload": number, "name": path.name, "bytes": size}


@router.delete("/uploads/{number}", status_code=204)
def forget(request: Request, number: Annotated[str, InPath(pattern=f"^{NUMBER}$")]) -> None:
    """Remove an upload."""
    uploads: Uploads = request.app.state.uploads
    shutil.rmtree(uploads.path(number).parent, ignore_errors=True)
