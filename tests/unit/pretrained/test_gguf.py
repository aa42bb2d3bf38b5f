"""GGUF files of every architecture and kind of rounding hold, for us, the model they were made of."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

pytest.importorskip("transformers", reason="transformers is in the dev extra")
pytest.importorskip("gguf", reason="gguf is in the language extra")
from conjure.core.errors import ArtifactError
from conjure.pretrained import gguf as ours
from tests.unit.pretrained.published import model_of
from tests.unit.pretrained.written import rounded_model, write

pytestmark = pytest.mark.filterwarnings("ignore")  # transformers' own
TOKENS = 305  # of the tokenizer
KINDS = ("F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K")


@torch.no_grad()
def logits_of(path: Path) -> torch.Tensor:
    x = torch.randint(TOKENS, (2, 20), generator=torch.Generator().manual_seed(3))
    model = ours.load(path).model
    return model.logits(model._hidden(x, None))


@torch.no_grad()
def wanted_of(model) -> torch.Tensor:
    x = torch.randint(TOKENS, (2, 20), generator=torch.Generator().manual_seed(3))
    return model(x).logits


@pytest.mark.parametrize(
    "shape", ["llama", "llama3", "linear", "biased", "mistral-whole", "qwen2", "qwen3", "gpt2", "gpt2-apart"]
)
def test_logits_are_those_of_the_model_that_was_written(shape: str, tmp_path: Path):
    """Queries and keys of a llama lie pair by pair in the file, those of the others half by half."""
    model = model_of(shape)
    write(model, tmp_path / "a.gguf")
    torch.testing.assert_close(logits_of(tmp_path / "a.gguf"), wanted_of(model), atol=1e-4, rtol=0)


def test_smollm3_turns_three_layers_of_four(tmp_path: Path):
    """Which, the file does not say: llama.cpp knows it of the architecture."""
    model = model_of("smollm3", num_hidden_layers=5, no_rope_layers=None)
    write(model, tmp_path / "a.gguf")
    torch.testing.assert_close(logits_of(tmp_path / "a.gguf"), wanted_of(model), atol=1e-4, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("kind", KINDS)
def test_rounded_weights_are_what_the_package_makes_of_them(kind: str, tmp_path: Path):
    model = model_of("llama", hidden_size=256, intermediate_size=256, num_hidden_layers=1)
    model = rounded_model(model, write(model, tmp_path / "a.gguf", kind))
    wanted = wanted_of(model)
    assert wanted.isfinite().all()
    assert wanted.std() > 1e-3
    torch.testing.assert_close(logits_of(tmp_path / "a.gguf"), wanted, atol=1e-4, rtol=1e-5)


@torch.no_grad()
def test_transformers_reads_the_same_model_from_the_file(tmp_path: Path):
    """A second reader of the same bytes."""
    import transformers

    write(model_of("llama", vocab_size=TOKENS), tmp_path / "a.gguf", "Q8_0")
    theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path, gguf_file="a.gguf")
    torch.testing.assert_close(logits_of(tmp_path / "a.gguf"), wanted_of(theirs), atol=1e-4, rtol=0)


@pytest.mark.parametrize("cut", [3, 40, 2000, -1])
def test_a_file_that_was_cut_short_is_refused(cut: int, tmp_path: Path):
    path = tmp_path / "a.gguf"
    write(model_of("llama"), path)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(ArtifactError, match=r"a\.gguf"):
        ours.load(path)


def test_bytes_that_were_changed_are_refused_or_harmless(tmp_path: Path):
    """No byte of the header brings anything but our own error, or a model that can still be made of it."""
    path = tmp_path / "a.gguf"
    write(model_of("llama"), path)
    whole, rng = path.read_bytes(), torch.Generator().manual_seed(0)
    refused = []
    for at in torch.randint(0, 9000, (150,), generator=rng).tolist():
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        try:
            ours.load(path)
        except ArtifactError as error:
            refused.append(str(error))
    assert len(refused) > 5
    assert all("a.gguf" in said for said in refused)
