"""A language model of nothing, over the 256 bytes: an artifact as pretrained weights make it, only small."""

from __future__ import annotations

import torch

from conjure.artifact import Artifact
from conjure.core.space import Tokens
from conjure.domains.chat.codec import ChatCodec
from conjure.domains.chat.template import CHATML
from conjure.domains.chat.tokenizer import Tokenizer
from conjure.models.llm import LLM
from conjure.recipe import Recipe


def byte_tokenizer() -> Tokenizer:
    """The 256 bytes, a few merges, and the special tokens of ChatML."""
    from tokenizers import Tokenizer as Inner
    from tokenizers import decoders, models, pre_tokenizers

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = [("t", "h"), ("th", "e"), ("Ġ", "the"), ("a", "n"), ("an", "d"), ('"', ":"), ("i", "n")]
    vocab = {letter: at for at, letter in enumerate([*letters, *("".join(pair) for pair in merges)])}
    inner = Inner(models.BPE(vocab, merges))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    inner.add_special_tokens(["<|endoftext|>", "<|im_start|>", "<|im_end|>"])
    return Tokenizer(inner.to_str())


def tiny_artifact(context: int = 128, scale: float = 0.3, **shape: object) -> Artifact:
    """A random LLM; the larger the scale of its weights, the less even its distribution."""
    tokenizer = byte_tokenizer()
    vocab = tokenizer.size + 5  # rows that no token has, as published weights have them
    end = tokenizer.number("<|im_end|>")
    codec = ChatCodec(ChatCodec.Config(context=context), tokenizer, CHATML, [end], vocab)  # type: ignore[list-item]
    torch.manual_seed(0)
    settings = {"layers": 2, "width": 32, "heads": 4, "groups": 2, **shape}
    model = LLM(Tokens(vocab, (context,), None, True), None, LLM.Config(**settings))  # type: ignore[arg-type]
    for parameter in model.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=scale)
    recipe = Recipe(domain="chat", model="llm", objective="likelihood")
    return Artifact(recipe, codec, model.eval(), {})  # type: ignore[arg-type]
