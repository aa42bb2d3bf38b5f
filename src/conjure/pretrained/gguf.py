"""GGUF files as llama.cpp writes them: one file (or its parts) with weights, tokenizer and chat template."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from conjure.artifact import Artifact
from conjure.core.config import nearest
from conjure.core.errors import ArtifactError
from conjure.nets.language import Anatomy, rates
from conjure.pretrained.architectures import Names, apart
from conjure.pretrained.assembling import Found, assemble
from conjure.pretrained.gguf_codec import codec_of
from conjure.pretrained.gguf_file import GGUFFile

INSIDE = {  # ours -> theirs, within a layer
    "attention_norm": "attn_norm",
    "attention.query": "attn_q",
    "attention.key": "attn_k",
    "attention.value": "attn_v",
    "attention.fused": "attn_qkv",
    "attention.out": "attn_output",
    "attention.query_norm": "attn_q_norm",
    "attention.key_norm": "attn_k_norm",
    "feed_norm": "ffn_norm",
    "feed.gate": "ffn_gate",
    "feed.up": "ffn_up",
    "feed.down": "ffn_down",
}
OUTSIDE = {"embed": "token_embd", "places.embed_0": "position_embd", "trunk.norm": "output_norm", "head": "output"}
NAMES = Names("", "blk", INSIDE, OUTSIDE)
STRETCH = "rope_freqs.weight"  # what Llama 3 divides its rates by
PERMUTED = ("llama", "smollm3")  # whose queries and keys lie pair by pair
KNOWN: dict[str, dict[str, Any]] = {
    "llama": {},
    "qwen2": {"query_bias": True},
    "qwen3": {"query_norm": True},
    "smollm3": {},
    "gpt2": {"norm": "layer", "gated": False, "positions": "learned"}
    | {"query_bias": True, "out_bias": True, "feed_bias": True},
}


def load(path: Path) -> Artifact:
    """The artifact of a file; ArtifactError names what is damaged, missing or of an architecture not known."""
    files = [GGUFFile(part) for part in _all_parts(path)]
    fields = files[0].fields
    kind = fields.get("general.architecture")
    if kind not in KNOWN:
        raise ArtifactError(
            f"{path} holds weights of architecture {kind!r}; known are {', '.join(KNOWN)}: "
            f"{nearest(str(kind), list(KNOWN))}"
        )
    where = {name: file for file in files for name in file.entries}
    if "token_embd.weight" not in where:
        raise ArtifactError(f"{path} is incomplete: tensor 'token_embd.weight' is missing")
    try:
        settings = _settings(fields, kind) | KNOWN[kind] | _seen(where)
        settings |= _stretch(path, fields, kind, settings, where)
        vocab = where["token_embd.weight"].entries["token_embd.weight"].shape[0]
        codec, notes = codec_of(path, fields, int(fields[f"{kind}.context_length"]), vocab)
    except KeyError as error:
        raise ArtifactError(f"{path} is damaged: its field {error.args[0]!r} is missing") from None
    except (TypeError, ValueError, ZeroDivisionError) as error:
        raise ArtifactError(f"{path} is damaged: {error}") from None
    source = {"name": fields.get("general.name", path.stem), "licence": fields.get("general.license", "unknown")}
    found = Found(path, codec, settings, source, NAMES.theirs, notes)
    return assemble(found, _tensors(where, settings, kind in PERMUTED))


def halves(value: Tensor, heads: int) -> Tensor:
    """Rows of queries or keys (heads x channels, ...), pairs side by side in the file, as pairs half a head apart.

    llama.cpp turns neighbours (2i, 2i + 1), `transformers` and we turn (i, i + D/2): its converter permutes the rows of
    the architectures in PERMUTED, and of no others.
    """
    return value.unflatten(0, (heads, -1, 2)).transpose(1, 2).flatten(0, 2)


def _all_parts(path: Path) -> list[Path]:
    """The file, or all files of one that was split; ArtifactError names a part that is missing."""
    if not path.is_file():
        raise ArtifactError(f"{path} is missing")
    found = re.fullmatch(r"(.*)-\d{5}-of-(\d{5})\.gguf", path.name)
    if not found:
        return [path]
    names = [f"{found[1]}-{n:05d}-of-{found[2]}.gguf" for n in range(1, int(found[2]) + 1)]
    for name in names:
        if not (path.parent / name).is_file():
            raise ArtifactError(f"{path.parent} is incomplete: {name} is missing")
    return [path.parent / name for name in names] or [path]


def _tensors(where: dict[str, GGUFFile], settings: dict[str, Any], permuted: bool) -> Iterator[tuple[str, Tensor]]:
    for theirs, file in where.items():
        name = NAMES.ours(theirs)
        if theirs == STRETCH:
            continue
        if name is None:
            raise ArtifactError(f"{file.path}: tensor {theirs!r} is not known in this architecture")
        for mine, value in apart(name, file.read(theirs)):
            if permuted and ".attention.query." in mine:
                value = halves(value, settings["heads"])
            elif permuted and ".attention.key." in mine:
                value = halves(value, settings["groups"])
            yield mine, value


def _settings(fields: dict[str, Any], kind: str) -> dict[str, Any]:
    f = _Under(fields, kind)
    heads = f["attention.head_count"]
    channels = f.get("attention.key_length", f["embedding_length"] // heads)
    if f.get("rope.dimension_count", channels) != channels and kind != "gpt2":
        raise ArtifactError(f"{kind}.rope.dimension_count is not that of a head: only whole heads can be turned")
    norm = "attention.layer_norm_epsilon" if kind == "gpt2" else "attention.layer_norm_rms_epsilon"
    made = {
        "layers": f["block_count"],
        "width": f["embedding_length"],
        "heads": heads,
        "groups": f.get("attention.head_count_kv", heads),
        "channels": channels,
        "hidden": f["feed_forward_length"],
        "epsilon": float(f[norm]),
        "base": float(f.get("rope.freq_base", 10_000.0)),
        "window": f.get("attention.sliding_window", 0),
    }
    if wrong := next((k for k, v in made.items() if not isinstance(v, (int, float))), None):
        raise ArtifactError(f"{kind} with another {wrong} in each layer is not supported")
    if kind == "smollm3":  # as llama.cpp has it
        made["unturned"] = tuple(range(3, made["layers"], 4))
    return made


class _Under(dict):
    """Fields of one architecture by the rest of their names; a missing one is named in full."""

    def __init__(self, fields: dict[str, Any], kind: str):
        super().__init__({k.removeprefix(f"{kind}."): v for k, v in fields.items() if k.startswith(f"{kind}.")})
        self.kind = kind

    def __missing__(self, key: str) -> Any:
        raise KeyError(f"{self.kind}.{key}")


def _seen(where: dict[str, GGUFFile]) -> dict[str, Any]:
    """What only the tensors tell: whether the head is a matrix of its own, and which biases there are."""
    found: dict[str, Any] = {"tied": "output.weight" not in where}
    for key, name in (("query_bias", "attn_q"), ("out_bias", "attn_output"), ("feed_bias", "ffn_up")):
        if f"blk.0.{name}.bias" in where:
            found[key] = True
    return found


def _stretch(
    path: Path, fields: dict[str, Any], kind: str, settings: dict[str, Any], where: dict[str, GGUFFile]
) -> dict[str, Any]:
    """How the rotary angles are stretched: by fields, or by a tensor of what each rate is divided by."""
    told = fields.get(f"{kind}.rope.scaling.type", "none")
    if told not in ("none", "linear"):
        raise ArtifactError(f"{path}: rotary angles are stretched by {told!r}; known are linear and Llama 3's")
    if told == "linear":
        return {"stretch": (float(fields[f"{kind}.rope.scaling.factor"]), 1.0, 2.0, 0.0)}
    if STRETCH not in where:
        return {}
    divided = where[STRETCH].read(STRETCH)
    factor = float(divided.max())
    if factor == 1:
        return {}
    told = fields.get(f"{kind}.rope.scaling.original_context_length")
    sizes = {k: settings[k] for k in ("layers", "width", "heads", "groups", "channels", "hidden", "base")}
    plain = rates(Anatomy(**sizes))
    for first in [*([told] if told else []), *(2**n for n in range(13, 21)), *(2**n for n in range(4, 13))]:
        stretch = (factor, 1.0, 4.0, float(first))
        wanted = plain / rates(Anatomy(**sizes, stretch=stretch))
        if divided.shape == wanted.shape and torch.allclose(divided, wanted, rtol=1e-4):
            return {"stretch": stretch}
    raise ArtifactError(f"{path}: {STRETCH} stretches the rotary angles in another way than Llama 3's")
