"""How the server says no: one sentence in OpenAI's shape, never a stack trace."""

from __future__ import annotations

import errno
import logging
import re
import secrets
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from conjure.core.errors import ConjureError

log = logging.getLogger("conjure.server")
NAMES = {
    401: "invalid_api_key",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    429: "rate_limit_exceeded",
}


class Told(BaseModel):
    """message: one sentence; type: whose fault it is; param: the field that should differ; code: its short name."""

    message: str
    type: str
    param: str | None = None
    code: str | None = None


class Problem(BaseModel):
    """What every refused request gets."""

    error: Told


class Refusal(Exception):
    """A request that is not carried out: its status, one sentence for the client, the field that should differ."""

    def __init__(
        self, status: int, message: str, *, param: str | None = None, code: str | None = None, wait: float | None = None
    ):
        super().__init__(message)
        self.status, self.param, self.code = status, param, code or NAMES.get(status)
        self.headers = {} if wait is None else {"retry-after": str(max(1, round(wait)))}

    @property
    def body(self) -> dict[str, Any]:
        """The sentence in OpenAI's shape."""
        kind = "server_error" if self.status >= 500 else "invalid_request_error"
        if self.status == 429:
            kind = "rate_limit_error"
        return {"error": {"message": str(self), "type": kind, "param": self.param, "code": self.code}}

    @property
    def response(self) -> JSONResponse:
        return JSONResponse(self.body, self.status, self.headers)


def unforeseen(error: BaseException, where: str) -> Refusal:
    """What a client is told of a fault of ours: a number to find it by in the log, where the trace is."""
    number = secrets.token_hex(4)
    log.error("fault %s in %s", number, where, exc_info=error)
    return Refusal(500, f"the server failed on this request; its log tells why under {number}", code="internal_error")


def refusal_of(error: BaseException, where: str) -> Refusal:
    """What a client is told of any error."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, ConjureError):  # a sentence for the user, who mends it
        return Refusal(400, str(error))
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return Refusal(507, "the server's disk is full: nothing was kept", code="disk_full")
    return unforeseen(error, where)


def placeless(text: str, root: Path | None) -> str:
    """A sentence in which files below the root go by their names: where the house lies is nobody's business."""
    if root is None:
        return text
    return re.sub(rf"{re.escape(str(root))}/(uploads/\.?[0-9a-f]{{16}}/|artifacts/|)", "", text)


def install(app: FastAPI) -> None:
    """Every error of the app's routes leaves in one shape, and its OpenAPI page says so."""

    @app.exception_handler(Refusal)
    @app.exception_handler(ConjureError)
    def _refused(request: Request, error: Exception) -> JSONResponse:
        refusal = refusal_of(error, request.url.path)
        refusal.args = (placeless(str(refusal), request.app.state.service.settings.root),)
        return refusal.response

    @app.exception_handler(HTTPException)
    def _http(request: Request, error: HTTPException) -> JSONResponse:
        message = str(error.detail)
        if error.status_code == 404 and message == "Not Found":
            message = f"there is nothing at {request.method} {request.url.path}"
        elif error.status_code == 405:
            message = f"{request.url.path} does not take {request.method}"
        elif error.status_code == 400:
            message = "the body could not be read: it should be JSON in UTF-8"
        answer = Refusal(error.status_code, message).response
        answer.headers.update(error.headers or {})
        return answer

    @app.exception_handler(RequestValidationError)
    def _invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        return mistaken(error.errors()).response


def mistaken(errors: Any) -> Refusal:
    """The first thing wrong with a request's fields, by its place as a client would write it: messages[0].role."""
    first = errors[0]
    place = [part for part in first["loc"] if part not in ("body", "query", "path", "header")]
    if first["type"] == "json_invalid":
        return Refusal(
            400, f"the body is not valid JSON: {first['ctx']['error']} at character {place[0] if place else 0}"
        )
    if not place:
        return Refusal(400, "the body should be a JSON object, sent with the header Content-Type: application/json")
    names = [p for p in place if not (isinstance(p, str) and re.search(r"[\[\(]|^[A-Z]|^(str|int|dict|list|bool)$", p))]
    param = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in names).lstrip(".")
    said = first["msg"].removeprefix("Value error, ")
    if first["type"] == "missing":
        return Refusal(400, f"{param} is missing", param=param, code="missing_field")
    return Refusal(400, f"{param}: {said[:1].lower()}{said[1:]}", param=param)


RESPONSES: dict[int | str, dict[str, Any]] = {
    code: {"model": Problem, "description": text}
    for code, text in {
        400: "A field is wrong; the sentence names it",
        401: "No valid key",
        404: "No such model or page",
        413: "The body is too large",
        429: "Too many requests; Retry-After says when to come back",
        500: "A fault of the server",
        503: "The server is about to stop",
    }.items()
}
