"""Fits over HTTP: asked for, watched, cancelled, resumed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Annotated, Any

from fastapi import APIRouter, Request
from fastapi import Path as InPath
from fastapi.responses import PlainTextResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from conjure import artifact as artifacts
from conjure import catalog
from conjure.core.config import nearest
from conjure.server import confined
from conjure.server.errors import RESPONSES, Refusal, placeless
from conjure.server.events import Events, event
from conjure.server.forms import apps, form
from conjure.server.jobs import INTERRUPTED, OVER, Jobs, Order
from conjure.server.shelf import NAME, Shelf
from conjure.verbs import recipe_for

router = APIRouter(tags=["fits"], responses=RESPONSES)
Number = Annotated[str, InPath(pattern=r"^[0-9a-f]{16}$")]
SECONDS = 0.3  # between two looks at a run
Word = Annotated[str, Field(max_length=500)]


class Asked(BaseModel):
    """A fit. data: an upload's number or an embedded set. settings: words as "model.width=256". start, through: names
    of artifacts to go on from, or whose codes are modelled. minutes: wall time to use. preview: seconds from one look
    at the unfinished model to the next, 0 for none; without it the server's own.
    """

    model_config = ConfigDict(extra="forbid")
    app: str = Field(max_length=64)
    data: str = Field(min_length=1, max_length=200)
    name: str = Field(pattern=f"^{NAME}$")
    recipe: str | None = Field(None, max_length=64, pattern=r"^[A-Za-z0-9_-]+$")
    model: str | None = Field(None, max_length=64)
    settings: list[Word] = Field(default_factory=list, max_length=100)
    start: str | None = Field(None, pattern=f"^{NAME}$")
    through: str | None = Field(None, pattern=f"^{NAME}$")
    minutes: float | None = Field(None, gt=0, le=60 * 24 * 30)
    seed: int | None = Field(None, ge=0, lt=1 << 31)
    preview: float | None = Field(None, ge=0, le=86_400)


class Look(BaseModel):
    """Samples of an unfinished model: n of them after so many steps, as HTML by the view of their kind of data."""

    step: int
    n: int
    html: str


@router.get("/apps")
def products() -> list[dict[str, Any]]:
    """What can be fitted, by which recipes, and the sets that come with it."""
    return apps()


@router.get("/apps/{app}/form")
def settings(app: str, recipe: str | None = None) -> list[dict[str, Any]]:
    """A recipe's settings as a form: groups of fields with kind, value and choices."""
    if recipe is not None and not recipe.replace("_", "").replace("-", "").isalnum():
        raise Refusal(400, f"{recipe[:64]!r} is no recipe's name", param="recipe")
    return form(recipe_for(app, recipe=recipe))


@router.post("/fits", status_code=201)
def begin(request: Request, asked: Asked) -> dict[str, Any]:
    """Queue a fit; it runs in a process of its own and leaves an artifact of that name."""
    state = request.app.state
    jobs, shelf = _jobs(request), state.shelf
    if asked.app not in catalog.APPS:
        raise Refusal(400, f"no app is called {asked.app!r}: {nearest(asked.app, list(catalog.APPS))}", param="app")
    place = shelf.place(asked.name)
    taken = [job for job in jobs.all() if job["name"] == asked.name and job["status"] not in OVER]
    if asked.name in shelf.given or artifacts.occupied(place) or place.exists() or taken:
        raise Refusal(409, f"{asked.name!r} is taken: choose another name", param="name")
    data = state.uploads.data(asked.data, catalog.resolve("apps", asked.app).domain)
    choice: dict[str, Any] = {"recipe": asked.recipe, "model": asked.model, "settings": asked.settings}
    choice |= {"start": _folder(shelf, asked.start), "through": _folder(shelf, asked.through)}
    recipe = recipe_for(asked.app, **choice)  # what is wrong is refused now, not in a minute
    confined.settings(recipe)
    artifacts.gone_through(recipe)
    every = state.service.settings.preview if asked.preview is None else asked.preview
    order = Order(asked.app, data, str(place), choice, asked.minutes, asked.seed, preview=every)
    return jobs.submit(asked.name, order, asked.model_dump())


def _folder(shelf: Shelf, name: str | None) -> str | None:
    if name is None:
        return None
    found = shelf.get(name).path
    if found is None:
        raise Refusal(409, f"{name} lies in no folder, so nothing can go on from it")
    return str(found)


@router.get("/fits")
def every(request: Request) -> list[dict[str, Any]]:
    """All fits, the newest first."""
    return _jobs(request).all()


@router.get("/fits/{number}")
def one(request: Request, number: Number) -> dict[str, Any]:
    """A fit: its status, how far it is, its place in the queue."""
    return _jobs(request).get(number)


@router.get("/fits/{number}/preview")
def preview(request: Request, number: Number) -> Look:
    """What the model makes so far; once the fit is over, what it makes now."""
    found = _jobs(request).preview(number)
    if found is None:
        raise Refusal(
            404, f"fit {number} has shown nothing yet: ask again, or fit with preview above 0", param="number"
        )
    return Look(**found)


@router.get("/fits/{number}/log", response_class=PlainTextResponse)
def log(request: Request, number: Number) -> PlainTextResponse:
    """The end of what the process wrote; paths of this machine are left out."""
    return PlainTextResponse(placeless(_jobs(request).log(number), request.app.state.service.settings.root))


@router.get("/fits/{number}/events", response_class=Response)
async def events(request: Request, number: Number) -> Events:
    """The run's progress as server-sent events, from its first line to its end."""
    jobs = _jobs(request)
    await asyncio.to_thread(jobs.get, number)

    async def lines() -> AsyncGenerator[bytes, None]:
        told, status = 0, None
        while True:
            job, found = await asyncio.to_thread(lambda: (jobs.get(number), jobs.progress(number)))
            for line in found[told:]:
                yield event(line)
            told = len(found)
            if job["status"] != status:
                status = job["status"]
                yield event({"status": status, "message": job["message"], "place": job["place"]})
            if status in (*OVER, INTERRUPTED):
                return
            await asyncio.sleep(SECONDS)

    return Events(lines())


@router.post("/fits/{number}/cancel")
def cancel(request: Request, number: Number) -> dict[str, Any]:
    """End a fit; what a running one has learnt is kept."""
    return _jobs(request).cancel(number)


@router.post("/fits/{number}/resume")
def resume(request: Request, number: Number) -> dict[str, Any]:
    """Go on with a fit that was cut short, from its checkpoint."""
    return _jobs(request).resume(number)


def _jobs(request: Request) -> Jobs:
    jobs = request.app.state.jobs
    if jobs is None:
        raise Refusal(409, "this server fits nothing: start it with --root FOLDER")
    return jobs
