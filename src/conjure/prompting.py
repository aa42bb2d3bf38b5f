"""Prompts as a model reads them, and completions as people read them: what sampling, rewards and raters share."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from conjure import catalog
from conjure.artifact import Artifact
from conjure.core.batch import Batch
from conjure.core.errors import ConfigError, DataError
from conjure.core.rng import Noise
from conjure.core.space import Tokens
from conjure.domains.answers.spelling import spelling
from conjure.domains.protocol import Encoded
from conjure.models.decoding import Choice
from conjure.objectives.rollout import Rollout, roll_out

ROWS = 256  # prompts completed side by side


@dataclass(frozen=True)
class Drawing:
    """How completions are drawn: tokens at most, how freely, from which seed."""

    tokens: int = 32
    choice: Choice = field(default_factory=Choice)
    seed: int = 0


def refuses(artifact: Artifact) -> str | None:
    """Why an artifact cannot be improved by what people think of what it writes; None when it can."""
    model = artifact.model
    if artifact.first is not None:
        return "it is fitted through another artifact"
    if not isinstance(getattr(model, "space", None), Tokens) or not callable(getattr(model, "trace", None)):
        return f"a {artifact.recipe.model} does not write token by token"
    return None


def end_of(artifact: Artifact) -> int | None:
    """The token that ends what an artifact writes; None where everything has one length."""
    return artifact.codec.end if artifact.model.space.stream else artifact.model.space.end  # type: ignore[union-attr]


def read_prompts(path: Path) -> list[str]:
    """Prompts: of .jsonl each line's "prompt" (or a bare string), else each line; DataError where there is none."""
    try:
        lines = [line for line in path.read_text("utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as text: {error}") from None
    found = (
        [_prompt(line, f"{path}, line {k}") for k, line in enumerate(lines, 1)] if path.suffix == ".jsonl" else lines
    )
    if not found:
        raise DataError(f"{path} holds no prompt: it should have one a line")
    return found


def _prompt(line: str, where: str) -> str:
    try:
        found = json.loads(line)
    except json.JSONDecodeError as error:
        raise DataError(f"{where} is not JSON: {error.msg}") from None
    prompt = found.get("prompt") if isinstance(found, dict) else found
    if not isinstance(prompt, str) or not prompt.strip():
        raise DataError(f'{where} has no "prompt": each line is an object with one, {{"prompt": "..."}}')
    return prompt


def rows(artifact: Artifact, prompts: list[str]) -> Encoded:
    """Prompts as the model reads them.

    Of a stream x (N, T) from the left on, and mask (N, T): which places are there. Of pairs `given` (N, S) are the
    sources. Where prompts are conditions (`prompted`), x (N, 1) numbers them and `given` is what they say; where there
    is no prompt at all, x (N, 1) only counts. DataError names a prompt that cannot be read.
    """
    codec = artifact.codec
    if wishes(artifact):
        return Encoded(torch.arange(len(prompts)).unsqueeze(1), given=codec.prompted(prompts))  # type: ignore[attr-defined]
    if not artifact.model.space.stream:  # type: ignore[union-attr]
        blank = torch.zeros(len(prompts), 1, dtype=torch.long)
        if codec.given_space is None:
            return Encoded(blank)
        return Encoded(blank, given=codec.evidence(_sources(artifact, prompts)))  # type: ignore[attr-defined]
    cut = list(_cut(artifact, prompts))
    x = torch.zeros(len(cut), max(map(len, cut)), dtype=torch.long)
    mask = torch.zeros(x.shape, dtype=torch.bool)
    for row, tokens in enumerate(cut):
        x[row, : len(tokens)], mask[row, : len(tokens)] = torch.tensor(tokens), True
    return Encoded(x, mask)


def wishes(artifact: Artifact) -> bool:
    """Whether prompts are the words of a condition, {"bars": 4}, or None, which the codec turns into one."""
    return artifact.codec.given_space is not None and hasattr(artifact.codec, "prompted")


def length_of(artifact: Artifact, encoded: Encoded) -> int | None:
    """How many tokens an answer to any of the prompts has, where the condition or the writer's own measure says so."""
    space: Tokens = artifact.model.space  # type: ignore[assignment]
    if space.stream and (usual := getattr(spelling(artifact.codec), "length", None)):
        return max(1, min(usual, space.length + 1 - int(encoded.mask.sum(1).max())))  # type: ignore[union-attr]
    if not wishes(artifact):
        return None
    return encoded.given.shape[1] * artifact.model.space.shape[1]  # type: ignore[union-attr]


def spelt(artifact: Artifact, prompts: list[Any]) -> Any:
    """What names the prompts again: by the tokens that a stream begins with, by number where they are conditions."""
    if wishes(artifact):
        return dict(enumerate(prompts))
    if not artifact.model.space.stream:  # type: ignore[union-attr]
        return {}
    return {tuple(ids): prompt for ids, prompt in zip(_cut(artifact, prompts), prompts)}


def _cut(artifact: Artifact, prompts: list[str]) -> Iterator[list[int]]:
    spell = spelling(artifact.codec)
    for number, prompt in enumerate(prompts, 1):
        try:
            ids = spell.prompt(prompt)
        except DataError as error:
            raise DataError(f"prompt {number}: {error}") from None
        if not len(ids):
            raise DataError(f"prompt {number} is empty: give it some text")
        yield ids


def check_room(artifact: Artifact, encoded: Encoded, tokens: int) -> None:
    """DataError where a prompt and its completion are longer than the model sees, by the prompt's number."""
    space = artifact.model.space
    if not space.stream or encoded.mask is None:  # type: ignore[union-attr]
        return
    room = space.length + 1 - tokens  # type: ignore[union-attr]
    lengths = encoded.mask.sum(1)
    if room < 1:
        raise ConfigError(f"{tokens} tokens are more than the {space.length} that the model sees: ask for fewer")  # type: ignore[union-attr]
    if len(long := (lengths > room).nonzero()):
        row = int(long[0])
        raise DataError(
            f"prompt {row + 1} has {int(lengths[row])} tokens; with {tokens} to draw the model has room for {room}: "
            "shorten the prompt or ask for fewer tokens"
        )


def texts(artifact: Artifact, rollout: Rollout, known: dict[Any, Any] | None = None) -> tuple[list[Any], list[Any]]:
    """(prompts, completions) of episodes, prompts by their names in `known` (see `spelt`) or spelt out.

    Where there is no prompt it is None, and a completion is a decoded object.
    """
    if not artifact.model.space.stream:  # type: ignore[union-attr]
        return _objects(artifact, rollout, known or {})
    join, known = spelling(artifact.codec).join, known or {}
    first = rollout.real.int().argmax(1).tolist()
    last = [a + n for a, n in zip(first, (rollout.real.sum(1) - rollout.ended.int()).tolist())]
    ids = rollout.x.tolist()
    asked = [tuple(row[:a]) for row, a in zip(ids, first)]
    return [known[a] if a in known else join(list(a)) for a in asked], [
        join(row[a:b]) for row, a, b in zip(ids, first, last)
    ]


@torch.no_grad()
def write(artifact: Artifact, prompts: list[str], k: int, drawing: Drawing) -> list[list[Any]]:
    """k completions of each prompt; the same seed gives the same.

    DataError names a prompt that is too long.
    """
    encoded = rows(artifact, prompts)
    check_room(artifact, encoded, drawing.tokens)
    found: list[Any] = []
    known = spelt(artifact, prompts)
    for batch in batches(encoded, k, drawing.seed):
        rollout = roll_out(
            artifact.model, batch.to(artifact.model.device), drawing.tokens, drawing.choice, end_of(artifact)
        )
        found += texts(artifact, rollout, known)[1]
    return [found[row : row + k] for row in range(0, len(found), k)]


def batches(encoded: Encoded, k: int, seed: int) -> Iterator[Batch]:
    """Each prompt k times, one below the other, some prompts at a time."""
    size = max(1, ROWS // k)
    for start in range(0, len(encoded.x), size):
        part = {
            name: t[start : start + size].repeat_interleave(k, 0)
            for name in ("x", "mask", "given")
            if (t := getattr(encoded, name)) is not None
        }
        if "mask" in part:
            width = int(part["mask"].sum(1).max())
            part |= {name: part[name][:, :width] for name in ("x", "mask")}
        yield Batch(**part, noise=Noise(seed, "completions", start))


def _objects(artifact: Artifact, rollout: Rollout, known: dict[Any, Any]) -> tuple[list[Any], list[Any]]:
    codec, space = artifact.codec, artifact.model.space
    filler = space.end if space.end is not None else 0  # type: ignore[union-attr]
    x = torch.full((len(rollout.x), space.length), filler)  # type: ignore[union-attr]
    x[:, : rollout.x.shape[1]] = torch.where(rollout.real, rollout.x, filler)
    if wishes(artifact):
        numbers, asked = rollout.batch.x[:, 0].tolist(), list(known.values())
        found = codec.answered(x.unflatten(1, space.shape), asked, numbers)  # type: ignore[attr-defined, union-attr]
        return [asked[k] for k in numbers], list(found)
    if codec.given_space is None:
        found = codec.decode(x.unflatten(1, space.shape))  # type: ignore[union-attr]
        return [None] * len(x), list(found)
    sources = codec.decode(rollout.batch.given)  # type: ignore[arg-type]
    found = codec.decode(x)
    return [s.target for s in sources], [p.target for p in found]


def _sources(artifact: Artifact, prompts: list[str]) -> Any:
    """Prompts as the questions of a domain that answers."""
    domain = catalog.part(artifact.recipe.domain, "corpus")
    if not callable(read := getattr(domain, "read_questions", None)) or not callable(
        getattr(artifact.codec, "evidence", None)
    ):
        raise ConfigError(f"{artifact.recipe.domain} takes no prompts: its conditions are not texts")
    return read(prompts)
