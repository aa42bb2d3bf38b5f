"""Tokenizer, chat template and ends as a Hugging Face folder carries them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from conjure.core.errors import ArtifactError, DataError
from conjure.domains.chat.codec import ChatCodec
from conjure.domains.chat.template import NO_TEMPLATE, usual
from conjure.domains.chat.tokenizer import Tokenizer

NAMES = ("bos_token", "eos_token", "unk_token", "pad_token")


def codec_of(folder: Path, config: dict[str, Any], context: int) -> tuple[ChatCodec, tuple[str, ...]]:
    """What turns conversations into tokens, and what to know of it.

    ArtifactError where a file is missing or does not match the weights.
    """
    told = read_json(folder / "tokenizer_config.json", {})
    names = {key: _content(told[key]) for key in NAMES if told.get(key) is not None}
    tokenizer = _tokenizer(folder, names)
    vocab = config["vocab_size"]
    if tokenizer.highest >= vocab:
        raise ArtifactError(
            f"{folder}: tokenizer.json does not match the weights: it has token {tokenizer.highest}, "
            f"the weights know {vocab} (0 to {vocab - 1})"
        )
    template, ends = _template(folder, told), _ends(folder, config, tokenizer)
    notes = () if template else (NO_TEMPLATE,)
    template, ends = (template, ends) if template else usual(tokenizer, ends)
    return ChatCodec(ChatCodec.Config(context=context), tokenizer, template, ends, vocab), notes


def read_json(path: Path, without: Any = None) -> Any:
    """What a JSON file holds; `without` it if the file is absent; ArtifactError if it is damaged."""
    if not path.is_file() and without is not None:
        return without
    try:
        found = json.loads(path.read_text("utf-8"))
    except OSError:
        raise ArtifactError(f"{path} is missing") from None
    except ValueError as error:
        raise ArtifactError(f"{path} is not valid JSON: {error}") from None
    if not isinstance(found, dict):
        raise ArtifactError(f"{path} should hold a JSON object")
    return found


def _content(name: Any) -> str:
    return name["content"] if isinstance(name, dict) else str(name)


def _tokenizer(folder: Path, names: dict[str, str]) -> Tokenizer:
    path = folder / "tokenizer.json"
    if not path.is_file():
        raise ArtifactError(
            f"{path} is missing: AutoTokenizer.from_pretrained(...).save_pretrained(...) of transformers writes it"
        )
    try:
        plain = Tokenizer(path.read_text("utf-8"))
    except (DataError, UnicodeDecodeError) as error:
        raise ArtifactError(f"{path} is damaged: {error}") from None
    return Tokenizer(plain.form, plain.habit(), names)


def _template(folder: Path, told: dict[str, Any]) -> str | None:
    path = folder / "chat_template.jinja"
    if path.is_file():
        return path.read_text("utf-8")
    found = told.get("chat_template")
    if isinstance(found, list):  # several under names
        found = {one["name"]: one["template"] for one in found}
        found = found.get("default") or next(iter(found.values()), None)
    return found


def _ends(folder: Path, config: dict[str, Any], tokenizer: Tokenizer) -> list[int]:
    """Tokens that end an answer: what is generated ends with, then the config's, then the tokenizer's own."""
    told = read_json(folder / "generation_config.json", {})
    ends: list[int] = []
    own = tokenizer.number(tokenizer.names.get("eos_token", ""))
    for found in (told.get("eos_token_id"), config.get("eos_token_id"), own):
        ends += [n for n in (found if isinstance(found, list) else [found]) if n is not None and n not in ends]
    vocab = config["vocab_size"]
    if wrong := [n for n in ends if not (isinstance(n, int) and 0 <= n < vocab)]:
        raise ArtifactError(f"{folder}: eos_token_id {wrong[0]!r} is no token of the weights (0 to {vocab - 1})")
    if not ends:
        raise ArtifactError(f"{folder}: nothing says which token ends an answer: set eos_token_id in config.json")
    return ends
