"""Rankings that were made elsewhere, as they are recognised in a file: pairs, K-wise, Argilla, Label Studio."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from conjure.core.errors import DataError
from conjure.feedback.opinions import Ranked

SPEAKER = "\n\nAssistant:"  # before an answer, in dialogues written as one text
TOKEN = "imported"  # of raters who were not asked here
FORMS = (
    "pairs (prompt, chosen, rejected), rankings (prompt, completions, ranks), records of Argilla (fields, responses) "
    "or of Label Studio (data, annotations)"
)


def read(path: Path) -> list[Ranked]:
    """Rankings of a file: a JSON object a line, or one JSON list; DataError names the line or record that is none."""
    return [one for record, where in _records(path) for one in _rankings(record, where)]


def joined(found: list[Ranked]) -> list[Ranked]:
    """One ranking for each prompt and rater: of several, such as pairs, by wins less losses.

    Pairs that contradict each other in a circle thus become ties.
    """
    groups: dict[tuple[str, str], list[Ranked]] = {}
    for one in found:
        groups.setdefault((one.prompt, one.rater), []).append(one)
    return [some[0] if len(some) == 1 else _join(some) for some in groups.values()]


def _join(some: list[Ranked]) -> Ranked:
    balance: dict[str, float] = {text: 0.0 for one in some for text in one.completions}
    ranked: set[str] = set()
    for one in some:
        for text, rank in zip(one.completions, one.ranks):
            ranked |= set() if math.isnan(rank) else {text}
            beaten = sum(rank < other for other in one.ranks)
            lost = sum(rank > other for other in one.ranks)
            balance[text] += beaten - lost
    ranks = tuple(
        1.0 + sum(balance[other] > balance[text] for other in ranked) if text in ranked else math.nan
        for text in balance
    )
    return Ranked(some[0].prompt, tuple(balance), ranks, {}, some[0].rater)


def _records(path: Path) -> Iterator[tuple[Any, str]]:
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as text: {error}") from None
    if text.lstrip().startswith("["):
        try:
            found = json.loads(text)
        except json.JSONDecodeError as error:
            raise DataError(f"{path} is not JSON: {error.msg} in line {error.lineno}") from None
        yield from ((record, f"{path}, record {k}") for k, record in enumerate(found, 1))
        return
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            where = f"{path}, line {number}"
            try:
                yield json.loads(line), where
            except json.JSONDecodeError as error:
                raise DataError(f"{where} is not JSON: {error.msg}") from None


def _rankings(record: Any, where: str) -> list[Ranked]:
    if not isinstance(record, dict):
        raise DataError(f"{where} is not an object: known are {FORMS}")
    try:
        if "fields" in record:
            return _argilla(record, where)
        if "data" in record and "annotations" in record:
            return _label_studio(record, where)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise DataError(f"{where} is not such a record ({type(error).__name__}: {error}): known are {FORMS}") from None
    if "prompt" not in record and all(isinstance(record.get(k), str) for k in ("chosen", "rejected")):
        record = _dialogue(record)
    if not isinstance(record.get("prompt"), str):
        raise DataError(f'{where} has no "prompt": known are {FORMS}')
    rater = str(record.get("rater", TOKEN))
    if isinstance(record.get("chosen"), str) and isinstance(record.get("rejected"), str):
        return [_checked((record["prompt"], [record["chosen"], record["rejected"]], [1, 2], rater), where)]
    if isinstance(record.get("completions"), list) and isinstance(record.get("ranks"), list):
        scores = record.get("scores") or {}
        return [_checked((record["prompt"], record["completions"], record["ranks"], rater), where, scores)]
    raise DataError(f'{where} needs "chosen" and "rejected", or "completions" and "ranks"')


def _dialogue(record: dict[str, Any]) -> dict[str, Any]:
    """Two whole dialogues that part in their last answer (as of Bai et al. 2022): what they share is the prompt."""
    one, other = record["chosen"], record["rejected"]
    parts = next((k for k, (a, b) in enumerate(zip(one, other)) if a != b), min(len(one), len(other)))
    at = one.rfind(SPEAKER, 0, parts)
    if at < 0:
        return record
    cut = at + len(SPEAKER)
    return {**record, "prompt": one[:cut], "chosen": one[cut:], "rejected": other[cut:]}


def _argilla(record: dict[str, Any], where: str) -> list[Ranked]:
    """A record's fields are the prompt and the completions; a response to a ranking question names them in order."""
    fields, out = record["fields"], []
    names = [name for name in fields if name != "prompt"]
    for answers in record["responses"].values():
        for answer in answers:
            if answer.get("status", "submitted") != "submitted" or not isinstance(answer["value"], list):
                continue
            ranks = {one["value"]: one["rank"] for one in answer["value"]}
            if strange := [name for name in ranks if name not in names]:
                raise DataError(f"{where} ranks {strange[0]!r}, which is not among its fields")
            given = [ranks.get(name) for name in names]
            whole = (fields["prompt"], [fields[n] for n in names], given, str(answer.get("user_id", TOKEN)))
            out.append(_checked(whole, where))
    return out


def _label_studio(record: dict[str, Any], where: str) -> list[Ranked]:
    """A task's items, and annotations of a ranker: ids, best first; or of pairwise: "left" or "right"."""
    data, out = record["data"], []
    items = data.get("items")
    for annotation in record["annotations"]:
        who = annotation.get("completed_by", TOKEN)
        rater = str(who.get("email", who.get("id")) if isinstance(who, dict) else who)
        for result in annotation["result"]:
            if result["type"] == "pairwise":
                side = result["value"]["selected"]
                texts = [data["answer1"], data["answer2"]]
                out.append(_checked((data["prompt"], texts, [1, 2] if side == "left" else [2, 1], rater), where))
            elif result["type"] == "ranker":
                order = [str(i) for i in result["value"]["ranker"]["rank"]]
                known = {str(item["id"]): item["body"] for item in items}
                if strange := [i for i in order if i not in known]:
                    raise DataError(f"{where} ranks item {strange[0]!r}, which the task does not have")
                ranks = [order.index(i) + 1 if i in order else None for i in known]
                ties = (record.get("meta") or {}).get("ranks")
                out.append(_checked((data["prompt"], list(known.values()), ties or ranks, rater), where))
    return out


def _checked(whole: tuple[str, list[Any], list[Any], str], where: str, scores: Any = None) -> Ranked:
    prompt, completions, ranks, rater = whole
    if len(completions) != len(ranks):
        raise DataError(f"{where} has {len(ranks)} ranks for {len(completions)} completions")
    if not all(isinstance(c, str) for c in completions) or len(set(completions)) < len(completions):
        raise DataError(f"{where}: completions should be texts, each another one")
    if not all(_is_rank(r) for r in ranks) or all(r is None for r in ranks):
        raise DataError(f"{where}: ranks should be numbers, 1 for the best, or null")
    points = {}
    for name, values in (scores or {}).items():
        if not isinstance(values, list) or len(values) != len(completions) or not all(_is_rank(v) for v in values):
            raise DataError(f"{where}: scores of {name!r} should be a number or null for each completion")
        points[name] = tuple(math.nan if v is None else float(v) for v in values)
    return Ranked(prompt, tuple(completions), tuple(math.nan if r is None else float(r) for r in ranks), points, rater)


def _is_rank(value: Any) -> bool:
    return value is None or (isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value))
