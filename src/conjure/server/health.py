"""Whether the server lives, and whether it takes requests."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request

import conjure
from conjure.server.errors import RESPONSES, Refusal

router = APIRouter(tags=["health"])
OPEN = ("/health", "/health/live", "/health/ready")  # answered without a key, and to the very end


@router.get("/health", responses={503: RESPONSES[503]})
@router.get("/health/ready", responses={503: RESPONSES[503]})
async def ready(request: Request) -> dict[str, Any]:
    """200 while requests are taken, 503 once the server is about to stop."""
    if request.app.state.service.draining:
        raise Refusal(503, "the server is about to stop", code="shutting_down")
    return {"status": "ok", "version": conjure.__version__}


@router.get("/health/live")
async def live() -> dict[str, str]:
    """200 as long as the process answers at all."""
    return {"status": "ok"}
