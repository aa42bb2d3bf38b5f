"""Writing a language model of ours as a Hugging Face folder, which `transformers` and most other tools read."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from conjure.artifact import Artifact
from conjure.core.config import nearest
from conjure.core.errors import ConfigError, TrainingError
from conjure.domains.chat.codec import ChatCodec
from conjure.models.llm import LLM
from conjure.pretrained.architectures import ARCHITECTURES, PARTS, Architecture, name_of, upright
from conjure.pretrained.huggingface import INDEX, WEIGHTS

TYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
SHARD = 5 << 30  # bytes of one file of weights


def save(artifact: Artifact, folder: str | Path, *, weights: str = "fp32", shard: int = SHARD) -> Path:
    """Write config.json, safetensors, tokenizer and chat template; the architecture is the one these parts make.

    weights: "fp32", "fp16" or "bf16"; fp32 reads back bit by bit. shard: bytes of one file at most. The folder appears
    whole or not at all. ConfigError for a model that is not an `llm` over conversations, a taken folder or an unknown
    type of numbers; ArtifactError for parts that no published architecture has together.
    """
    target = Path(folder)
    if weights not in TYPES:
        raise ConfigError(f"weights can be {', '.join(TYPES)}, not {weights!r}: {nearest(weights, list(TYPES))}")
    if not isinstance(artifact.model, LLM) or not isinstance(artifact.codec, ChatCodec) or artifact.first is not None:
        raise ConfigError(
            f"a {artifact.recipe.model} of {artifact.recipe.domain} has no Hugging Face form: 'llm' has one"
        )
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ConfigError(f"{target} is taken: choose a folder that is new or empty")
    kind, config = described(artifact)
    beside = target.with_name(f".{target.name}.part")
    shutil.rmtree(beside, ignore_errors=True)
    try:
        beside.mkdir(parents=True)
        _write_words(artifact.codec, beside)
        config |= {"dtype": str(TYPES[weights]).removeprefix("torch."), "vocab_size": artifact.codec.space.vocab}
        _write_json(beside / "config.json", config | _ends(artifact.codec))
        _write_json(beside / "generation_config.json", _ends(artifact.codec))
        (beside / "README.md").write_text(_card(artifact), "utf-8")
        _write_weights(_tensors(artifact.model, kind, TYPES[weights]), beside, shard)
        if target.exists():
            target.rmdir()
        beside.rename(target)
    except OSError as error:
        raise TrainingError(f"could not write {target}: {error.strerror or error}") from None
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return target


def described(artifact: Artifact) -> tuple[Architecture, dict[str, Any]]:
    """The architecture of an artifact's model, and its config.json without what the codec says."""
    a = artifact.model.trunk.anatomy  # type: ignore[union-attr]
    sizes = {k: getattr(a, k) for k in ("groups", "channels", "hidden")}
    settings = asdict(artifact.recipe.configs()[1]) | sizes | {"context": artifact.codec.config.context}
    kind = ARCHITECTURES[name_of(settings)]
    return kind, kind.write(settings)


def _tensors(model: LLM, kind: Architecture, dtype: torch.dtype) -> Iterator[tuple[str, Tensor]]:
    """Their name and value of each tensor, queries, keys and values below each other where they are one."""
    values = model.state_dict()
    for name, value in values.items():
        stem, _, leaf = name.rpartition(".")
        if "attention.fused" in kind.names.inside and stem.endswith(PARTS):
            if not stem.endswith(PARTS[0]):
                continue
            root = stem.removesuffix(PARTS[0])
            value = torch.cat([values[f"{root}{part}.{leaf}"] for part in PARTS])
        yield kind.names.theirs(name), upright(value, name, kind.sideways).to(dtype).contiguous()


def _write_weights(tensors: Iterator[tuple[str, Tensor]], folder: Path, shard: int) -> None:
    """One file, or as many as the size asks for with an index of what is where; a file's worth is held at a time."""
    places: dict[str, int] = {}
    held: dict[str, Tensor] = {}
    size, total, files = 0, 0, 0

    def empty() -> None:
        nonlocal held, size, files
        save_file(held, folder / f".{files}", metadata={"format": "pt"})
        held, size, files = {}, 0, files + 1

    for name, value in tensors:
        if held and size + value.nbytes > shard:
            empty()
        held[name], places[name] = value, files
        size, total = size + value.nbytes, total + value.nbytes
    empty()
    stem = WEIGHTS.removesuffix(".safetensors")
    names = [WEIGHTS] if files == 1 else [f"{stem}-{n + 1:05d}-of-{files:05d}.safetensors" for n in range(files)]
    for n, name in enumerate(names):
        (folder / f".{n}").rename(folder / name)
        (folder / name).chmod(0o644)
    if files > 1:
        where = {name: names[n] for name, n in places.items()}
        _write_json(folder / INDEX, {"metadata": {"total_size": total}, "weight_map": where})


def _write_words(codec: ChatCodec, folder: Path) -> None:
    """The tokenizer as it is, the names of its special tokens, the template."""
    (folder / "tokenizer.json").write_text(codec.tokenizer.form, "utf-8")
    names = {key: name for key, name in codec.names.items() if name}
    told = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": codec.config.context, **names}
    told |= {"clean_up_tokenization_spaces": False, "chat_template": codec.template}
    _write_json(folder / "tokenizer_config.json", told)
    (folder / "chat_template.jinja").write_text(codec.template, "utf-8")


def _ends(codec: ChatCodec) -> dict[str, Any]:
    ends: Any = codec.ends if len(codec.ends) > 1 else codec.end
    others = {f"{key}_token_id": codec.tokenizer.number(codec.names.get(f"{key}_token", "")) for key in ("bos", "pad")}
    return {"eos_token_id": ends, **others}  # null too: transformers has numbers of its own for what is left out


def _write_json(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", "utf-8")


def _card(artifact: Artifact) -> str:
    """The model card, with the front matter that hubs read."""
    source, notes = artifact.card.get("source", {}), artifact.card.get("notes", [])
    licence, name = source.get("licence", "unknown"), source.get("name", "weights")
    front = ["---", f"license: {licence}", "library_name: transformers", "pipeline_tag: text-generation", "---", ""]
    told = [f"# {name}", "", f"Written by conjure from {name} (licence {licence})."]
    return "\n".join([*front, *told, *(f"\n- {note}" for note in notes)]) + "\n"
