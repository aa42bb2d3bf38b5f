"""Tokenizer, chat template and ends out of a GGUF file's fields: its lists, written as a tokenizer.json.

Two kinds are there: byte pairs as GPT-2 has them (merges in order, text cut by a pattern before) and SentencePiece's
(scores instead of merges, spaces as a sign, bytes for what is not in the vocabulary).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from conjure.core.errors import ArtifactError, DataError
from conjure.domains.chat.codec import ChatCodec
from conjure.domains.chat.template import NO_TEMPLATE, usual
from conjure.domains.chat.tokenizer import Tokenizer

UNKNOWN, CONTROL, OWN = 2, 3, 4  # kinds of tokens; 1 is a usual one, 5 unused, 6 a byte
CLOSING = ("<|im_end|>", "<|eot_id|>", "<|eom_id|>", "<|end|>")  # what templates close an answer by
SPACE = "\u2581"
WORD = r"[^\r\n\p{L}\p{N}]?\p{L}+"
SIGNS = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
SHORT = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
TEKKEN = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
    r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
PATTERNS = {  # the pattern that text is cut by, None for GPT-2's own; digits one by one before it where marked
    "gpt-2": None,
    "llama-bpe": rf"{SHORT}|{WORD}|\p{{N}}{{1,3}}|{SIGNS}",
    "qwen2": rf"{SHORT}|{WORD}|\p{{N}}|{SIGNS}",
    "tekken": TEKKEN,
    "smollm": None,
}
ALIASES = {"default": "gpt-2", "gpt2": "gpt-2", "olmo": "gpt-2", "llama3": "llama-bpe", "llama-v3": "llama-bpe"}
ALIASES |= {"smaug-bpe": "llama-bpe", "deepseek-r1-qwen": "qwen2", "starcoder": "smollm", "refact": "smollm"}
DIGITS = ("smollm",)
WHOLE = ("llama-bpe", "tekken")  # a word of the vocabulary is taken as it is, whatever the merges say


def codec_of(path: Path, fields: dict[str, Any], context: int, vocab: int) -> tuple[ChatCodec, tuple[str, ...]]:
    """What turns conversations into tokens, and what to know of it.

    KeyError for a missing field; ArtifactError where the tokenizer is of an unknown kind or does not match the weights.
    """
    tokens = fields["tokenizer.ggml.tokens"]
    if len(tokens) > vocab:
        raise ArtifactError(f"{path}: its tokenizer has {len(tokens)} tokens, its weights {vocab}: they do not match")
    numbers = {key: fields.get(f"tokenizer.ggml.{key}_token_id") for key in ("bos", "eos", "eot", "eom", "padding")}
    for key, number in numbers.items():
        if number is not None and not 0 <= number < len(tokens):
            raise ArtifactError(f"{path}: {key}_token_id {number} is no token of its vocabulary of {len(tokens)}")
    start = numbers["bos"] if _starts(fields) else None
    names = {("pad" if key == "padding" else key) + "_token": tokens[n] for key, n in numbers.items() if n is not None}
    names = {key: name for key, name in names.items() if key in ("bos_token", "eos_token", "pad_token")}
    try:
        tokenizer = Tokenizer(json.dumps(_form(path, fields, start), ensure_ascii=False), start, names)
    except DataError as error:
        raise ArtifactError(f"{path}: its tokenizer is damaged: {error}") from None
    template = fields.get("tokenizer.chat_template")
    ends = [numbers[key] for key in ("eos", "eot", "eom") if numbers[key] is not None]
    for name in CLOSING:
        number = tokenizer.number(name)
        if template and name in template and number is not None and number not in ends:
            ends.append(number)
    if not ends:
        raise ArtifactError(f"{path}: nothing says which token ends an answer: tokenizer.ggml.eos_token_id is missing")
    notes = () if template else (NO_TEMPLATE,)
    template, ends = (template, ends) if template else usual(tokenizer, ends)
    return ChatCodec(ChatCodec.Config(context=context), tokenizer, template, list(dict.fromkeys(ends)), vocab), notes


def _starts(fields: dict[str, Any]) -> bool:
    """Whether a text begins with a token of its own: as the file says, else as is usual for its kind."""
    usually = fields["tokenizer.ggml.model"] == "llama" or _pattern(fields) == "llama-bpe"
    return bool(fields.get("tokenizer.ggml.add_bos_token", usually)) and "tokenizer.ggml.bos_token_id" in fields


def _pattern(fields: dict[str, Any]) -> str:
    told = fields.get("tokenizer.ggml.pre", "default")
    return ALIASES.get(told, told)


def _form(path: Path, fields: dict[str, Any], start: int | None) -> dict[str, Any]:
    """The tokenizer.json."""
    kind, tokens = fields["tokenizer.ggml.model"], fields["tokenizer.ggml.tokens"]
    if kind not in ("gpt2", "llama"):
        raise ArtifactError(f"{path}: its tokenizer is of kind {kind!r}; known are gpt2 (byte pairs) and llama")
    kinds = fields.get("tokenizer.ggml.token_type") or [1] * len(tokens)
    made = _pairs(path, fields, tokens) if kind == "gpt2" else _pieces(fields, tokens, kinds)
    added = [(n, t, k) for n, (t, k) in enumerate(zip(tokens, kinds)) if k in (CONTROL, OWN)]
    plain = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": n, "content": t, **plain, "special": k == CONTROL} for n, t, k in added],
        **made,
        "post_processor": None if start is None else _before(tokens[start], start),
    }


def _pairs(path: Path, fields: dict[str, Any], tokens: list[str]) -> dict[str, Any]:
    """Byte pairs: every byte is a letter, pairs of letters are joined in the order of the merges."""
    name = _pattern(fields)
    if name not in PATTERNS:
        raise ArtifactError(f"{path}: text is cut in the manner {name!r}; known are {', '.join([*PATTERNS, *ALIASES])}")
    merges = [_two(pair) for pair in fields["tokenizer.ggml.merges"]]
    pattern = PATTERNS[name]
    cuts: list[dict[str, Any]] = []
    if name in DIGITS:
        cuts.append({"type": "Digits", "individual_digits": True})
    if pattern:
        cuts.append({"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False})
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False}
    cuts.append({**level, "use_regex": pattern is None})
    return {
        "normalizer": {"type": "NFC"} if name == "qwen2" else None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": cuts},
        "decoder": {**level, "use_regex": True},
        "model": _model(tokens, merges, ignore_merges=name in WHOLE),
    }


def _pieces(fields: dict[str, Any], tokens: list[str], kinds: list[int]) -> dict[str, Any]:
    """SentencePiece's byte pairs: of two neighbours those are joined first whose union has the highest score."""
    scores = fields["tokenizer.ggml.scores"]
    numbers = {token: n for n, token in enumerate(tokens)}
    found = []
    for token, score, kind in zip(tokens, scores, kinds):
        if kind != 1:
            continue
        halves = [(token[:cut], token[cut:]) for cut in range(1, len(token))]
        both = [(one, two) for one, two in halves if one in numbers and two in numbers]
        found += [(-score, *sorted((numbers[one], numbers[two])), one, two) for one, two in both]
    merges = [(one, two) for *_, one, two in sorted(found, key=lambda item: item[:3])]
    prefix = bool(fields.get("tokenizer.ggml.add_space_prefix", True))
    signs = {"type": "Replace", "pattern": {"String": " "}, "content": SPACE}
    back = [{"type": "Replace", "pattern": {"String": SPACE}, "content": " "}, {"type": "ByteFallback"}]
    strip = [{"type": "Strip", "content": " ", "start": 1, "stop": 0}] if prefix else []
    unknown = next((token for token, kind in zip(tokens, kinds) if kind == UNKNOWN), None)
    return {
        "normalizer": {
            "type": "Sequence",
            "normalizers": [*([{"type": "Prepend", "prepend": SPACE}] if prefix else []), signs],
        },
        "pre_tokenizer": None,
        "decoder": {"type": "Sequence", "decoders": [*back, {"type": "Fuse"}, *strip]},
        "model": _model(tokens, merges, unk_token=unknown, fuse_unk=True, byte_fallback=True),
    }


def _two(pair: str) -> tuple[str, str]:
    """The halves of a merge, parted by the first space after its first sign."""
    cut = pair.index(" ", 1)
    return pair[:cut], pair[cut + 1 :]


def _model(tokens: list[str], merges: list[tuple[str, str]], **options: Any) -> dict[str, Any]:
    usual = {"dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None}
    usual |= {"fuse_unk": False, "byte_fallback": False, "ignore_merges": False}
    return {"type": "BPE", **usual, **options, "vocab": {t: n for n, t in enumerate(tokens)}, "merges": merges}


def _before(token: str, number: int) -> dict[str, Any]:
    """A rule that puts a token before every text."""
    mark, text = {"SpecialToken": {"id": token, "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}
    other = [{"SpecialToken": {"id": token, "type_id": 1}}, {"Sequence": {"id": "B", "type_id": 1}}]
    known = {token: {"id": token, "ids": [number], "tokens": [token]}}
    return {"type": "TemplateProcessing", "single": [mark, text], "pair": [mark, text, *other], "special_tokens": known}
