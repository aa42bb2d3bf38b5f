"""The verbs of an artifact over HTTP: sample, score, complete, evaluate; and artifacts in and out."""

from __future__ import annotations

import asyncio
import mimetypes
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from fastapi import Path as InPath
from fastapi.responses import HTMLResponse, JSONResponse, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from conjure import evaluation, sampling, scoring
from conjure.artifact import Artifact
from conjure.server import confined, packing
from conjure.server.drawing import Drawers
from conjure.server.errors import RESPONSES, Refusal
from conjure.server.events import unless_left
from conjure.server.gate import Gate
from conjure.server.shelf import NAME, Shelf
from conjure.server.uploads import UNPACKED, Uploads

router = APIRouter(tags=["artifacts"], responses=RESPONSES)
Name = Annotated[str, InPath(pattern=f"^{NAME}$")]
MOST = 100_000  # objects of one request


class Sampling(BaseModel):
    """What to draw. given: the domain's own words, such as {"income": ">50K"}. format: a file's suffix, or zip: all
    files with the command line that draws them again.
    """

    model_config = ConfigDict(extra="forbid")
    n: int = Field(1, ge=1, le=MOST)
    given: dict[str, str | int | float | bool] = Field(default_factory=dict)
    seed: int | None = Field(None, ge=0, lt=1 << 31)
    format: str = Field("", max_length=10, pattern=r"^\.?[A-Za-z0-9]*$")


class Data(BaseModel):
    """Data to work on: an upload's number or an embedded set. n: of an evaluation, how many samples are judged."""

    model_config = ConfigDict(extra="forbid")
    data: str = Field(min_length=1, max_length=200)
    n: int | None = Field(None, ge=2, le=MOST)
    seed: int = Field(0, ge=0, lt=1 << 31)
    format: str = Field("", max_length=10, pattern=r"^\.?[A-Za-z0-9]*$")


@router.get("/artifacts")
def shelf(request: Request) -> list[dict[str, Any]]:
    """All artifacts, with what they are of."""
    known: Shelf = request.app.state.shelf
    found = []
    for name in known.names():
        try:
            found.append(about(name, known.get(name)))
        except Refusal as refusal:
            found.append({"name": name, "broken": str(refusal)})
    return found


def about(name: str, artifact: Artifact) -> dict[str, Any]:
    """An artifact in a few words."""
    recipe, source = artifact.recipe, artifact.card.get("source", {})
    return {
        "name": name,
        "domain": recipe.domain,
        "model": recipe.model,
        "data": source.get("name", ""),
        "licence": source.get("licence", "unknown"),
        "rows": source.get("rows", 0),
        "made": artifact.card.get("made", ""),
        "scores": artifact.score_kind,
        "completes": hasattr(artifact.codec, "complete") and artifact.first is None,
    }


@router.get("/artifacts/{name}")
def one(request: Request, name: Name) -> dict[str, Any]:
    """An artifact's card and recipe. Where the data lay on this machine is left out."""
    artifact = request.app.state.shelf.get(name)
    source = {k: v for k, v in artifact.card.get("source", {}).items() if k != "path"}
    return about(name, artifact) | {
        "card": {**artifact.card, "source": source},
        "recipe": {k: v for k, v in artifact.recipe.nested().items() if k not in ("start", "through")},
    }


@router.delete("/artifacts/{name}", status_code=204)
def remove(request: Request, name: Name) -> None:
    """Remove an artifact below the server's root."""
    request.app.state.shelf.remove(name)


@router.post("/artifacts/{name}/sample", response_class=Response)
async def sample(request: Request, name: Name, asked: Sampling) -> Response:
    """New objects as a file. Headers tell seed and rows: `X-Conjure-Rows: a-b of N` of a draw of N under that seed."""
    shelf: Shelf = request.app.state.shelf
    artifact = shelf.given.get(name) or await asyncio.to_thread(shelf.get, name)
    drawers: Drawers = request.app.state.drawers
    given = confined.words(artifact, asked.given, request.app.state.uploads)
    with request.app.state.drawing.entered():
        waiting = asyncio.wrap_future(drawers.of(artifact).ask(asked.n, given, asked.seed))
        drawn = await unless_left(request.receive, _awaited(waiting))
    headers = {
        "x-conjure-seed": str(drawn.seed),
        "x-conjure-rows": f"{drawn.first}-{drawn.first + asked.n} of {drawn.total}",
    }
    line = packing.command("sample", name, given=asked.given, n=drawn.total, seed=drawn.seed)
    told = "" if drawn.total == asked.n else f"# rows {drawn.first} to {drawn.first + asked.n - 1} of it are these"
    return await asyncio.to_thread(as_file, artifact, drawn.objects, asked.format, (line, told), headers)


