"""What only music can do, over HTTP: a score brought, and the same harmonised, gone on with, filled in, varied."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from conjure import composing
from conjure.artifact import Artifact
from conjure.core.errors import ConfigError
from conjure.domains.music import corpus
from conjure.domains.music.piece import Piece, Pieces
from conjure.server import confined, packing
from conjure.server.artifacts import Name, as_file, in_turn
from conjure.server.errors import RESPONSES
from conjure.server.uploads import NUMBER

router = APIRouter(tags=["music"], responses=RESPONSES)
UPLOAD = f"^{NUMBER}$"


class Composing(BaseModel):
    """A score to work on. data: its upload; given: conditions and rules, as {"parallels": "no"}."""

    model_config = ConfigDict(extra="forbid")
    data: str = Field(pattern=UPLOAD)
    given: dict[str, str | int | float | bool] = Field(default_factory=dict)
    seed: int = Field(0, ge=0, lt=1 << 31)
    format: str = Field("", max_length=10, pattern=r"^\.?[A-Za-z0-9]*$")


class Harmonizing(Composing):
    """To a melody its other voices, or chord symbols."""

    kind: Literal["voices", "chords"] = Field("voices", alias="as")


class Continuing(Composing):
    """So many bars more."""

    bars: int = Field(4, ge=1, le=10_000)


class Filling(Composing):
    """Voices to be written, by name or number."""

    voice: list[str] = Field(min_length=1, max_length=8)


class Varying(Composing):
    """About which share of the beats is written anew."""

    share: float = Field(0.5, gt=0, le=1)


class Interpolating(Continuing):
    """So many bars that lead to another score, which is an upload too."""

    other: str = Field(pattern=UPLOAD)


Verb = Callable[[Artifact, list[Piece], dict[str, Any], dict[str, Any], int], Piece]
HARMONIES: dict[str, Any] = {"voices": composing.harmonize, "chords": composing.lead_sheet}
VERBS: dict[str, Verb] = {  # of an artifact, scores, what is asked, conditions and a seed
    "harmonize": lambda a, s, asked, given, seed: HARMONIES[asked["as"]](a, s[0], given=given, seed=seed),
    "continue": lambda a, s, asked, given, seed: composing.go_on(a, s[0], asked["bars"], given, seed),
    "fill": lambda a, s, asked, given, seed: composing.fill(a, s[0], asked["voice"], given, seed),
    "vary": lambda a, s, asked, given, seed: composing.vary(a, s[0], asked["share"], given, seed),
    "interpolate": lambda a, s, asked, given, seed: composing.between(a, *s[:2], asked["bars"], given, seed),
}


def composed(
    artifact: Artifact, verb: str, scores: list[Path], asked: dict[str, Any], given: dict[str, Any], seed: int
) -> Piece:
    """What a verb makes of the first piece of each score; ConfigError for an artifact that is not of music."""
    if artifact.recipe.domain != "music":
        raise ConfigError(f"this is a model of {artifact.recipe.domain} data, not of music")
    return VERBS[verb](artifact, [corpus.read(path)[0][0] for path in scores], asked, given, seed)


def line(verb: str, name: str, scores: list[Path], asked: dict[str, Any], given: dict[str, Any], seed: int) -> str:
    """The command line that does the same."""
    voices = [word for voice in asked.get("voice", []) for word in ("--voice", voice)]
    options = {k: v for k, v in asked.items() if k != "voice"}
    words = ("music", verb, name, *(path.name for path in scores), *voices)
    return packing.command(*words, given=given, **options, seed=seed)


@router.post("/artifacts/{name}/music/harmonize", response_class=Response)
async def harmonize(request: Request, name: Name, asked: Harmonizing) -> Response:
    """A melody with its other voices, or chord symbols. X-Conjure-Certificate says in JSON which rules hold."""
    return await _written(request, name, "harmonize", asked)


@router.post("/artifacts/{name}/music/continue", response_class=Response)
async def go_on(request: Request, name: Name, asked: Continuing) -> Response:
    """A score with more bars."""
    return await _written(request, name, "continue", asked)


@router.post("/artifacts/{name}/music/fill", response_class=Response)
async def fill(request: Request, name: Name, asked: Filling) -> Response:
    """A score with some voices written anew, whether or not it has them."""
    return await _written(request, name, "fill", asked)


@router.post("/artifacts/{name}/music/vary", response_class=Response)
async def vary(request: Request, name: Name, asked: Varying) -> Response:
    """A score with some beats written anew."""
    return await _written(request, name, "vary", asked)


@router.post("/artifacts/{name}/music/interpolate", response_class=Response)
async def interpolate(request: Request, name: Name, asked: Interpolating) -> Response:
    """One score, a passage that leads over, and the other."""
    return await _written(request, name, "interpolate", asked)


async def _written(request: Request, name: str, verb: str, asked: Composing) -> Response:
    state = request.app.state
    artifact = await asyncio.to_thread(state.shelf.get, name)
    own = asked.model_dump(by_alias=True, exclude={"data", "given", "seed", "format", "other"})
    scores = [state.uploads.path(number) for number in (asked.data, getattr(asked, "other", None)) if number]
    given = confined.words(artifact, asked.given, state.uploads)

    def work() -> Response:
        made = composed(artifact, verb, scores, own, given, asked.seed)
        told = {"x-conjure-certificate": json.dumps(made.certificate)}
        command = line(verb, name, scores, own, asked.given, asked.seed)
        return as_file(artifact, Pieces((made,)), asked.format, (command, ""), told)

    return await in_turn(request, work)
