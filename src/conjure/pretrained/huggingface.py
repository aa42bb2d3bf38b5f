"""Hugging Face folders: config.json, safetensors (one file or shards), tokenizer.json, chat template."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from safetensors import SafetensorError, safe_open
from torch import Tensor

from conjure.artifact import Artifact
from conjure.core.errors import ArtifactError
from conjure.pretrained.architectures import Architecture, apart, find, upright
from conjure.pretrained.assembling import Found, assemble
from conjure.pretrained.huggingface_codec import codec_of, read_json

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
DERIVED = (".rotary_emb.inv_freq", ".attn.bias", ".attn.masked_bias")  # that old versions of transformers stored too


def load(folder: Path) -> Artifact:
    """The artifact of a folder that `transformers` saved; ArtifactError names what is missing, damaged or unknown."""
    config = read_json(folder / "config.json")
    kind = find(config.get("model_type", ""), folder)
    try:
        settings = kind.read(config)
        context = int(settings.pop("context"))
        codec, notes = codec_of(folder, config, context)
    except (KeyError, TypeError, ValueError) as error:
        what = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else str(error)
        raise ArtifactError(f"{folder / 'config.json'} does not describe a {config['model_type']}: {what}") from None
    source = {"name": folder.resolve().name, "licence": licence(folder)}
    found = Found(folder, codec, settings, source, kind.names.theirs, notes)
    return assemble(found, _tensors(folder, kind))


def licence(folder: Path) -> str:
    """What the folder's README.md says in its front matter, "unknown" otherwise."""
    readme = folder / "README.md"
    lines = readme.read_text("utf-8", errors="replace").splitlines()[:60] if readme.is_file() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("license:")), "unknown")


def shards(folder: Path) -> list[Path]:
    """The files that hold the weights; ArtifactError names the one that is missing."""
    if (folder / INDEX).is_file():
        names = sorted(set(read_json(folder / INDEX).get("weight_map", {}).values()))
    else:
        names = [WEIGHTS]
    if wrong := [name for name in names if Path(name).name != name]:
        raise ArtifactError(f"{folder / INDEX} names {wrong[0]!r}, which lies in another folder")
    for name in names:
        if not (folder / name).is_file():
            unsafe = any(folder.glob("*.bin")) or any(folder.glob("*.pt"))
            hint = "; weights as .bin or .pt can run code and are not opened" if unsafe else ""
            raise ArtifactError(f"{folder} is incomplete: {name} is missing{hint}")
    return [folder / name for name in names]


def _tensors(folder: Path, kind: Architecture) -> Iterator[tuple[str, Tensor]]:
    for path in shards(folder):
        try:
            with safe_open(path, framework="pt") as file:
                for theirs in file.offset_keys():
                    if not theirs.endswith(DERIVED):
                        yield from _parts(path, kind, theirs, file.get_tensor(theirs))
        except SafetensorError as error:
            raise ArtifactError(f"{path} is damaged or cut short: {error}") from None


def _parts(path: Path, kind: Architecture, theirs: str, value: Tensor) -> list[tuple[str, Tensor]]:
    name = kind.names.ours(theirs)
    if name is None:
        raise ArtifactError(f"{path}: tensor {theirs!r} is not known in this architecture")
    return apart(name, upright(value, name, kind.sideways))
