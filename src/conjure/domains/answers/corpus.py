"""Reading and writing answers."""

from __future__ import annotations

import hashlib
import json
import os
import random
from pathlib import Path
from typing import Any

from conjure.core.errors import DataError
from conjure.domains.answers.answer import Answer
from conjure.domains.protocol import Source

EMBEDDED: dict[str, str] = {}


def read(data: Any) -> tuple[list[Answer], Source]:
    """Answers and their source: a .jsonl of {"prompt", "completion"} or {"prompt", "completions"}, or pairs of texts.

    DataError names the line that is neither.
    """
    if not isinstance(data, (str, Path)):
        answers = [Answer(*pair) for pair in data]
        return answers, Source("answers in memory", "", _digest(answers), rows=len(answers))
    path = Path(data)
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as text: {error}") from None
    answers = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            answers += _answers(line, f"{path}, line {number}")
    if not answers:
        raise DataError(f'{path} holds no answer: each line is an object {{"prompt": ..., "completion": ...}}')
    return answers, Source(path.name, str(path), _digest(answers), rows=len(answers))


def _answers(line: str, where: str) -> list[Answer]:
    try:
        record = json.loads(line)
    except json.JSONDecodeError as error:
        raise DataError(f"{where} is not JSON: {error.msg}") from None
    record = record if isinstance(record, dict) else {}
    completions = record.get("completions", [record.get("completion")])
    if not isinstance(record.get("prompt"), str) or not all(isinstance(c, str) for c in completions):
        raise DataError(f'{where} should be an object with "prompt" and "completion" (or "completions"), texts')
    return [Answer(record["prompt"], c) for c in completions]


def split(answers: list[Answer], fraction: float, seed: int) -> tuple[list[Answer], list[Answer]]:
    """(training, held-out), all answers to a prompt on one side."""
    prompts = sorted({a.prompt for a in answers})
    random.Random(seed).shuffle(prompts)
    held_out = set(prompts[: max(1, round(fraction * len(prompts)))])
    return [a for a in answers if a.prompt not in held_out], [a for a in answers if a.prompt in held_out]


def write(answers: list[Answer], path: Path) -> Path:
    """Answers to .jsonl."""
    path = Path(path)
    if path.suffix != ".jsonl":
        raise DataError(f"answers are written as .jsonl, not {path.suffix or 'without a suffix'}: {path}")
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_text("".join(json.dumps(a._asdict(), ensure_ascii=False) + "\n" for a in answers), "utf-8")
    return beside.replace(path)


def _digest(answers: list[Answer]) -> str:
    return hashlib.sha256(json.dumps(answers).encode()).hexdigest()
