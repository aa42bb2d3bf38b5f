"""A language model of random weights, small enough to answer in no time."""

from __future__ import annotations

from functools import cache

from conjure.artifact import Artifact, build_model
from conjure.domains.chat.codec import ChatCodec
from conjure.domains.chat.template import CHATML
from conjure.domains.chat.tokenizer import Tokenizer, kit
from conjure.recipe import Recipe

TEXT = (
    '<tool_call> {"name": "f", "arguments": {"city": "Rome", "days": 3}} </tool_call> the weather in Paris is sunny, '
    "and tomorrow it will rain; what time is it? 0 1 2 3 4 5 6 7 8 9 true false null naïve 日本 "
)


@cache
def tokenizer() -> Tokenizer:
    tokenizers = kit()
    inner = tokenizers.Tokenizer(tokenizers.models.BPE())
    inner.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    inner.train_from_iterator([TEXT] * 20, trainer)
    inner.add_tokens(["<tool_call>", "</tool_call>"])  # tokens, but not special ones, as in Qwen's vocabulary
    return Tokenizer(inner.to_str())


OPENS = 365  # the token that opens a call


def tiny(context: int = 512, seed: int = 0, template: str = CHATML) -> Artifact:
    """Two layers of width 32, with the tokenizer above."""
    codec = ChatCodec(ChatCodec.Config(context=context), tokenizer(), template, [2, 0], tokenizer().size)
    recipe = Recipe(
        *("chat", "llm", "likelihood"),
        codec={"context": context},
        model_settings={"layers": 2, "width": 32, "heads": 2},
        seed=seed,
    )
    return Artifact(recipe, codec, build_model(recipe, codec).eval(), {"source": {"name": "nothing"}})
