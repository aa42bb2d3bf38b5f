"""Completions for people to compare: drawn from a policy into a round of a store."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from conjure import artifact as artifacts
from conjure import prompting
from conjure.artifact import Artifact
from conjure.core.errors import ConfigError, DataError
from conjure.core.rng import derive
from conjure.feedback.opinions import Candidate
from conjure.feedback.store import CRITERIA, Store
from conjure.prompting import Drawing

PLANTED = "Attention check: please put this answer last."
ATTEMPTS = 4  # draws made to find completions that differ


@dataclass(frozen=True)
class Comparison:
    """k completions of each prompt, how they are drawn, and what raters are asked of them.

    Every `check_every`-th prompt has one more, planted, that asks to be put last (0 = never).
    """

    round: str = "round 1"
    k: int = 4
    drawing: Drawing = field(default_factory=Drawing)
    criteria: tuple[str, ...] = CRITERIA
    points: int = 7
    check_every: int = 10

    def __post_init__(self) -> None:
        if not 2 <= self.k <= 25:
            raise ConfigError(f"k is {self.k}; people compare from 2 to 25 completions of a prompt")
        if self.drawing.choice.temperature == 0:
            raise ConfigError("at temperature 0 all completions of a prompt are the same: choose one above 0")
        if self.points < 2 or self.check_every < 0:
            raise ConfigError("points are at least 2, check_every at least 0")


@dataclass(frozen=True)
class Compared:
    """What came of it: prompts with at least two different completions, completions, prompts left out, checks."""

    round_id: int
    prompts: int
    completions: int
    same: int
    checks: int


def compare(artifact: Artifact, prompts: list[str], store: Store, asked: Comparison) -> Compared:
    """Draw completions of prompts into a round, with policy, temperature and seed noted; what is there stays.

    ConfigError for an artifact that does not write token by token, DataError for a prompt that is too long.
    """
    if reason := prompting.refuses(artifact):
        raise ConfigError(f"people compare what a model writes token by token, but {reason}")
    if prompting.wishes(artifact):
        raise ConfigError("people compare texts here, which this model does not write")
    prompts = list(dict.fromkeys(prompts))
    drawn = different(artifact, prompts, asked.k, asked.drawing)
    round_id = store.open_round(asked.round, asked.criteria, asked.points)
    policy, temperature = artifacts.fingerprint(artifact), asked.drawing.choice.temperature
    shown = checks = total = 0
    for prompt, found in zip(prompts, drawn):
        if len(found) < 2:
            continue
        shown, total = shown + 1, total + len(found)
        candidates = [Candidate(text, policy, temperature, seed) for text, seed in found.items()]
        if asked.check_every and shown % asked.check_every == 0:
            candidates.append(Candidate(PLANTED, planted=True))
            checks += 1
        store.add(round_id, prompt, candidates)
    if not shown:
        raise DataError("no prompt has two different completions: raise the temperature or draw more tokens")
    return Compared(round_id, shown, total, len(prompts) - shown, checks)


def different(artifact: Artifact, prompts: list[str], k: int, drawing: Drawing) -> list[dict[str, int]]:
    """Up to k different completions of each prompt, each with the seed it was drawn from."""
    found: list[dict[str, int]] = [{} for _ in prompts]
    for attempt in range(ATTEMPTS):
        left = [row for row, some in enumerate(found) if len(some) < k]
        if not left:
            break
        seed = drawing.seed if attempt == 0 else derive(drawing.seed, "again", attempt) >> 33
        drawn = prompting.write(artifact, [prompts[row] for row in left], k, replace(drawing, seed=seed))
        for row, texts in zip(left, drawn):
            for text in texts:
                if len(found[row]) < k:
                    found[row].setdefault(text, seed)
    return found
