"""What arrives wrong (too much, too little, of another kind, on a full disk) is told in a sentence; nothing is left."""

from __future__ import annotations

import errno
import io
import json
import resource
import socket
import struct
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

pytest.importorskip("fastapi")
from starlette.testclient import TestClient

from conjure import artifact as artifacts
from conjure.fitting import fit
from conjure.server import child, uploads
from conjure.server.app import create
from conjure.server.errors import Refusal
from conjure.server.settings import Limits, Settings
from conjure.server.shelf import extract
from conjure.verbs import recipe_for
from tests.unit.server.live import Live, live

MOST = 4 << 20
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8
QUICK = ["training.epochs=1", "training.threads=1", "model.states=2"]


@pytest.fixture(scope="module")
def wine() -> Any:
    return fit(recipe_for("tables", settings=QUICK), "wine")


@pytest.fixture
def client(tmp_path: Path, wine: Any) -> Iterator[TestClient]:
    with TestClient(create(Settings({"wine": wine}, tmp_path)), base_url="http://127.0.0.1") as made:
        yield made


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Live]:
    with live(create(Settings(root=tmp_path, limits=Limits(upload=MOST)))) as made:
        yield made


def until(true: Callable[[], bool], seconds: float = 10) -> bool:
    """Whether something becomes true in time."""
    end = time.monotonic() + seconds
    while not true() and time.monotonic() < end:
        time.sleep(0.02)
    return true()


def left(root: Path) -> list[Path]:
    """Files that bringing things left below a root."""
    return [p for part in ("uploads", "artifacts") for p in (root / part).rglob("*")]


@pytest.mark.parametrize("place", ["uploads/a.csv", "artifacts/a"])
def test_two_gigabytes_are_refused_before_the_first_of_them_is_sent(server: Live, tmp_path: Path, place: str):
    head = f"PUT /{place} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {2 << 30}\r\n\r\n".encode()
    begun = time.monotonic()
    assert f"larger than the {MOST:,} bytes".encode() in server.raw(head, wait=2)
    assert time.monotonic() - begun < 5
    assert left(tmp_path) == []


@pytest.mark.parametrize("place", ["uploads/a.csv", "artifacts/a"])
def test_what_comes_without_a_length_is_counted_while_it_comes(server: Live, tmp_path: Path, place: str):
    def pieces() -> Iterator[bytes]:
        for _ in range(16 * MOST >> 17):
            yield bytes(1 << 17)

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    answer = httpx.put(f"{server.url}/{place}", content=pieces(), timeout=30)
    assert answer.status_code == 413
    assert "bytes that are taken" in answer.json()["error"]["message"]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20 << 10  # KiB
    assert left(tmp_path) == []


@pytest.mark.parametrize("place", [b"uploads/a.csv", b"uploads/a.zip", b"artifacts/a"])
def test_a_connection_lost_on_the_way_leaves_nothing(
    server: Live, tmp_path: Path, place: bytes, caplog: pytest.LogCaptureFixture
):
    with socket.create_connection(("127.0.0.1", server.port)) as line:
        line.sendall(
            b"PUT /" + place + b" HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n" + b"a,b\n" * 999
        )
        assert until(lambda: bool(left(tmp_path)))  # it has begun to arrive
    assert until(lambda: not left(tmp_path))
    assert not [r for r in caplog.records if "fault" in r.message]  # a client that leaves is no fault of ours
    assert httpx.get(f"{server.url}/health").status_code == 200


@pytest.mark.parametrize(
    ("name", "content"), [("cells.csv", PNG), ("cells.parquet", b"a,b\n1,2\n"), ("cells.exe", PNG)]
)
def test_a_file_of_another_kind_is_told_by_its_name(client: TestClient, tmp_path: Path, name: str, content: bytes):
    number = client.put(f"/uploads/{name}", content=content).json()["upload"]
    refused = client.post("/artifacts/wine/score", json={"data": number})
    assert refused.status_code == 400
    assert name in refused.json()["error"]["message"]
    assert "Traceback" not in refused.text
    assert str(tmp_path) not in refused.text


