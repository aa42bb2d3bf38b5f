"""The application: every route behind one guard. `create` makes it from settings, `running.serve` runs it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.middleware.cors import CORSMiddleware

import conjure
from conjure.server import errors, health, metrics
from conjure.server.guard import Guard
from conjure.server.language import routes as language
from conjure.server.metrics import Measured
from conjure.server.service import Service
from conjure.server.settings import Settings


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
    app.openapi = lambda: _page(app)  # type: ignore[method-assign]
    app.add_middleware(Guard, service=service)
    if settings.origins:
        app.add_middleware(
            CORSMiddleware, allow_origins=list(settings.origins), allow_methods=["*"], allow_headers=["*"]
        )
    app.add_middleware(Measured, metrics=service.metrics)  # the last added stands first
    return app


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
