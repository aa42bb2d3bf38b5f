"""Low-rank adapters in PEFT's file format: adapter_config.json and adapter_model.safetensors, in and out."""

from __future__ import annotations

import json
import math
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from conjure.artifact import put_file
from conjure.core.errors import ArtifactError
from conjure.nets.lora import adapters, put_lora
from conjure.pretrained.architectures import find, name_of

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
PREFIX = "base_model.model."
REFUSED = ("use_dora", "modules_to_save", "fan_in_fan_out", "lora_bias", "trainable_token_indices", "target_parameters")


def save(model: nn.Module, folder: Path, base: str) -> Path:
    """Write a model's adapters; `base` says what they belong to. ArtifactError where a layer has no name there."""
    found, names = adapters(model), _layers(model)
    first = next(iter(found.values()))
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base,
        "r": first.lora_A.shape[0],
        "lora_alpha": first.scale * first.lora_A.shape[0],
        "lora_dropout": first.dropout,
        "target_modules": sorted({names[name].rpartition(".")[2] for name in found}),
        "bias": "none",
        "inference_mode": True,
    }
    weights = {
        f"{PREFIX}{names[name]}.{leaf}.weight": getattr(part, leaf).detach().cpu().contiguous()
        for name, part in found.items()
        for leaf in ("lora_A", "lora_B")
    }
    folder.mkdir(parents=True, exist_ok=True)
    put_file(folder / WEIGHTS, lambda at: save_file(weights, at, {"format": "pt"}))
    put_file(folder / CONFIG, lambda at: at.write_text(json.dumps(config, indent=2) + "\n", "utf-8"))
    return folder


def attach(model: nn.Module, folder: Path) -> None:
    """Put the adapters of a folder on a model, which is then as PEFT would have it; `nets.lora.merge_lora` merges them.

    ArtifactError names what is missing, damaged, of a kind not known, or made for another model.
    """
    config, weights = _config(folder), _weights(folder)
    layers = {theirs: mine for mine, theirs in _layers(model).items()}
    found: dict[str, tuple[Tensor, Tensor, float]] = {}
    for key in [key for key in weights if key.endswith(".lora_A.weight")]:
        layer = key.removeprefix(PREFIX).removesuffix(".lora_A.weight")
        if layer not in layers:
            raise ArtifactError(f"{folder} adapts a layer {layer}, which this model has not")
        up, down = weights.get(key.replace("lora_A", "lora_B")), weights[key]
        part = model.get_submodule(layers[layer])
        if up is None or (up.shape[0], down.shape[1]) != (part.out_features, part.in_features):
            shapes = f"{tuple(down.shape)} and {None if up is None else tuple(up.shape)}"
            raise ArtifactError(f"{folder} is for another model: layer {layer} has adapters of shapes {shapes}")
        found[layers[layer]] = (down, up, _scale(config, layer, down.shape[0]))
    known = {f"{PREFIX}{name}.{leaf}.weight" for name in layers for leaf in ("lora_A", "lora_B")}
    if other := sorted(set(weights) - known):
        raise ArtifactError(f"{folder} holds {other[0]}, which is no adapter of a linear layer here")
    if not found:
        raise ArtifactError(f"{folder} holds no adapters")
    put_lora(model, found)


def _layers(model: nn.Module) -> dict[str, str]:
    """The linear layers inside a model's trunk: our name -> that of its published architecture.

    ArtifactError where the architecture keeps queries, keys and values as one (GPT-2), or is nobody else's.
    """
    kind = find(name_of(asdict(model.config)), "this model")  # type: ignore[arg-type]
    if kind.sideways:
        raise ArtifactError("adapters of GPT-2 are kept nowhere: there queries, keys and values are one matrix")
    return {
        name: kind.names.theirs(f"{name}.weight").removesuffix(".weight")
        for name, part in model.named_modules()
        if isinstance(part, nn.Linear) and name.startswith("trunk.layers.")
    }


def _config(folder: Path) -> dict[str, Any]:
    if not (folder / CONFIG).is_file():
        raise ArtifactError(f"{folder} holds no adapters: there is no {CONFIG}")
    try:
        config = json.loads((folder / CONFIG).read_text("utf-8"))
        kind = config.get("peft_type")
    except (ValueError, AttributeError) as error:
        raise ArtifactError(f"{folder / CONFIG} is damaged: {error}") from None
    if kind != "LORA":
        raise ArtifactError(f"{folder} holds adapters of type {kind!r}; known is LORA")
    if set_ := [name for name in REFUSED if config.get(name)]:
        raise ArtifactError(f"{folder} was made with {set_[0]}={config[set_[0]]}, which is not known here")
    if config.get("bias", "none") != "none":
        raise ArtifactError(f"{folder} was made with bias={config['bias']}, which is not known here")
    return config


def _weights(folder: Path) -> dict[str, Tensor]:
    if not (folder / WEIGHTS).is_file():
        raise ArtifactError(f"{folder} is incomplete: {WEIGHTS} is missing")
    try:
        return {name: value.to(torch.float32) for name, value in load_file(folder / WEIGHTS).items()}
    except SafetensorError as error:
        raise ArtifactError(f"{folder / WEIGHTS} is damaged: {error}") from None


def _scale(config: dict[str, Any], layer: str, rank: int) -> float:
    """alpha / rank, or alpha / sqrt(rank) where the file says so (Kalajdzievski 2023)."""
    alpha = config.get("lora_alpha", 8)
    for pattern, value in (config.get("alpha_pattern") or {}).items():
        if re.match(rf"(.*\.)?({pattern})$", layer):
            alpha = value
    return alpha / (math.sqrt(rank) if config.get("use_rslora") else rank)
