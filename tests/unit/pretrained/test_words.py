"""Text is cut as those cut it who made the vocabulary: transformers' own classes, and SentencePiece itself."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("transformers", reason="transformers is in the dev extra")
pytest.importorskip("gguf", reason="gguf is in the language extra")
from conjure.core.errors import ArtifactError, ConfigError
from conjure.domains.chat.template import CHATML, PLAIN
from conjure.pretrained.gguf_codec import codec_of

pytestmark = pytest.mark.filterwarnings("ignore")  # transformers' own
SAID = [
    "Hello, world! It's 2024-05-17 and we've 1234567 reasons.",
    "  two spaces,\n\n\tlines   and\r\nmore   ",
    "Ünïcödé — “quotes”, 東京タワー, здравствуй, 😀👩‍👩‍👧 é",
    "def f(x):\n    return x**2  # don't\n\n\n",
    "I'LL SHOUT'S 3rd  £5.00/kg\u00a0x",
    "",
    " ",
    "\n",
]


def texts() -> list[str]:
    rng = random.Random(0)
    signs = "abcXYZ 0189'sTt.,!?\n\t\r  éß東😀_-/()#"
    return SAID + ["".join(rng.choice(signs) for _ in range(rng.randint(1, 60))) for _ in range(300)]


def pairs_learnt(pre_tokenizer: Any) -> tuple[list[str], list[str]]:
    """Tokens and merges of byte pairs learnt from this repository's pages."""
    import tokenizers

    made = tokenizers.Tokenizer(tokenizers.models.BPE())
    made.pre_tokenizer = pre_tokenizer
    alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=900, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    made.train_from_iterator([page.read_text("utf-8") for page in pages()] + SAID, trainer)
    model = json.loads(made.to_str())["model"]
    tokens = sorted(model["vocab"], key=model["vocab"].__getitem__)
    return tokens, [" ".join(pair) for pair in model["merges"]]


def pages() -> list[Path]:
    return [Path(__file__).parents[3] / "docs" / name for name in ("tour.md", "decisions.md")]


def fields(pre: str | None, tokens: list[str], merges: list[str], **more: Any) -> dict[str, Any]:
    kinds = [3 if token.startswith("<|") else 1 for token in tokens]
    found = {"model": "gpt2", "tokens": tokens, "merges": merges, "token_type": kinds, "eos_token_id": 2, **more}
    found |= {} if pre is None else {"pre": pre}
    return {f"tokenizer.ggml.{key}": value for key, value in found.items()}


def ours(found: dict[str, Any]) -> Any:
    return codec_of(Path("a.gguf"), found, 64, 2000)[0]


@pytest.mark.parametrize("pre", ["gpt-2", "default", None, "qwen2", "llama-bpe", "smollm"])
def test_byte_pairs_cut_as_transformers_cuts(pre: str | None):
    import tokenizers
    import transformers
    from transformers.convert_slow_tokenizer import TikTokenConverter

    k = tokenizers.pre_tokenizers
    level = k.ByteLevel(add_prefix_space=False)
    inner = k.ByteLevel(add_prefix_space=False, use_regex=False)
    if pre == "qwen2":
        made = transformers.Qwen2Tokenizer(vocab={"<|endoftext|>": 0}, merges=[])._tokenizer
        cut, normal = made.pre_tokenizer, made.normalizer
    elif pre == "llama-bpe":
        pattern = tokenizers.Regex(TikTokenConverter("").pattern)
        cut, normal = k.Sequence([k.Split(pattern, "isolated"), inner]), None
    else:
        cut = k.Sequence([k.Digits(individual_digits=True), level]) if pre == "smollm" else level
        normal = None
    tokens, merges = pairs_learnt(cut)
    vocab = {token: n for n, token in enumerate(tokens)}
    bpe = tokenizers.models.BPE(vocab, [tuple(m.split(" ")) for m in merges], ignore_merges=pre == "llama-bpe")
    theirs = tokenizers.Tokenizer(bpe)
    theirs.pre_tokenizer, theirs.decoder = cut, tokenizers.decoders.ByteLevel()
    if normal is not None:
        theirs.normalizer = normal
    theirs.add_special_tokens([token for token in tokens if token.startswith("<|")])
    codec = ours(fields(pre, tokens, merges))
    for text in [*texts(), "<|im_start|>user\nhi<|im_end|>"]:
        ids = codec.tokenizer.cut(text)
        assert ids == theirs.encode(text).ids, text
        if pre != "qwen2":  # whose normal form changes letters
            assert codec.tokenizer.join(ids, special=True) == text


