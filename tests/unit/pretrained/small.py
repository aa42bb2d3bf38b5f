"""A language model of a few thousand numbers, over the byte-level tokenizer of `published.py`."""

from __future__ import annotations

import torch

from conjure.artifact import Artifact, build_model
from conjure.domains.chat.codec import ChatCodec
from conjure.domains.chat.template import CHATML
from conjure.domains.chat.tokenizer import Tokenizer
from conjure.recipe import Recipe
from tests.unit.pretrained.published import VOCAB, tokenizer_form

END = 304


def small(context: int = 128, **changed: object) -> Artifact:
    """One that has learnt nothing and hardly ever ends by itself."""
    codec = ChatCodec(ChatCodec.Config(context=context), Tokenizer(tokenizer_form()), CHATML, [END], VOCAB)
    sizes = {"layers": 1, "width": 16, "heads": 2, "channels": 8, "hidden": 32, "tied": False, **changed}
    kept = {"context": context, "length": codec.config.length}
    recipe = Recipe("chat", "llm", "likelihood", codec=kept, model_settings=sizes)
    model = build_model(recipe, codec)
    with torch.no_grad():
        model.trunk.norm.weight.mul_(40)  # type: ignore[union-attr]
        model.head.weight[256:] = 0  # type: ignore[union-attr]
    return Artifact(recipe, codec, model.eval(), {"source": {"name": "nobody's", "licence": "CC0-1.0"}, "metrics": {}})
