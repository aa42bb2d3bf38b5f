"""Rankings in and out of a store as files: pairs and K-wise JSONL, records of Argilla and of Label Studio."""

from __future__ import annotations

import itertools
import json
import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from conjure.core.config import nearest
from conjure.core.errors import ConfigError, DataError
from conjure.feedback.opinions import Candidate, Opinion
from conjure.feedback.rankings import Ranked, ranked
from conjure.feedback.store import Store

TOKEN = "imported"  # of raters who were not asked here


def export(store: Store, round_id: int, path: Path, form: str = "pairs") -> Path:
    """Every judgement in force, as one of FORMS; the file is written beside and then renamed."""
    if form not in FORMS:
        raise ConfigError(f"no format is called {form!r}: {nearest(form, list(FORMS))}")
    records = [record for found in ranked(store, round_id) for record in FORMS[form](found)]
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("w", encoding="utf-8") as file:
            if form == "label-studio":
                json.dump(records, file, ensure_ascii=False, indent=1)
            else:
                file.writelines(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
        return beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def load(store: Store, round_id: int, path: Path) -> int:
    """Rankings out of a JSONL file into a round, as they are recognised by their keys; how many there were.

    Pairs: prompt, chosen, rejected. K-wise: prompt, completions, ranks (null: not ranked), and perhaps rater. DataError
    names the line that is neither; then nothing of the file is in the store.
    """
    found = [_read(text, f"{path}, line {number}") for number, text in _lines(path)]
    for one in found:
        ids = store.add(round_id, one.prompt, [Candidate(text) for text in one.completions])
        ranks = {i: rank for i, rank in zip(ids, one.ranks) if not math.isnan(rank)}
        prompt_id = store.prompt(one.prompt)
        store.judge(round_id, store.rater(one.rater, TOKEN), prompt_id, Opinion(ranks))
    return len(found)


def pairs(one: Ranked) -> Iterator[dict[str, Any]]:
    """Each pair that was told apart, the better first."""
    for (a, i), (b, j) in itertools.combinations(zip(one.completions, one.ranks), 2):
        if i != j and not math.isnan(i) and not math.isnan(j):
            chosen, rejected = (a, b) if i < j else (b, a)
            yield {"prompt": one.prompt, "chosen": chosen, "rejected": rejected, "rater": one.rater}


def whole(one: Ranked) -> Iterator[dict[str, Any]]:
    """The ranking as it is; null is a completion that was not ranked."""
    yield {
        "prompt": one.prompt,
        "completions": list(one.completions),
        "ranks": [_plain(rank) for rank in one.ranks],
        "scores": {name: [_plain(v) for v in values] for name, values in one.scores.items()},
        "rater": one.rater,
    }


def argilla(one: Ranked) -> Iterator[dict[str, Any]]:
    """A record with a ranking question: fields, and a response whose values are the completions' names in order."""
    names = [f"completion_{k + 1}" for k in range(len(one.completions))]
    value = [{"value": name, "rank": _plain(rank)} for name, rank in zip(names, one.ranks) if not math.isnan(rank)]
    yield {
        "fields": {"prompt": one.prompt, **dict(zip(names, one.completions))},
        "responses": {"ranking": [{"value": value, "user_id": one.rater, "status": "submitted"}]},
    }


def label_studio(one: Ranked) -> Iterator[dict[str, Any]]:
    """A task with items, and an annotation of the ranker, best first."""
    items = [{"id": str(k), "title": "", "body": text} for k, text in enumerate(one.completions)]
    order = sorted((rank, str(k)) for k, rank in enumerate(one.ranks) if not math.isnan(rank))
    result = {
        "type": "ranker",
        "from_name": "rank",
        "to_name": "results",
        "value": {"ranker": {"rank": [k for _, k in order]}},
    }
    yield {
        "data": {"prompt": one.prompt, "items": items},
        "annotations": [{"completed_by": one.rater, "result": [result]}],
    }


FORMS: dict[str, Callable[[Ranked], Iterator[dict[str, Any]]]] = {
    "pairs": pairs,
    "rankings": whole,
    "argilla": argilla,
    "label-studio": label_studio,
}


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as text: {error}") from None
    return ((number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip())


def _read(text: str, where: str) -> Ranked:
    try:
        record = json.loads(text)
    except json.JSONDecodeError as error:
        raise DataError(f"{where} is not JSON: {error.msg}") from None
    if not isinstance(record, dict) or not isinstance(record.get("prompt"), str):
        raise DataError(f'{where} has no "prompt": each line is an object with prompt, chosen and rejected, or ranks')
    rater = str(record.get("rater", TOKEN))
    if isinstance(record.get("chosen"), str) and isinstance(record.get("rejected"), str):
        return _checked(record["prompt"], [record["chosen"], record["rejected"]], [1, 2], rater, where)
    if isinstance(record.get("completions"), list) and isinstance(record.get("ranks"), list):
        return _checked(record["prompt"], record["completions"], record["ranks"], rater, where)
    raise DataError(f'{where} needs "chosen" and "rejected", or "completions" and "ranks"')


def _checked(prompt: str, completions: list[Any], ranks: list[Any], rater: str, where: str) -> Ranked:
    if len(completions) != len(ranks):
        raise DataError(f"{where} has {len(ranks)} ranks for {len(completions)} completions")
    if not all(isinstance(c, str) for c in completions) or len(set(completions)) < len(completions):
        raise DataError(f"{where}: completions should be texts, each another one")
    if not all(r is None or isinstance(r, (int, float)) for r in ranks) or all(r is None for r in ranks):
        raise DataError(f"{where}: ranks should be numbers, 1 for the best, or null")
    numbers = tuple(math.nan if r is None else float(r) for r in ranks)
    return Ranked(prompt, tuple(completions), numbers, {}, rater)


def _plain(value: float) -> float | None:
    return None if math.isnan(value) else value
