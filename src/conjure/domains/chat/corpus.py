"""Reading, splitting and writing conversations (lists of messages) and plain documents (strings)."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import random
import re
from importlib import metadata
from pathlib import Path
from typing import Any

from conjure.core.errors import DataError
from conjure.domains.protocol import Source
from conjure.domains.text.corpus import text_in

EMBEDDED = {"chitchat": "4,017 conversations of two people, by pip install chitchat-dataset (MIT)"}
ROLES = ("system", "developer", "user", "assistant", "tool")
SHAREGPT = {"human": "user", "user": "user", "gpt": "assistant", "chatgpt": "assistant", "bot": "assistant"}
PAIRS = (  # names of what is asked and what is answered, in columns of a table or fields of a record
    ("prompt", "completion"),
    ("prompt", "response"),
    ("prompt", "answer"),
    ("question", "answer"),
    ("instruction", "output"),
    ("instruction", "response"),
    ("input", "output"),
    ("user", "assistant"),
    ("source", "target"),
)
FORMS = (
    '.jsonl or .json of {"messages": [{"role", "content"}]} (OpenAI), {"conversations": [{"from", "value"}]} '
    '(ShareGPT), {"prompt", "completion"} or {"text"}; .csv or .tsv of two columns; .txt, which is ChatML where it '
    "holds <|im_start|>, else plain text"
)
LARGEST = 1 << 30  # bytes held in memory
Message = dict[str, Any]
Conversation = list[Message]


def read(data: Any) -> tuple[list[Conversation] | list[str], Source]:
    """Conversations, or documents of plain text, and where they came from.

    data: a file or a folder of files (see FORMS), an embedded name, or objects: lists of messages, or strings.
    DataError names the file, the line or record, and what would be right.
    """
    if isinstance(data, str) and data in EMBEDDED:
        found = _chitchat()
        return found, Source(data, "", _digest(found), "MIT", len(found))
    if isinstance(data, (str, Path)):
        path = Path(data)
        found = [one for file in _files(path) for one in _read_file(file)]
        return _checked(found, path.name, str(path))
    found = [
        one if isinstance(one, str) else conversation(one, f"conversation {row}") for row, one in enumerate(data, 1)
    ]
    return _checked(found, "conversations in memory", "")


def read_questions(data: Any) -> list[Conversation] | list[str]:
    """What is to be answered: as `read`, where a conversation may lack an answer."""
    if isinstance(data, (str, Path)) and str(data) not in EMBEDDED:
        return [one for file in _files(Path(data)) for one in _read_file(file, answered=False)]
    if isinstance(data, str):
        return read(data)[0]
    return [
        one if isinstance(one, str) else conversation(one, f"conversation {n}", False) for n, one in enumerate(data, 1)
    ]


def conversation(messages: Any, where: str, answered: bool = True) -> Conversation:
    """Messages with known roles and text; DataError says which is not, or that there is nothing to learn from."""
    if not isinstance(messages, list) or not messages:
        raise DataError(f"{where} is not a list of messages")
    made = []
    for number, message in enumerate(messages, 1):
        if not isinstance(message, dict):
            raise DataError(f'{where}, message {number}, is not {{"role": ..., "content": ...}}')
        role = message.get("role", SHAREGPT.get(str(message.get("from")), message.get("from")))
        if role not in ROLES:
            raise DataError(f"{where}, message {number}, is of role {role!r}; known are {', '.join(ROLES)}")
        text = _text_of(message.get("content", message.get("value")))
        if text is None and not message.get("tool_calls"):
            raise DataError(f"{where}, message {number} ({role}), has no content that is text")
        rest = {k: v for k, v in message.items() if k in ("name", "tool_calls", "tool_call_id")}
        made.append({"role": role, "content": text or "", **rest})
    roles = [message["role"] for message in made if message["role"] not in ("system", "developer")]
    if roles[:1] == ["assistant"]:
        raise DataError(
            f"{where} starts with the assistant: an answer needs something it answers, a user's message first"
        )
    if answered and "assistant" not in roles:
        raise DataError(f"{where} has no message of the assistant: there is nothing to learn from it")
    return made


def split(objects: list[Any], fraction: float, seed: int) -> tuple[list[Any], list[Any]]:
    """(training, held-out) by whole conversations or documents, equal ones together; of one document its end."""
    if len(objects) == 1 and isinstance(objects[0], str):
        cut = int((1 - fraction) * len(objects[0]))
        if not 0 < cut < len(objects[0]):
            raise DataError(f"a text of {len(objects[0])} characters is too short to hold out {fraction:.0%} of it")
        return [objects[0][:cut]], [objects[0][cut:]]
    keys = [_key(one) for one in objects]
    kinds = sorted(set(keys))
    if len(kinds) < 2:
        raise DataError(f"{len(objects)} conversations, all the same, are too few to hold some of them out")
    random.Random(seed).shuffle(kinds)
    apart = set(kinds[: min(len(kinds) - 1, max(1, round(fraction * len(kinds))))])
    parts = [[one for one, key in zip(objects, keys) if (key in apart) is side] for side in (False, True)]
    return parts[0], parts[1]


def cut(objects: list[Any], start: int, stop: int) -> list[Any]:
    """Some of them, in order."""
    return objects[start:stop]


def join(parts: list[list[Any]]) -> list[Any]:
    """The inverse of cutting."""
    return [one for part in parts for one in part]


def write(objects: list[Any], path: Path) -> Path:
    """To .jsonl, {"messages"} or {"text"} a line; documents alone to .txt too, a blank line between them."""
    path = Path(path)
    plain = all(isinstance(one, str) for one in objects)
    if path.suffix == ".txt" and plain:
        text = "\n\n".join(objects) + "\n"
    elif path.suffix == ".jsonl":
        records = ({"text": one} if isinstance(one, str) else {"messages": one} for one in objects)
        text = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    else:
        raise DataError(f"conversations are written as .jsonl (plain texts as .txt too), not {path.name}")
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_text(text, "utf-8")
    return beside.replace(path)


def _files(path: Path) -> list[Path]:
    known = (".jsonl", ".json", ".csv", ".tsv", ".txt")
    if path.is_dir():
        files = sorted(f for f in path.rglob("*") if f.is_file() and f.suffix.lower() in known)
        if not files:
            raise DataError(f"the folder {path} holds no file of conversations: they are read from {FORMS}")
    elif path.is_file():
        if path.suffix.lower() not in known:
            raise DataError(f"{path} is no file of conversations: they are read from {FORMS}")
        files = [path]
    else:
        raise DataError(f"there is no file, folder or embedded set {str(path)!r} (embedded: {', '.join(EMBEDDED)})")
    if (size := sum(f.stat().st_size for f in files)) > LARGEST:
        raise DataError(f"{path} holds {size / 2**30:.1f} GiB; at most {LARGEST / 2**30:.0f} GiB can be read")
    return files


def _read_file(file: Path, answered: bool = True) -> list[Any]:
    text, kind = text_in(file), file.suffix.lower()
    if kind in (".csv", ".tsv"):
        return _table(text, file, "\t" if kind == ".tsv" else ",", answered)
    if kind == ".txt":
        return _chatml(text, file, answered) if "<|im_start|>" in text else [text] if text.strip() else []
    try:
        loaded = json.loads(text) if kind == ".json" else None
    except ValueError as error:
        raise DataError(f"{file} is not JSON: {error}") from None
    if loaded is not None:
        records = loaded if isinstance(loaded, list) else [loaded]
        return [_record(record, f"{file}, record {row}", answered) for row, record in enumerate(records, 1)]
    found = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except ValueError as error:
            raise DataError(f"{file}, line {number}, is not JSON: {getattr(error, 'msg', error)}") from None
        found.append(_record(record, f"{file}, line {number}", answered))
    return found


def _record(record: Any, where: str, answered: bool) -> Any:
    """A conversation or a document out of one record, whichever of the known forms it has."""
    if isinstance(record, list):
        return conversation(record, where, answered)
    if not isinstance(record, dict):
        raise DataError(f"{where} is not an object: conversations are read from {FORMS}")
    if record.get("tools"):
        raise DataError(f'{where} has "tools", which fine-tuning does not take: leave them out')
    for name in ("messages", "conversations", "conversation"):
        if name in record:
            told = [{"role": "system", "content": record["system"]}] if isinstance(record.get("system"), str) else []
            return conversation(told + record[name] if isinstance(record[name], list) else None, where, answered)
    for one, two in PAIRS:
        if isinstance(record.get(one), str) and (two in record or not answered):
            return _pair(record, (one, two), where, answered)
    if isinstance(record.get("text"), str):
        return record["text"]
    raise DataError(f"{where} holds {', '.join(map(repr, record)) or 'nothing'}: conversations are read from {FORMS}")


def _pair(record: dict[str, Any], names: tuple[str, str], where: str, answered: bool) -> Conversation:
    asked, answer = (record.get(name) for name in names)
    if names[0] == "instruction" and isinstance(record.get("input"), str) and record["input"].strip():
        asked = f"{asked}\n\n{record['input']}"
    told = [{"role": "system", "content": record["system"]}] if isinstance(record.get("system"), str) else []
    said = [{"role": "assistant", "content": answer}] if answer is not None else []
    return conversation([*told, {"role": "user", "content": asked}, *said], where, answered)


def _table(text: str, file: Path, delimiter: str, answered: bool) -> list[Conversation]:
    rows = list(csv.reader(io.StringIO(text), delimiter=delimiter))
    header = [cell.strip().lower() for cell in rows[0]] if rows else []
    names = next((pair for pair in PAIRS if set(pair) <= set(header)), None)
    if names is None and any(len(row) not in (0, 2) for row in rows):
        raise DataError(f"{file} has columns {', '.join(header)}: name two of them prompt and completion")
    headed, made = names is not None, []
    header, names = (header, names) if names else (["prompt", "completion"], ("prompt", "completion"))
    for number, row in enumerate(rows[headed:], 1 + headed):
        if not row:
            continue
        if len(row) != len(header):
            raise DataError(f"{file}, line {number}, has {len(row)} columns; the first has {len(header)}")
        made.append(_pair(dict(zip(header, row)), names, f"{file}, line {number}", answered))
    return made


def _chatml(text: str, file: Path, answered: bool) -> list[Conversation]:
    """Conversations as their own template has them; a new one begins at a system message or after a blank line."""
    blocks = re.findall(r"(\s*)<\|im_start\|>(\w+)\n(.*?)<\|im_end\|>", text, re.DOTALL)
    if text.count("<|im_start|>") != len(blocks):
        raise DataError(f"{file} has an <|im_start|> without a role and an <|im_end|> of its own")
    found: list[list[Message]] = []
    for gap, role, content in blocks:
        if not found or role == "system" or gap.count("\n") > 1:
            found.append([])
        found[-1].append({"role": role, "content": content})
    return [conversation(one, f"{file}, conversation {number}", answered) for number, one in enumerate(found, 1)]


def _chitchat() -> list[Conversation]:
    """The set of the package chitchat-dataset, read without importing it: a person's messages in a row are one."""
    try:
        file = next(f for f in metadata.files("chitchat-dataset") or [] if f.name == "dataset.json")
    except (metadata.PackageNotFoundError, StopIteration):
        raise DataError("the set chitchat is not installed: pip install chitchat-dataset==0.9.0") from None
    found = []
    for talk in json.loads(Path(str(file.locate())).read_text("utf-8")).values():
        said = ["\n".join(m["text"].strip() for m in turn if m["text"].strip()) for turn in talk["messages"]]
        said = [text for text in said if text]
        if len(said) > 1:
            found.append([{"role": ("user", "assistant")[at % 2], "content": text} for at, text in enumerate(said)])
    return found


def _text_of(content: Any) -> str | None:
    """The words of a message: a string, or OpenAI's list of parts where all are text."""
    if isinstance(content, list) and all(isinstance(p, dict) and isinstance(p.get("text"), str) for p in content):
        return "".join(part["text"] for part in content)
    return content if isinstance(content, str) else None


def _checked(found: list[Any], name: str, path: str) -> tuple[list[Any], Source]:
    if len({isinstance(one, str) for one in found}) > 1:
        at = next(row for row, one in enumerate(found, 1) if isinstance(one, str) != isinstance(found[0], str))
        raise DataError(f"{path or name} mixes conversations and plain texts (record {at}): give one kind at a time")
    found = [one for one in found if not isinstance(one, str) or one.strip()]
    if not found:
        raise DataError(f"{path or name} is empty: there is nothing to learn from")
    return found, Source(name, path, _digest(found), rows=len(found))


def _key(one: Any) -> str:
    text = one if isinstance(one, str) else json.dumps(one, sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _digest(objects: list[Any]) -> str:
    state = hashlib.sha256()
    for one in objects:
        state.update(_key(one).encode())
    return state.hexdigest()
