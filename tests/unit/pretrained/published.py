"""Small models as `transformers` makes and saves them, with weights that nobody has learnt."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

VOCAB = 320  # 256 bytes, some merges, special tokens, and room that no token uses
SIZES = {"vocab_size": VOCAB, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 3}
SIZES |= {"num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 128}
ENDS = {"bos_token_id": 300, "eos_token_id": 301, "pad_token_id": 302}
LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
SHAPES: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("Llama", {"rope_theta": 500_000.0}),
    "llama3": ("Llama", {"rope_scaling": {**LLAMA3, "original_max_position_embeddings": 32}}),
    "linear": ("Llama", {"rope_scaling": {"rope_type": "linear", "factor": 4.0}, "tie_word_embeddings": True}),
    "biased": ("Llama", {"attention_bias": True, "mlp_bias": True, "head_dim": 12}),
    "mistral": ("Mistral", {"sliding_window": 6, "head_dim": 16}),
    "mistral-whole": ("Mistral", {"sliding_window": None}),
    "qwen2": ("Qwen2", {"tie_word_embeddings": True, "rope_theta": 1e6}),
    "qwen2-window": ("Qwen2", {"use_sliding_window": True, "sliding_window": 5, "max_window_layers": 0}),
    "qwen3": ("Qwen3", {"head_dim": 24, "tie_word_embeddings": True}),
    "smollm3": ("SmolLM3", {"no_rope_layers": [1, 0, 1], "tie_word_embeddings": True}),
    "gpt2": ("GPT2", {"n_embd": 32, "n_layer": 3, "n_head": 4, "n_positions": 128, "vocab_size": VOCAB}),
    "gpt2-apart": (
        "GPT2",
        {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_inner": 40, "n_positions": 64, "vocab_size": VOCAB}
        | {"tie_word_embeddings": False},
    ),
}


def model_of(shape: str, **changed: Any) -> Any:
    """A model of transformers with numbers large enough that each part of it shows in the logits."""
    import transformers

    name, own = SHAPES[shape]
    sizes = {} if name == "GPT2" else SIZES
    config = getattr(transformers, f"{name}Config")(
        **{**sizes, **ENDS, **own, **changed, "attn_implementation": "eager"}
    )
    torch.manual_seed(0)
    model = getattr(transformers, f"{name}LMHeadModel" if name == "GPT2" else f"{name}ForCausalLM")(config)
    with torch.no_grad():
        for key, value in model.named_parameters():
            if "norm" in key or "ln_" in key:
                value.copy_(1 + 0.2 * torch.randn_like(value))
            else:
                value.normal_(std=0.2)
    return model.eval()


def tokenizer_form(extra: tuple[str, ...] = ()) -> str:
    """A byte-level tokenizer.json: every byte, a few merges, special tokens from 300 on."""
    import tokenizers

    letters = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    merges = [("t", "h"), ("th", "e"), ("Ġ", "the"), ("a", "n"), ("Ġ", "a"), ("i", "n")]
    words = letters + [a + b for a, b in merges]
    words += [f"<spare{n}>" for n in range(300 - len(words))]
    made = tokenizers.Tokenizer(tokenizers.models.BPE({w: n for n, w in enumerate(words)}, merges))
    made.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = tokenizers.decoders.ByteLevel()
    made.add_special_tokens(["<s>", "</s>", "<pad>", "<|im_start|>", "<|im_end|>", *extra])
    return made.to_str()


def folder_of(shape: str, folder: Path, **options: Any) -> Any:
    """The model, saved with its tokenizer; `options` go to save_pretrained."""
    model = model_of(shape)
    model.save_pretrained(folder, **options)
    (folder / "tokenizer.json").write_text(tokenizer_form(), "utf-8")
    told = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "tokenizer_class": "PreTrainedTokenizerFast"}
    (folder / "tokenizer_config.json").write_text(json.dumps(told), "utf-8")
    return model
