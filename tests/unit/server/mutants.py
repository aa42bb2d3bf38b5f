"""Archives and files as an enemy would send them: bytes flipped, cut, members renamed, moved, swollen."""

from __future__ import annotations

import io
import json
import random
import zipfile
from collections.abc import Iterator
from urllib.parse import quote

NAMES = ("../up", "/etc/x", "..\\up", "a/../../up", "C:/x", "first/artifact.json", "evil.py", ".hidden", "x" * 300)


def archive_mutants(packed: bytes, rng: random.Random, count: int) -> Iterator[bytes]:
    """Mutations of a packed artifact."""
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    makers = (_flipped, _cut, _member_flipped, _member_renamed, _member_gone, _json_changed, _swollen)
    for _ in range(count):
        yield rng.choice(makers)(packed, dict(members), rng)


def upload_mutants(packed: bytes, rng: random.Random, count: int) -> Iterator[tuple[str, bytes]]:
    """(name as it stands in the address, content)."""
    contents = (b"", b"a,b\n1,2\n", b"\x00" * 50, b"\xff\xfe" + b"a,b", packed, b"PK\x03\x04" + b"x" * 30)
    names = ("a.csv", "..", "../a.csv", "a/b.csv", "\x00.csv", "a.zip", "pictures.zip", ".env", "%2e%2e", "a" * 200)
    for _ in range(count):
        name, content = rng.choice(names), rng.choice(contents)
        if name.endswith(".zip") and rng.random() < 0.7:
            content = zipped({rng.choice(NAMES): b"x" * rng.randrange(1, 99), "ok.png": b"x"})
        if content and rng.random() < 0.3:
            content = _flipped(content, {}, rng)
        yield quote(name, safe="" if rng.random() < 0.8 else "/"), content


def zipped(members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def _flipped(packed: bytes, members: dict[str, bytes], rng: random.Random) -> bytes:
    changed = bytearray(packed)
    for _ in range(rng.randrange(1, 9)):
        changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed)


def _cut(packed: bytes, members: dict[str, bytes], rng: random.Random) -> bytes:
    return packed[: rng.randrange(len(packed))]


def _member_flipped(packed: bytes, members: dict[str, bytes], rng: random.Random) -> bytes:
    name = rng.choice(list(members))
    return zipped({**members, name: _flipped(members[name], {}, rng)})


def _member_renamed(packed: bytes, members: dict[str, bytes], rng: random.Random) -> bytes:
    members[rng.choice(NAMES)] = members.pop(rng.choice(list(members)))
    return zipped(members)


def _member_gone(packed: bytes, members: dict[str, bytes], rng: random.Random) -> bytes:
    members.pop(rng.choice(list(members)))
    return zipped(members)


def _json_changed(packed: bytes, members: dict[str, bytes], rng: random.Random) -> bytes:
    manifest = json.loads(members["artifact.json"])
    path = rng.choice((["format"], ["recipe", "domain"], ["recipe", "model"], ["files"], ["digest"], ["card"]))
    inner = manifest
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = rng.choice((None, -1, "x", [], {}, 1e308, "../../etc/passwd"))
    return zipped({**members, "artifact.json": json.dumps(manifest).encode()})


def _swollen(packed: bytes, members: dict[str, bytes], rng: random.Random) -> bytes:
    return zipped({**members, rng.choice(list(members)): b"0" * (8 << 20)})
