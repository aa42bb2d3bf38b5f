"""Adapters in PEFT's files: the same logits here and there, both ways."""

from __future__ import annotations

import json
import shutil

import pytest
import torch

from conjure.core.errors import ArtifactError
from conjure.core.space import Tokens
from conjure.models.llm import LLM
from conjure.nets.lora import adapters as adapted
from conjure.nets.lora import add_lora, merge_lora
from conjure.pretrained import adapters
from conjure.pretrained.architectures import ARCHITECTURES

peft = pytest.importorskip("peft", reason="the peer that reads and writes these files")
transformers = pytest.importorskip("transformers", reason="the models that peft adapts")
X = torch.randint(40, (2, 9), generator=torch.Generator().manual_seed(1))
pytestmark = pytest.mark.filterwarnings("ignore")  # of the peers' own


def ours() -> LLM:
    torch.manual_seed(0)
    settings = LLM.Config(layers=2, width=32, heads=4, groups=2, hidden=64)
    return LLM(Tokens(40, (32,), None, True), None, settings).eval()


def theirs(model: LLM):
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = transformers.LlamaConfig(
        vocab_size=40, num_key_value_heads=2, rms_norm_eps=1e-5, rope_theta=10_000.0, tie_word_embeddings=True, **sizes
    )
    made = transformers.LlamaForCausalLM(config).eval()
    names = ARCHITECTURES["llama"].names
    named = {names.theirs(name): value for name, value in model.state_dict().items()}
    made.load_state_dict(named, strict=False)
    return made


def logits(model: LLM) -> torch.Tensor:
    with torch.no_grad():
        return model.logits(model._hidden(X, None))


def test_ours_is_read_by_peft(tmp_path):
    model = ours()
    other = theirs(model)
    add_lora(model, 4, 12.0, ("query", "value", "down"))
    for part in adapted(model).values():
        torch.nn.init.normal_(part.lora_B, std=0.3)
    adapters.save(model, tmp_path / "a", "smollm2")
    read = peft.PeftModel.from_pretrained(other, tmp_path / "a")
    with torch.no_grad():
        torch.testing.assert_close(read(X).logits, logits(model), rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(read.merge_and_unload()(X).logits, logits(model), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "more", [{}, {"use_rslora": True}, {"rank_pattern": {"q_proj": 2}, "alpha_pattern": {"q_proj": 9}}]
)
def test_theirs_is_read_by_us(tmp_path, more):
    model = ours()
    config = peft.LoraConfig(r=3, lora_alpha=5, target_modules=["q_proj", "up_proj"], task_type="CAUSAL_LM", **more)
    other = peft.get_peft_model(theirs(model), config)
    for name, p in other.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(p, std=0.3)
    other.save_pretrained(tmp_path / "a")
    adapters.attach(model, tmp_path / "a")
    with torch.no_grad():
        torch.testing.assert_close(other.eval()(X).logits, logits(model), rtol=1e-4, atol=1e-4)
    merge_lora(model)
    with torch.no_grad():
        torch.testing.assert_close(other(X).logits, logits(model), rtol=1e-4, atol=1e-4)


def test_there_and_back_is_bit_equal(tmp_path):
    model, again = ours(), ours()
    add_lora(model, 4, 12.0)
    for part in adapted(model).values():
        torch.nn.init.normal_(part.lora_B, std=0.3)
    adapters.save(model, tmp_path / "a", "here")
    adapters.attach(again, tmp_path / "a")
    assert torch.equal(logits(model), logits(again))


@pytest.mark.parametrize(
    ("spoil", "naming"),
    [
        (lambda at: (at / "adapter_config.json").unlink(), "no adapter_config.json"),
        (lambda at: (at / "adapter_config.json").write_text("{"), "is damaged"),
        (lambda at: (at / "adapter_config.json").write_text('{"peft_type": "IA3"}'), "of type 'IA3'"),
        (lambda at: changed(at, use_dora=True), "use_dora=True"),
        (lambda at: changed(at, bias="all"), "bias=all"),
        (lambda at: (at / "adapter_model.safetensors").unlink(), "safetensors is missing"),
        (lambda at: (at / "adapter_model.safetensors").write_bytes(b"x"), "is damaged"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, spoil, naming):
    model = ours()
    add_lora(model, 2, 4.0)
    spoil(adapters.save(model, tmp_path / "a", "here"))
    with pytest.raises(ArtifactError, match=naming):
        adapters.attach(ours(), tmp_path / "a")


def test_an_architecture_without_names_for_them_is_refused():
    torch.manual_seed(0)
    settings = {"norm": "layer", "gated": False, "positions": "learned"}
    biases = {"query_bias": True, "out_bias": True, "feed_bias": True}
    other = LLM(Tokens(40, (32,), None, True), None, LLM.Config(layers=1, width=32, heads=4, **settings, **biases))
    add_lora(other, 2, 4.0)
    with pytest.raises(ArtifactError, match="GPT-2"):
        adapters.save(other, None, "there")  # type: ignore[arg-type]


def test_adapters_of_another_model_are_refused(tmp_path):
    torch.manual_seed(0)
    other = LLM(Tokens(40, (32,), None, True), None, LLM.Config(layers=3, width=32, heads=4))
    add_lora(other, 2, 4.0, ("key",))
    adapters.save(other, tmp_path / "a", "there")
    with pytest.raises(ArtifactError, match=r"another model: layer model.layers.0.self_attn.k_proj|which this model"):
        adapters.attach(ours(), tmp_path / "a")
    shutil.rmtree(tmp_path / "a")


def changed(at, **fields):
    place = at / "adapter_config.json"
    place.write_text(json.dumps({**json.loads(place.read_text()), **fields}))
