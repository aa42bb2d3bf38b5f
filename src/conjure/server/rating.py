"""The page on which people rank completions, and the few routes behind it; a larger server may mount the router."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Header, HTTPException, Request
from fastapi.responses import FileResponse, JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from conjure.core.errors import ConfigError, ConjureError, DataError
from conjure.feedback import overview
from conjure.feedback.opinions import Opinion, Task
from conjure.feedback.rankings import panel, settled
from conjure.feedback.store import Store
from conjure.feedback.study import disputed_prompts

PAGES = Path(__file__).parent / "pages"
FILES = {"rating.html": "text/html", "rating.css": "text/css", "rating.js": "text/javascript"}
STRICT = {  # nothing but our own files runs or is loaded
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; frame-ancestors 'self'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
LONGEST = 20_000  # characters of a comment
MOST = 200_000  # characters of a draft


@dataclass(frozen=True)
class Rating:
    """What is rated: a store's round (None: always the latest), by whom (`key`: a word that newcomers must know),
    and whether only what raters dispute is asked, to be settled.
    """

    store: Store
    round: str | None = None
    key: str = ""
    disputed: bool = False
    question: str = "Which answer is better? Put them in order, the best first; equal places are ties."


class Newcomer(BaseModel):
    """Somebody who comes to rate; without a token one is made."""

    name: str = Field(min_length=1, max_length=100)
    token: str = Field("", max_length=200)
    key: str = ""


class Said(BaseModel):
    """A judgement as the page sends it; completions by id."""

    model_config = ConfigDict(extra="forbid")
    ranks: dict[int, float] = {}
    scores: dict[str, dict[int, int]] = {}
    confidence: float | None = None
    comment: str = Field("", max_length=LONGEST)
    skipped: bool = False
    flagged: bool = False
    seconds: float | None = None


@dataclass
class _Whose:
    """The rater behind a request."""

    lap: overview.Lap
    id: int


def application(rating: Rating) -> FastAPI:
    """A server of the rating page alone."""
    app = FastAPI(title="conjure: rating", docs_url=None, redoc_url=None, openapi_url=None)
    app.include_router(router(rating))
    app.add_exception_handler(ConjureError, refuse)
    return app


async def refuse(request: Request, error: Exception) -> Response:
    """What a rater can mend, as one sentence."""
    return JSONResponse({"error": str(error)}, 400)


def router(rating: Rating) -> APIRouter:
    """The page at /, its files beside it, and /api for raters.

    A rater is known by the headers X-Rater (the name, percent-encoded) and X-Token. ConjureError that comes out of a
    route is for the server's `refuse`.
    """
    routes = APIRouter()
    _coming(routes, rating)
    _judging(routes, rating)
    return routes


def _coming(routes: APIRouter, rating: Rating) -> None:
    """The page, its files, and how a rater is made known."""

    @routes.get("/")
    def page() -> Response:
        return FileResponse(PAGES / "rating.html", media_type="text/html", headers=STRICT)

    @routes.get("/pages/{name}")
    def file(name: str) -> Response:
        if name not in FILES:
            raise HTTPException(404)
        return FileResponse(PAGES / name, media_type=FILES[name], headers=STRICT | {"Cache-Control": "no-cache"})

    @routes.post("/api/raters")
    def come(newcomer: Newcomer) -> dict[str, Any]:
        if rating.key and not secrets.compare_digest(newcomer.key.encode(), rating.key.encode()):
            raise HTTPException(403, "the word for newcomers is missing or wrong: ask whoever runs this page")
        name, token = newcomer.name.strip(), newcomer.token or secrets.token_urlsafe(12)
        if not name:
            raise HTTPException(422, "give a name")
        rating.store.rater(name, token)
        return {"name": name, "token": token}


def _judging(routes: APIRouter, rating: Rating) -> None:
    """What a rater asks and says."""
    whose, store = Depends(_whose(rating)), rating.store

    @routes.get("/api/task")
    def ask(who: _Whose = whose) -> dict[str, Any]:
        return _state(rating, who, _next(rating, who))

    @routes.get("/api/task/{prompt_id}")
    def again(prompt_id: int, who: _Whose = whose) -> dict[str, Any]:
        return _state(rating, who, store.task(who.lap.id, who.id, prompt_id))

    @routes.put("/api/draft/{prompt_id}")
    def keep(prompt_id: int, drafted: dict[str, Any], who: _Whose = whose) -> dict[str, Any]:
        if len(json.dumps(drafted)) > MOST:
            raise HTTPException(413, "this draft is too long")
        store.task(who.lap.id, who.id, prompt_id)
        store.save_draft(who.lap.id, who.id, prompt_id, drafted)
        return {"kept": True}

    @routes.post("/api/judgement/{prompt_id}")
    def judge(prompt_id: int, said: Said, who: _Whose = whose) -> dict[str, Any]:
        task = store.task(who.lap.id, who.id, prompt_id)
        shown = [c.id for c in task.completions]
        opinion = Opinion(**said.model_dump(), shown=shown, adjudicates=rating.disputed)
        store.judge(who.lap.id, who.id, prompt_id, opinion)
        return _state(rating, who, _next(rating, who))

    @routes.post("/api/undo")
    def undo(who: _Whose = whose) -> dict[str, Any]:
        back = store.undo(who.lap.id, who.id)
        task = _next(rating, who) if back is None else store.task(who.lap.id, who.id, back)
        return _state(rating, who, task) | {"undone": back is not None}


def _whose(rating: Rating) -> Any:
    """Who asks: the rater of a request's headers, known to the store."""

    def find(x_rater: Annotated[str, Header()] = "", x_token: Annotated[str, Header()] = "") -> _Whose:
        from urllib.parse import unquote

        try:
            known = rating.store.known_rater(unquote(x_rater), x_token)
        except ConfigError as error:
            raise HTTPException(401, str(error)) from None
        return _Whose(overview.choose(rating.store, rating.round), known)

    return find


def _next(rating: Rating, who: _Whose) -> Task | None:
    """The next prompt for a rater: of those disputed in their order, or as the store has it."""
    store = rating.store
    if not rating.disputed:
        return store.next(who.lap.id, who.id)
    try:
        queue = disputed_prompts(panel(store, who.lap.id))
    except DataError:  # one rater only: nothing can be disputed
        return None
    decided = settled(store, who.lap.id)
    left = [prompt for prompt in queue if prompt not in decided]
    return store.task(who.lap.id, who.id, store.prompt(left[0])) if left else None


def _state(rating: Rating, who: _Whose, task: Task | None) -> dict[str, Any]:
    """What the page shows: progress, and the task without a trace of where its completions come from."""
    done, every = rating.store.progress(who.lap.id, who.id)
    state: dict[str, Any] = {"round": who.lap.name, "done": done, "all": every, "question": rating.question}
    if task is None:
        return state | {"task": None, "disputed": rating.disputed}
    shown = [{"id": c.id, "text": c.text} for c in task.completions]
    asked = {"prompt_id": task.prompt_id, "prompt": task.prompt, "completions": shown}
    return state | {"task": asked | {"criteria": task.criteria, "points": task.points, "draft": task.draft}}