async def _awaited(waiting: asyncio.Future[Any]) -> Any:
    return await waiting


@router.post("/artifacts/{name}/score")
async def score(request: Request, name: Name, asked: Data) -> dict[str, Any]:
    """log P in nats of each object of the data, and of what kind the number is: exact, bound, estimate or energy."""

    def work(artifact: Artifact, path: str) -> dict[str, Any]:
        objects, _ = artifact.recipe.read(path)
        nats = [float(v) for v in scoring.score(artifact, objects)]
        return {"kind": artifact.score_kind, "nats": [v if abs(v) != float("inf") else None for v in nats]}

    return await _heavy(request, name, asked, work)


@router.post("/artifacts/{name}/complete", response_class=Response)
async def complete(request: Request, name: Name, asked: Data) -> Response:
    """The data with what it lacks filled in, as a file."""

    def work(artifact: Artifact, path: str) -> Response:
        made = sampling.complete(artifact, sampling.read_questions(artifact, path), seed=asked.seed)
        line = packing.command("complete", name, Path(path).name, given={}, seed=asked.seed)
        return as_file(artifact, made, asked.format, (line, ""), {})

    return await _heavy(request, name, asked, work)


@router.post("/artifacts/{name}/evaluate", response_class=Response)
async def evaluate(request: Request, name: Name, asked: Data) -> Response:
    """The report on data the model never saw: a page (format html), else its numbers."""

    def work(artifact: Artifact, path: str) -> Response:
        report = evaluation.evaluate(artifact, path, n=asked.n, seed=asked.seed)
        if asked.format.lstrip(".") in ("html", "htm"):
            own = (
                "default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'; frame-ancestors 'self'"
            )
            return HTMLResponse(report.to_html(), headers={"content-security-policy": own})
        return Response(report.to_json(), media_type="application/json")

    return await _heavy(request, name, asked, work)


async def _heavy(request: Request, name: str, asked: Data, work: Any) -> Any:
    """Work on data in a thread, one at a time, others waiting their turn."""
    state = request.app.state
    artifact = await asyncio.to_thread(state.shelf.get, name)
    return await in_turn(request, work, artifact, state.uploads.data(asked.data, artifact.recipe.domain))


async def in_turn(request: Request, work: Any, *words: Any) -> Any:
    """Heavy work in a thread, when its turn has come."""
    gate: Gate = request.app.state.heavy
    with gate.entered():
        async with gate.turn():
            return await asyncio.to_thread(work, *words)


def as_file(artifact: Artifact, objects: Any, format: str, line: tuple[str, str], headers: dict[str, str]) -> Response:
    """Objects in a file of the wanted kind: several files as an archive, in which the command line is too.

    line: it, and a remark.
    """
    domain, packed = artifact.recipe.domain, format.lstrip(".") == "zip"
    suffix = f".{format.lstrip('.')}" if format and not packed else ""
    with tempfile.TemporaryDirectory() as spare:
        folder = Path(spare) / "samples"
        folder.mkdir()
        path = packing.written(domain, objects, folder, "samples", suffix)
        if packed or path.is_dir():
            whole = f"{line[0]} -o samples{suffix or packing.suffix_of(domain, objects)}"
            path = packing.archived(folder, f"{whole}\n{line[1]}".strip(), artifact)
        kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        return Response(path.read_bytes(), media_type=kind, headers=headers)


@router.get("/artifacts/{name}/download", response_class=StreamingResponse)
def download(request: Request, name: Name) -> StreamingResponse:
    """The artifact's folder as a zip file."""
    known: Shelf = request.app.state.shelf
    known.get(name)

    def pieces() -> Iterator[bytes]:
        with known.packed(name) as file:
            while piece := file.read(1 << 20):
                yield piece

    told = {"content-disposition": f'attachment; filename="{name}.zip"'}
    return StreamingResponse(pieces(), media_type="application/zip", headers=told)


@router.put("/artifacts/{name}", status_code=201)
async def bring(request: Request, name: Name) -> JSONResponse:
    """Put an artifact on the shelf: the body is a zip file of its folder, validated before it is opened."""
    uploads: Uploads = request.app.state.uploads
    known: Shelf = request.app.state.shelf
    known.place(name)
    with tempfile.TemporaryDirectory(dir=uploads.folder, prefix=".") as spare:
        archive = Path(spare) / "archive"
        with archive.open("wb") as file:
            async for piece in request.stream():
                await asyncio.to_thread(file.write, piece)
        made = await asyncio.to_thread(known.unpack, name, archive, UNPACKED)
    return JSONResponse(about(name, made), 201)