def test_an_artifact_of_another_app_is_refused_by_both_names(client: TestClient, tmp_path: Path):
    client.put("/artifacts/tables", content=client.get("/artifacts/wine/download").content)
    asked = {"app": "images", "data": "digits", "name": "x", "start": "tables"}
    refused = client.post("/fits", json=asked)
    assert refused.status_code == 400
    assert "is of table data; images works on image" in refused.json()["error"]["message"]
    assert str(tmp_path) not in refused.text  # where the house lies is nobody's business
    through = client.post("/fits", json={"app": "images", "data": "digits", "name": "x", "through": "tables"})
    assert through.status_code == 400
    assert "tables is of table data" in through.json()["error"]["message"]
    assert client.get("/fits").json() == []
    pictures = client.put("/uploads/p.zip", content=zipped({"a.png": PNG, "b.png": PNG})).json()["upload"]
    wrong = client.post("/artifacts/wine/evaluate", json={"data": pictures})
    assert wrong.status_code == 400
    assert client.post("/artifacts/wine/evaluate", json={"data": "digits"}).status_code == 400
    assert client.post("/artifacts/wine/complete", json={"data": "phrases"}).status_code == 400


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        ({"n": 0}, "n"),
        ({"n": 10**9}, "n"),
        ({"n": "many"}, "n"),
        ({"seed": -1}, "seed"),
        ({"seed": 1 << 40}, "seed"),
        ({"format": "../x"}, "format"),
        ({"given": {"alcohol": [1]}}, "given.alcohol"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_parameter_out_of_range_is_named(client: TestClient, asked: dict[str, Any], param: str):
    refused = client.post("/artifacts/wine/sample", json=asked)
    assert refused.status_code == 400
    assert refused.json()["error"]["param"] == param


def test_a_disk_that_fills_in_the_middle_keeps_nothing(
    client: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    packed = client.get("/artifacts/wine/download").content
    whole = Path.open

    class Full:
        """A file that takes ten bytes."""

        def __init__(self, file: Any):
            self.file = file

        def write(self, piece: bytes) -> int:
            self.file.write(piece[:10])
            raise OSError(errno.ENOSPC, "No space left on device")

        def __enter__(self) -> Full:
            return self

        def __exit__(self, *error: Any) -> None:
            self.file.close()

    def opened(self: Path, mode: str = "r", *more: Any, **named: Any) -> Any:
        made = whole(self, mode, *more, **named)
        return Full(made) if mode == "wb" else made

    with monkeypatch.context() as patch:
        patch.setattr(uploads.Path, "open", opened)
        answers = [client.put("/uploads/a.csv", content=b"a,b\n1,2\n"), client.put("/artifacts/twin", content=packed)]
    for answer in answers:
        assert answer.status_code == 507
        assert answer.json()["error"]["code"] == "disk_full"
    assert left(tmp_path) == []
    assert client.put("/artifacts/twin", content=packed).status_code == 201


def test_a_fit_on_a_full_disk_fails_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(*words: Any) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("conjure.fitting.fit", full)
    choice = {"recipe": None, "model": None, "settings": QUICK, "start": None, "through": None}
    order = {"app": "tables", "data": "wine", "out": str(tmp_path / "x"), "choice": choice}
    (tmp_path / "job.json").write_text(json.dumps({**order, "minutes": None, "seed": 1, "resume": False}))
    told = child.run(tmp_path)
    assert told == {"status": "failed", "message": "the server's disk is full: make room, and resume"}


def zipped(members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def test_an_archive_within_an_archive_is_not_unpacked_and_one_of_one_byte_a_file_is_counted(
    client: TestClient, tmp_path: Path
):
    inner = zipped({"zeros.csv": bytes(1 << 24)})
    number = client.put("/uploads/pictures.zip", content=zipped({"inner.zip": inner})).json()["upload"]
    assert [p.name for p in (tmp_path / "uploads" / number).rglob("*") if p.is_file()] == ["inner.zip"]
    bomb = client.put("/uploads/bomb.zip", content=zipped({f"{k}.csv": bytes(1 << 20) for k in range(64)}))
    assert bomb.status_code == 413
    assert "times its size" in bomb.json()["error"]["message"]
    assert artifacts.occupied(tmp_path) is False


def test_an_archive_that_points_before_its_start_is_damaged(tmp_path: Path):
    place = tmp_path / "a.zip"
    with zipfile.ZipFile(place, "w") as archive:
        archive.writestr("rows.csv", "x,y\n1,2\n")
    told = bytearray(place.read_bytes())
    at = told.rfind(b"PK\x05\x06") + 16  # where the directory is said to begin
    struct.pack_into("<I", told, at, struct.unpack_from("<I", told, at)[0] + 10)
    place.write_bytes(told)
    with pytest.raises(Refusal, match="points outside itself"):
        extract(place, tmp_path / "out", 1 << 20)
