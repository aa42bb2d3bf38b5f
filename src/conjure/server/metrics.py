"""Prometheus metrics: what is asked, how long it takes, how many tokens are read and written."""

from __future__ import annotations

import time
from typing import Any

from fastapi import APIRouter, Request, Response
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
router = APIRouter()


class Metrics:
    """All the server counts, in a registry of its own so that two servers in one process do not mix."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        kept: dict[str, Any] = {"registry": self.registry}
        self.requests = Counter("conjure_requests", "Requests answered", ["method", "route", "status"], **kept)
        self.seconds = Histogram(
            "conjure_request_seconds", "Until the last byte", ["method", "route"], buckets=SECONDS, **kept
        )
        self.flying = Gauge("conjure_requests_in_flight", "Requests being answered", **kept)
        self.cut = Counter("conjure_answers_cancelled", "Answers whose client left", ["model"], **kept)
        self.read = Counter("conjure_prompt_tokens", "Tokens of prompts", ["model"], **kept)
        self.reused = Counter("conjure_cached_prompt_tokens", "Of these, read before", ["model"], **kept)
        self.written = Counter("conjure_completion_tokens", "Tokens written", ["model"], **kept)
        self.first = Histogram(
            "conjure_first_token_seconds", "From the request to its first token", ["model"], buckets=SECONDS, **kept
        )
        self.gap = Histogram(
            "conjure_token_seconds",
            "From one token to the next, a mean of each answer",
            ["model"],
            buckets=SECONDS,
            **kept,
        )
        self.busy = Gauge("conjure_slots_busy", "Answers being written", ["model"], **kept)
        self.queued = Gauge("conjure_requests_waiting", "Requests waiting for a slot", ["model"], **kept)


class Measured:
    """ASGI: counts and times each request by the route's pattern, which clients cannot make up."""

    def __init__(self, app: Any, metrics: Metrics):
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        status, begun = 500, time.perf_counter()

        async def counted(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        self.metrics.flying.inc()
        try:
            await self.app(scope, receive, counted)
        finally:
            self.metrics.flying.dec()
            method = scope["method"] if scope["method"] in METHODS else "OTHER"
            route = getattr(scope.get("route"), "path", "") or "none"
            self.metrics.requests.labels(method, route, str(status)).inc()
            self.metrics.seconds.labels(method, route).observe(time.perf_counter() - begun)


@router.get("/metrics", tags=["health"], summary="Prometheus metrics", response_class=Response)
def _metrics(request: Request) -> Response:
    """All counts in Prometheus' text format."""
    return Response(generate_latest(request.app.state.service.metrics.registry), media_type=CONTENT_TYPE_LATEST)
