"""Hugging Face folders: config.json, safetensors (sharded or not), tokenizer.json, chat template."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from conjure.artifact import Artifact, build_model
from conjure.core.config import nearest
from conjure.core.errors import ArtifactError
from conjure.domains.chat.codec import ChatCodec
from conjure.domains.chat.template import CHATML
from conjure.domains.chat.tokenizer import Tokenizer
from conjure.recipe import Recipe

LLAMA = {  # ours -> theirs, within a layer
    "attention_norm": "input_layernorm",
    "attention.query": "self_attn.q_proj",
    "attention.key": "self_attn.k_proj",
    "attention.value": "self_attn.v_proj",
    "attention.out": "self_attn.o_proj",
    "feed_norm": "post_attention_layernorm",
    "feed.gate": "mlp.gate_proj",
    "feed.up": "mlp.up_proj",
    "feed.down": "mlp.down_proj",
}
OUTSIDE = {"embed": "model.embed_tokens", "trunk.norm": "model.norm", "head": "lm_head"}


def _llama(c: dict[str, Any]) -> dict[str, Any]:
    return {
        "layers": c["num_hidden_layers"],
        "width": c["hidden_size"],
        "heads": c["num_attention_heads"],
        "groups": c.get("num_key_value_heads") or c["num_attention_heads"],
        "channels": c.get("head_dim") or c["hidden_size"] // c["num_attention_heads"],
        "hidden": c["intermediate_size"],
        "epsilon": c.get("rms_norm_eps", 1e-6),
        "base": c.get("rope_theta") or (c.get("rope_parameters") or {}).get("rope_theta", 10_000.0),
        "tied": bool(c.get("tie_word_embeddings", False)),
    }


ARCHITECTURES = {"llama": _llama}


def load(folder: Path) -> Artifact:
    """The artifact of a folder that `transformers` saved; ArtifactError names what is missing or unknown."""
    config = json.loads((folder / "config.json").read_text("utf-8"))
    kind = config.get("model_type", "")
    if kind not in ARCHITECTURES:
        raise ArtifactError(
            f"{folder} holds weights of architecture {kind!r}; known are {', '.join(ARCHITECTURES)}: "
            f"{nearest(kind, list(ARCHITECTURES))}"
        )
    weights: dict[str, Tensor] = {}
    for shard in sorted(folder.glob("*.safetensors")):
        weights |= load_file(shard)
    return assemble(_codec(folder, config), ARCHITECTURES[kind](config), renamed(weights), {"name": folder.name})


def renamed(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Tensors of a Llama under our names."""
    ours = {theirs: mine for mine, theirs in LLAMA.items()}
    found = {}
    for name, value in weights.items():
        stem, _, leaf = name.rpartition(".")
        outer = {theirs: mine for mine, theirs in OUTSIDE.items()}.get(stem)
        if outer is not None:
            found[f"{outer}.{leaf}"] = value
        elif stem.startswith("model.layers."):
            _, _, number, inner = stem.split(".", 3)
            found[f"trunk.layers.{number}.{ours[inner]}.{leaf}"] = value
    return found


def assemble(
    codec: ChatCodec, settings: dict[str, Any], weights: dict[str, Tensor], source: dict[str, Any]
) -> Artifact:
    """An artifact of a codec, the model's settings and its weights under our names."""
    kept = {"context": codec.config.context, "length": codec.config.length}
    recipe = Recipe("chat", "llm", "likelihood", codec=kept, model_settings=settings)
    model = build_model(recipe, codec)
    if settings["tied"]:
        weights.pop("head.weight", None)
    model.load_state_dict({k: v.to(torch.float32) for k, v in weights.items()})
    return Artifact(recipe, codec, model.eval(), {"source": source, "metrics": {}, "notes": []})


def _codec(folder: Path, config: dict[str, Any]) -> ChatCodec:
    told = folder / "tokenizer_config.json"
    words = json.loads(told.read_text("utf-8")) if told.is_file() else {}
    ends = config.get("eos_token_id")
    ends = ends if isinstance(ends, list) else [ends if ends is not None else 0]
    context = int(config.get("max_position_embeddings", 2048))
    return ChatCodec(
        ChatCodec.Config(context=context),
        Tokenizer((folder / "tokenizer.json").read_text("utf-8")),
        words.get("chat_template") or CHATML,
        ends,
        config["vocab_size"],
    )
