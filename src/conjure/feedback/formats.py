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
from conjure.core.errors import ConfigError
from conjure.feedback.opinions import Candidate, Opinion, Ranked, check_points
from conjure.feedback.rankings import ranked
from conjure.feedback.records import TOKEN, joined, read
from conjure.feedback.store import Store


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
    """Rankings out of a file into a round, whichever of `records.py` they are; how many there were.

    DataError names the record that is none; then nothing of the file is in the store. Several rankings of
    one prompt by one rater, such as pairs, are one judgement: the order that they have in common (`records.joined`).
    """
    found = joined(read(path))
    asked = store.asks(round_id)
    for one in found:
        check_points(one.scores, asked)
    for one in found:
        ids = store.add(round_id, one.prompt, [Candidate(text) for text in one.completions])
        ranks = {i: rank for i, rank in zip(ids, one.ranks) if not math.isnan(rank)}
        points = {
            name: {i: int(v) for i, v in zip(ids, values) if not math.isnan(v)} for name, values in one.scores.items()
        }
        opinion = Opinion(ranks, points)
        store.judge(round_id, store.rater(one.rater, TOKEN), store.prompt(one.prompt), opinion)
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
        "meta": {"ranks": [_plain(rank) for rank in one.ranks]},  # a ranker knows no ties
    }


FORMS: dict[str, Callable[[Ranked], Iterator[dict[str, Any]]]] = {
    "pairs": pairs,
    "rankings": whole,
    "argilla": argilla,
    "label-studio": label_studio,
}


def _plain(value: float) -> float | None:
    return None if math.isnan(value) else value
