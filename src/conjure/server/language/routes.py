"""All the language routes, put into an application."""

from __future__ import annotations

import time

from fastapi import FastAPI

from conjure.server.language import chat, completions, embeddings, tokens
from conjure.server.language.talker import Talkers
from conjure.server.service import Service


def install(app: FastAPI, service: Service) -> None:
    """Add the routes, and a writer for each artifact that can talk."""
    app.state.talkers, app.state.created = Talkers(service), int(time.time())
    for module in (chat, completions, embeddings, tokens):
        app.include_router(module.router)
