"""GGUF files as llama.cpp's converter writes them, of models of transformers, by the `gguf` package's own writer."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch

from tests.unit.pretrained.published import tokenizer_form

NAMES = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "ln_1": "attn_norm",
    "attn.c_attn": "attn_qkv",
    "attn.c_proj": "attn_output",
    "ln_2": "ffn_norm",
    "mlp.c_fc": "ffn_up",
    "mlp.c_proj": "ffn_down",
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "lm_head": "output",
    "transformer.wte": "token_embd",
    "transformer.wpe": "position_embd",
    "transformer.ln_f": "output_norm",
}


def write(model: Any, path: Path, kind: str = "F32", **fields: Any) -> dict[str, np.ndarray]:
    """The file, its matrices of one kind; what they hold after rounding, by the file's names before permuting.

    `fields` are added to the file's own, or take their place; None leaves one out.
    """
    c, arch = model.config, model.config.model_type
    arch = "llama" if arch == "mistral" else arch
    writer = gguf.GGUFWriter(path, arch)
    _settings(writer, c)
    for key, value in (_words() | {"tokenizer.ggml.pre": "gpt-2"} | fields).items():
        _add(writer, key, value)
    rounded = {}
    for name, value in model.state_dict().items():
        if name == "lm_head.weight" and c.tie_word_embeddings:
            continue
        mine = _named(name)
        array = value.float().numpy()
        if name.startswith("transformer.h.") and array.ndim == 2:
            array = array.T.copy()
        heads = {"attn_q": c.num_attention_heads, "attn_k": getattr(c, "num_key_value_heads", 0)}
        split = heads.get(mine.split(".")[-2]) if arch in ("llama", "smollm3") else None
        array, rounded[mine] = _rounded(pairs(array, split) if split else array, kind if array.ndim == 2 else "F32")
        writer.add_tensor(mine, array, raw_dtype=gguf.GGMLQuantizationType[kind if array.ndim == 2 else "F32"])
        if split:
            back = rounded[mine].reshape(split, -1, 2, *rounded[mine].shape[1:]).swapaxes(1, 2)
            rounded[mine] = back.reshape(rounded[mine].shape)
    if (scaling := getattr(c, "rope_parameters", None) or {}).get("rope_type") == "llama3":
        writer.add_tensor("rope_freqs.weight", _divided(c, scaling))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return rounded


def pairs(array: np.ndarray, heads: int) -> np.ndarray:
    """What llama.cpp's converter does to queries and keys: halves of a head become pairs of neighbours."""
    return array.reshape(heads, 2, array.shape[0] // heads // 2, *array.shape[1:]).swapaxes(1, 2).reshape(array.shape)


def _rounded(array: np.ndarray, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """The bytes of a kind, and the numbers they stand for; K-quants, which the package cannot make, of random bytes."""
    number = gguf.GGMLQuantizationType[kind]
    if kind == "F32":
        return array, array
    if kind.endswith("_K"):
        block, size = gguf.GGML_QUANT_SIZES[number]
        data = _random_blocks(kind, array.size // block, size).reshape(array.shape[0], -1)
    else:
        data = gguf.quants.quantize(array, number)
    return data, gguf.quants.dequantize(data, number).reshape(array.shape)


def _random_blocks(kind: str, count: int, size: int) -> np.ndarray:
    """Bytes of any value, but for the half-precision scales of each block, which stay small and finite."""
    places = {"Q2_K": (80, 82), "Q3_K": (108,), "Q4_K": (0, 2), "Q5_K": (0, 2), "Q6_K": (208,)}[kind]
    rng = np.random.default_rng(0)
    data = rng.integers(0, 256, (count, size), np.uint8)
    for place in places:
        data[:, place : place + 2] = (1e-4 * rng.uniform(0.5, 1.5, (count, 1))).astype(np.float16).view(np.uint8)
    return data


def _named(name: str) -> str:
    stem, _, leaf = name.rpartition(".")
    for start in ("model.layers.", "transformer.h."):
        if stem.startswith(start):
            number, _, inner = stem.removeprefix(start).partition(".")
            return f"blk.{number}.{NAMES[inner]}.{leaf}"
    return f"{NAMES[stem]}.{leaf}"


def _settings(w: gguf.GGUFWriter, c: Any) -> None:
    w.add_name("a model of nobody")
    w.add_block_count(c.num_hidden_layers)
    w.add_context_length(c.max_position_embeddings)
    w.add_embedding_length(c.hidden_size)
    w.add_head_count(c.num_attention_heads)
    if c.model_type == "gpt2":
        w.add_feed_forward_length(c.n_inner or 4 * c.n_embd)
        w.add_layer_norm_eps(c.layer_norm_epsilon)
        return
    w.add_feed_forward_length(c.intermediate_size)
    w.add_head_count_kv(c.num_key_value_heads)
    w.add_layer_norm_rms_eps(c.rms_norm_eps)
    w.add_rope_freq_base(c.rope_parameters["rope_theta"])
    channels = getattr(c, "head_dim", None) or c.hidden_size // c.num_attention_heads
    w.add_key_length(channels)
    w.add_rope_dimension_count(channels)
    if c.rope_parameters.get("rope_type") == "linear":
        w.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        w.add_rope_scaling_factor(c.rope_parameters["factor"])


def _divided(c: Any, scaling: dict[str, Any]) -> np.ndarray:
    channels = getattr(c, "head_dim", None) or c.hidden_size // c.num_attention_heads
    found = []
    for at in range(0, channels, 2):
        wave = 2 * math.pi * scaling["rope_theta"] ** (at / channels)
        first, low, high = (
            scaling[k] for k in ("original_max_position_embeddings", "low_freq_factor", "high_freq_factor")
        )
        if wave < first / high:
            found.append(1.0)
        elif wave > first / low:
            found.append(scaling["factor"])
        else:
            smooth = (first / wave - low) / (high - low)
            found.append(1 / ((1 - smooth) / scaling["factor"] + smooth))
    return np.array(found, np.float32)


def _words() -> dict[str, Any]:
    """The fields of the byte-level tokenizer of `published.py`."""
    form = json.loads(tokenizer_form())
    vocab = form["model"]["vocab"] | {token["content"]: token["id"] for token in form["added_tokens"]}
    tokens = sorted(vocab, key=vocab.__getitem__)
    special = {token["content"] for token in form["added_tokens"]}
    return {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [3 if token in special else 1 for token in tokens],
        "tokenizer.ggml.merges": [" ".join(pair) for pair in form["model"]["merges"]],
        "tokenizer.ggml.bos_token_id": 300,
        "tokenizer.ggml.eos_token_id": 301,
    }


def _add(w: gguf.GGUFWriter, key: str, value: Any) -> None:
    if isinstance(value, list):
        w.add_array(key, value)
    elif isinstance(value, bool):
        w.add_bool(key, value)
    elif isinstance(value, int):
        w.add_uint32(key, value)
    elif isinstance(value, str):
        w.add_string(key, value)


def rounded_model(model: Any, rounded: dict[str, np.ndarray]) -> Any:
    """The model with the numbers that are left after rounding."""
    state = model.state_dict()
    for name, value in state.items():
        found = rounded.get(_named(name))
        if found is not None:
            found = torch.from_numpy(np.ascontiguousarray(found)).view(
                value.T.shape if name.startswith("transformer.h.") and value.dim() == 2 else value.shape
            )
            value.copy_(found.T if name.startswith("transformer.h.") and value.dim() == 2 else found)
    model.load_state_dict(state)
    return model