def test_sentencepiece_cuts_as_its_makers_do(tmp_path: Path):
    """Scores make the same merges, letters outside the vocabulary become bytes, the first word has its space."""
    spm = pytest.importorskip("sentencepiece", reason="sentencepiece is in the dev extra")
    told = tmp_path / "told.txt"
    told.write_text("\n".join(page.read_text("utf-8") for page in pages()), "utf-8")
    usual = {"model_type": "bpe", "vocab_size": 700, "byte_fallback": True, "normalization_rule_name": "identity"}
    usual |= {"remove_extra_whitespaces": False, "character_coverage": 0.99, "minloglevel": 2}
    spm.SentencePieceTrainer.train(input=str(told), model_prefix=str(tmp_path / "m"), **usual)
    theirs = spm.SentencePieceProcessor(model_file=str(tmp_path / "m.model"))
    every = range(theirs.get_piece_size())
    kind = [2 if theirs.is_unknown(n) else 3 if theirs.is_control(n) else 6 if theirs.is_byte(n) else 1 for n in every]
    tokens, scores = [theirs.id_to_piece(n) for n in every], [theirs.get_score(n) for n in every]
    found = {"model": "llama", "tokens": tokens, "scores": scores, "token_type": kind}
    found |= {"bos_token_id": 1, "eos_token_id": 2}
    codec = ours({f"tokenizer.ggml.{key}": value for key, value in found.items()})
    for text in texts():
        ids = codec.tokenizer.cut(text)
        assert ids == theirs.encode(text), text
        assert codec.tokenizer.join(ids) == text
    assert codec.tokenizer.start == 1, "a llama's text begins with <s> unless the file says otherwise"
    assert codec.tokenizer.open("in")[0] == 1
    assert codec.tokenizer.habit() == 1, "as transformers will find it in the tokenizer.json"


def test_what_the_file_says_of_special_tokens():
    tokens, merges = pairs_learnt(__import__("tokenizers").pre_tokenizers.ByteLevel(add_prefix_space=False))
    end = tokens.index("<|im_end|>")
    codec = ours(fields("gpt-2", tokens, merges, bos_token_id=1, eos_token_id=0))
    assert (codec.template, codec.ends) == (CHATML, [0, end]), "without a template: ChatML, which ends by its own mark"
    assert codec.tokenizer.start is None
    assert codec.names == {"bos_token": "<|im_start|>", "eos_token": "<|endoftext|>"}
    told = fields("gpt-2", tokens, merges, eos_token_id=0) | {"tokenizer.chat_template": "{{ '<|im_end|>' }}"}
    assert ours(told).ends == [0, end]
    begun = ours(fields("gpt-2", tokens, merges, bos_token_id=0, add_bos_token=True, eos_token_id=0))
    assert begun.tokenizer.open("a")[0] == 0
    bare = [token.replace("<|im_", "<|in_") for token in tokens]
    assert ours(fields("gpt-2", bare, merges, eos_token_id=0)).template == PLAIN


def test_tokenizers_that_are_none_are_refused_by_name():
    tokens, merges = pairs_learnt(__import__("tokenizers").pre_tokenizers.ByteLevel(add_prefix_space=False))
    for wrong, said in (
        ({"pre": "martian"}, "martian.*known are gpt-2, llama-bpe"),
        ({"model": "t5"}, "t5.*known are gpt2"),
        ({"eos_token_id": 99_999}, "eos_token_id 99999 is no token"),
        ({"merges": ["zzz qqq"]}, "damaged"),
    ):
        with pytest.raises(ArtifactError, match=said):
            ours(fields("gpt-2", tokens, merges) | {f"tokenizer.ggml.{key}": value for key, value in wrong.items()})
    with pytest.raises(ArtifactError, match="do not match"):
        codec_of(Path("a.gguf"), fields("gpt-2", tokens, merges), 64, 100)
    with pytest.raises(ConfigError):
        codec_of(Path("a.gguf"), fields("gpt-2", tokens, merges), 0, 2000)
