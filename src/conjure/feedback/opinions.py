"""What a rater is asked and what a rater thinks, apart from where it is kept."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from conjure.core.errors import DataError

RANK = "rank"  # the criterion that ranks are
KEPT = ("confidence", "comment", "skipped", "flagged", "seconds", "shown", "adjudicates")


@dataclass(frozen=True)
class Candidate:
    """A completion to be judged, or that was: its text and how it came about."""

    text: str
    policy: str = ""
    temperature: float | None = None
    seed: int | None = None
    id: int = 0
    planted: bool = False


@dataclass(frozen=True)
class Ranked:
    """One rater's view of one prompt: completions with their ranks (NaN: not ranked) and points by criterion.

    `shown` are the places of the completions on the rater's page, from 0 on; () where nobody noted them.
    """

    prompt: str
    completions: tuple[str, ...]
    ranks: tuple[float, ...]
    scores: dict[str, tuple[float, ...]]
    rater: str
    shown: tuple[int, ...] = ()
    ids: tuple[int, ...] = ()


@dataclass(frozen=True)
class Task:
    """What a rater is asked: a prompt, its completions in this rater's own random order, and what was on the page."""

    prompt_id: int
    prompt: str
    completions: list[Candidate]
    criteria: list[str]
    points: int
    draft: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Opinion:
    """A judgement as it is given: rank of each completion by id (1 is best, equal is a tie), points by criterion.

    confidence is in 0..1; `shown` are the ids as they stood on the page; `adjudicates`: it settles a dispute.
    """

    ranks: dict[int, float] = field(default_factory=dict)
    scores: dict[str, dict[int, int]] = field(default_factory=dict)
    confidence: float | None = None
    comment: str = ""
    skipped: bool = False
    flagged: bool = False
    seconds: float | None = None
    shown: list[int] | None = None
    adjudicates: bool = False

    def columns(self) -> dict[str, Any]:
        """As a row of the store; JSON knows keys of text only."""
        kept = {k: getattr(self, k) for k in KEPT}
        scores = {name: {str(i): v for i, v in rated.items()} for name, rated in self.scores.items()}
        return {**kept, "ranks": {str(i): rank for i, rank in self.ranks.items()}, "scores": scores}


def check(opinion: Opinion, known: set[int], asked: tuple[list[str], int], prompt_id: int) -> None:
    """DataError where an opinion names a completion that is not known, a criterion not asked for, or points beyond the
    scale, or where it says nothing. `asked` are the round's criteria and points.
    """
    for name, rated in [("the ranking", opinion.ranks), *opinion.scores.items()]:
        if strange := [i for i in rated if i not in known]:
            raise DataError(f"{name} names completion {strange[0]}, which prompt {prompt_id} does not have")
    check_points({name: tuple(rated.values()) for name, rated in opinion.scores.items()}, asked)
    if opinion.confidence is not None and not 0 <= opinion.confidence <= 1:
        raise DataError(f"a confidence of {opinion.confidence:g} is not from 0 to 1")
    if strange := [r for r in opinion.ranks.values() if not math.isfinite(r)]:
        raise DataError(f"a rank of {strange[0]} is not a number: leave out what was not ranked")
    if not opinion.skipped and not opinion.ranks and not opinion.scores:
        raise DataError(f"the judgement of prompt {prompt_id} says nothing: rank, score or skip it")


def check_points(scores: dict[str, tuple[float, ...]], asked: tuple[list[str], int]) -> None:
    """DataError where points are for a criterion that is not asked for, or beyond the scale; NaN is none given."""
    criteria, points = asked
    for name, values in scores.items():
        if name not in criteria:
            raise DataError(f"the round does not ask for {name!r} but for {', '.join(criteria) or 'ranks alone'}")
        if beyond := [v for v in values if not math.isnan(v) and not 1 <= v <= points]:
            raise DataError(f"{beyond[0]:g} points for {name} are not from 1 to {points}")
