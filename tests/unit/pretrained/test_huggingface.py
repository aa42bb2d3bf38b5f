"""What transformers computes is what we compute, for every architecture; damaged folders are refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from conjure.pretrained import huggingface, saving
from tests.unit.pretrained.published import SHAPES, VOCAB, folder_of

pytest.importorskip("transformers", reason="transformers is in the dev extra")
pytestmark = pytest.mark.filterwarnings("ignore")  # transformers' own


@pytest.mark.parametrize("shape", SHAPES)
@torch.no_grad()
def test_logits_are_those_of_transformers(shape: str, tmp_path: Path):
    """A batch of unequal texts: whole at once, then as a padded prompt with a cache and token by token."""
    theirs = folder_of(shape, tmp_path)
    ours = huggingface.load(tmp_path).model
    rng, lengths = torch.Generator().manual_seed(3), [23, 4, 11]
    texts = [torch.randint(VOCAB, (n,), generator=rng) for n in lengths]
    padded = torch.nn.utils.rnn.pad_sequence(texts, batch_first=True)
    mask = torch.nn.utils.rnn.pad_sequence([torch.ones_like(t) for t in texts], batch_first=True)
    wanted = theirs(padded, attention_mask=mask).logits
    assert wanted.std() > 0.1, "logits that hardly differ would agree with anything"
    found = ours.logits(ours._hidden(padded, None))
    for row, n in enumerate(lengths):
        torch.testing.assert_close(found[row, :n], wanted[row, :n], atol=1e-4, rtol=0)

    first = torch.tensor([9, 2, 5])
    reading = ours.begin(3, room=4)
    logits = ours.read(padded[:, :9], reading, first)
    for step in range(3):
        for row in range(3):
            at = int(first[row]) - 1 + step
            if at < lengths[row]:
                torch.testing.assert_close(logits[row], wanted[row, at], atol=1e-4, rtol=0)
        if step < 2:
            logits = ours.read(padded[torch.arange(3), (first + step)][:, None], reading)


@torch.no_grad()
def test_left_padding_of_transformers_is_our_unequal_prompt(tmp_path: Path):
    theirs = folder_of("llama", tmp_path)
    ours = huggingface.load(tmp_path).model
    rng = torch.Generator().manual_seed(3)
    texts = [torch.randint(VOCAB, (n,), generator=rng) for n in (8, 3)]
    left = torch.stack([texts[0], torch.cat([torch.zeros(5, dtype=torch.long), texts[1]])])
    mask = torch.tensor([[1] * 8, [0] * 5 + [1] * 3])
    wanted = theirs.generate(left, attention_mask=mask, max_new_tokens=6, do_sample=False, eos_token_id=None)[:, 8:]
    right = torch.nn.utils.rnn.pad_sequence(texts, batch_first=True)
    reading, logits, written = ours.begin(2), None, []
    logits = ours.read(right, reading, torch.tensor([8, 3]))
    for _ in range(6):
        written.append(logits.argmax(-1))
        logits = ours.read(written[-1][:, None], reading)
    assert torch.stack(written, 1).tolist() == wanted.tolist()


@pytest.mark.parametrize("shape", SHAPES)
@torch.no_grad()
def test_a_round_trip_changes_no_bit_and_transformers_reads_it(shape: str, tmp_path: Path):
    import transformers

    theirs = folder_of(shape, tmp_path / "theirs")
    ours = huggingface.load(tmp_path / "theirs")
    again = huggingface.load(saving.save(ours, tmp_path / "again"))
    assert again.recipe.configs() == ours.recipe.configs()
    assert again.codec.state() == ours.codec.state()
    one, two = ours.model.state_dict(), again.model.state_dict()
    assert one.keys() == two.keys()
    assert all(torch.equal(one[name], two[name]) for name in one)
    back = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "again", attn_implementation="eager")
    x = torch.randint(VOCAB, (2, 20), generator=torch.Generator().manual_seed(3))
    assert torch.equal(back(x).logits, theirs(x).logits)


def test_transformers_cuts_text_as_we_do_with_what_we_saved(tmp_path: Path):
    import transformers

    folder_of("llama", tmp_path / "theirs")
    ours = huggingface.load(tmp_path / "theirs")
    saving.save(ours, tmp_path / "again")
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path / "again")
    talk = [{"role": "user", "content": "the thin ant, naïve 😀"}, {"role": "assistant", "content": "in a tin"}]
    talk.append({"role": "user", "content": "  \n and?"})
    wanted = theirs.apply_chat_template(talk, add_generation_prompt=True)["input_ids"]
    assert ours.codec.prompt(talk) == wanted
    assert 303 in wanted, "the marks of the template are tokens of their own"
    assert theirs.eos_token == "</s>"


@torch.no_grad()
def test_shards_and_half_precision(tmp_path: Path):
    folder_of("qwen3", tmp_path / "theirs", max_shard_size="20KB")
    assert len(list((tmp_path / "theirs").glob("*.safetensors"))) > 2
    ours = huggingface.load(tmp_path / "theirs")
    for weights, dtype in (("fp16", torch.float16), ("bf16", torch.bfloat16)):
        folder = saving.save(ours, tmp_path / weights, weights=weights, shard=20_000)
        assert len(list(folder.glob("*.safetensors"))) > 2
        again = huggingface.load(folder).model.state_dict()
        for name, value in ours.model.state_dict().items():
            assert torch.equal(again[name], value.to(dtype).float())
