"""The application: every route behind one guard. `create` makes it from settings, `running.serve` runs it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.middleware.cors import CORSMiddleware

import conjure
from conjure.core.errors import ConfigError
from conjure.server import artifacts, errors, fits, health, metrics, scores, uploads
from conjure.server.drawing import Drawers
from conjure.server.gate import Gate
from conjure.server.guard import Guard
from conjure.server.jobs import Jobs
from conjure.server.language import routes as language
from conjure.server.metrics import Measured
from conjure.server.service import Service
from conjure.server.settings import Settings
from conjure.server.shelf import Shelf
from conjure.server.uploads import Uploads

RATING, FEEDBACK = "/rating", "feedback.db"


def create(settings: Settings) -> FastAPI:
    """The application that serves the settings' artifacts."""
    service = Service(settings)

    @asynccontextmanager
    async def alive(_: FastAPI) -> AsyncIterator[None]:
        yield
        service.close()

    app = FastAPI(title="conjure", version=conjure.__version__, lifespan=alive, docs_url=None, redoc_url=None)
    app.state.service = service
    errors.install(app)
    app.include_router(health.router)
    app.include_router(metrics.router)
    language.install(app, service)
    _keep(app, service)
    for routes in (artifacts.router, scores.router, fits.router, uploads.router):
        app.include_router(routes)
    rated = _ask(app, settings)
    if settings.studio:
        from conjure.server.studio import quickly  # here, since gradio takes a second to import

        quickly.load()
        from conjure.server.studio.house import House
        from conjure.server.studio.page import mount

        chatting = {n: t for n, t in app.state.talkers.known.items() if hasattr(t.codec, "prompt")}
        state = app.state
        mount(app, House(state.shelf, state.uploads, state.jobs, chatting, settings.preview, rated))
    app.openapi = lambda: _page(app)  # type: ignore[method-assign]
    app.add_middleware(Guard, service=service)
    if settings.origins:
        app.add_middleware(
            CORSMiddleware, allow_origins=list(settings.origins), allow_methods=["*"], allow_headers=["*"]
        )
    app.add_middleware(Measured, metrics=service.metrics)  # the last added stands first
    return app


def _keep(app: FastAPI, service: Service) -> None:
    """What the routes of artifacts and fits share: the shelf, uploads, the queue of fits, turns at heavy work."""
    settings, state = service.settings, app.state
    state.shelf, state.uploads = Shelf(settings.root, settings.artifacts), Uploads(settings.root)
    state.jobs = None if settings.root is None else Jobs(settings.root, settings.store)
    state.drawers = Drawers()
    state.drawing, state.heavy = Gate(settings.limits.waiting, 0), Gate(1, settings.limits.waiting)
    service.closers += [state.drawers.close, *([state.jobs.close] if state.jobs else [])]


def _ask(app: FastAPI, settings: Settings) -> str:
    """The page on which people rate, with its own tokens for raters; where it is, "" where there is nothing to rate.

    ConfigError for a file that is not there (a store would be made, with nothing to rate), or is no store.
    """
    own = None if settings.root is None else settings.root / FEEDBACK
    place = settings.feedback or (str(own) if own is not None and own.exists() else "")
    if not place:
        return ""
    if "://" not in place and not Path(place).exists():
        raise ConfigError(f"there is no feedback store {place}: `conjure assistant compare --store {place}` makes one")
    try:
        from conjure.feedback.store import Store  # here, since most servers have no raters
        from conjure.server.rating import Rating, application
    except ImportError as error:
        raise ConfigError(f"rating needs the package {error.name}: pip install 'conjure[feedback]'") from None
    store = Store(place)
    app.state.service.closers.append(store.close)
    app.mount(RATING, application(Rating(store)))
    return f"{RATING}/"


def _page(app: FastAPI) -> dict[str, Any]:
    """OpenAPI without FastAPI's own form of errors, which ours replaces."""
    if not app.openapi_schema:
        page = get_openapi(title=app.title, version=app.version, routes=app.routes)
        for path in page["paths"].values():
            for verb in path.values():
                verb["responses"].pop("422", None)
        for name in ("HTTPValidationError", "ValidationError"):
            page.get("components", {}).get("schemas", {}).pop(name, None)
        app.openapi_schema = page
    return app.openapi_schema
