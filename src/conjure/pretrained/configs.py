"""A config.json of each published architecture as settings of ours, and back. Defaults are those of `transformers`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from conjure.core.errors import ArtifactError

Settings = dict[str, Any]  # of LLM.Config; "context" beside them


def llama(c: Settings) -> Settings:
    """Llama, SmolLM and SmolLM2, and most that came after them."""
    _activation(c.get("hidden_act", "silu"), ("silu", "swish"))
    if (c.get("partial_rotary_factor") or 1.0) != 1.0:
        raise ArtifactError(f"partial_rotary_factor is {c['partial_rotary_factor']}; only whole heads can be turned")
    heads = c["num_attention_heads"]
    base, stretch = _angles(c)
    return {
        "layers": c["num_hidden_layers"],
        "width": c["hidden_size"],
        "heads": heads,
        "groups": c.get("num_key_value_heads") or heads,
        "channels": c.get("head_dim") or c["hidden_size"] // heads,
        "hidden": c["intermediate_size"],
        "epsilon": float(c.get("rms_norm_eps", 1e-6)),
        "query_bias": bool(c.get("attention_bias", False)),
        "out_bias": bool(c.get("attention_bias", False)),
        "feed_bias": bool(c.get("mlp_bias", False)),
        "base": base,
        "stretch": stretch,
        "tied": bool(c.get("tie_word_embeddings", False)),
        "context": c.get("max_position_embeddings", 2048),
    }


def mistral(c: Settings) -> Settings:
    """Llama with a sliding window."""
    return llama({"max_position_embeddings": 131_072, **c}) | {"window": c.get("sliding_window", 4096) or 0}


def qwen2(c: Settings) -> Settings:
    """Llama with biases of queries, keys and values."""
    told = llama({"max_position_embeddings": 32_768, **c})
    return told | {"query_bias": True, "out_bias": False, "feed_bias": False, "window": _window(c)}


def qwen3(c: Settings) -> Settings:
    """Llama with normalised queries and keys."""
    told = llama({"max_position_embeddings": 32_768, "head_dim": 128, **c})
    return told | {"query_norm": True, "feed_bias": False, "window": _window(c)}


def smollm3(c: Settings) -> Settings:
    """Llama with layers that know no places."""
    if c.get("use_sliding_window"):
        raise ArtifactError("use_sliding_window in some layers and not in others is not supported")
    every = c.get("no_rope_layer_interval", 4)
    turned = c.get("no_rope_layers") or [(at + 1) % every for at in range(c["num_hidden_layers"])]
    unturned = tuple(at for at, yes in enumerate(turned[: c["num_hidden_layers"]]) if not yes)
    usual = {"tie_word_embeddings": True, "max_position_embeddings": 32_768, "rope_theta": 2e6}
    return llama(usual | c) | {"unturned": unturned}


def gpt2(c: Settings) -> Settings:
    """Layer norms, biases everywhere, GELU, a learned vector for each place."""
    _activation(c.get("activation_function", "gelu_new"), ("gelu_new", "gelu_pytorch_tanh"))
    for key, usual in (("scale_attn_weights", True), ("scale_attn_by_inverse_layer_idx", False)):
        if c.get(key, usual) != usual:
            raise ArtifactError(f"{key} is {c[key]}; only {usual} is supported")
    width, heads = c.get("n_embd", 768), c.get("n_head", 12)
    return {
        "layers": c.get("n_layer", 12),
        "width": width,
        "heads": heads,
        "groups": heads,
        "channels": width // heads,
        "hidden": c.get("n_inner") or 4 * width,
        "norm": "layer",
        "epsilon": float(c.get("layer_norm_epsilon", 1e-5)),
        "gated": False,
        "query_bias": True,
        "out_bias": True,
        "feed_bias": True,
        "positions": "learned",
        "tied": bool(c.get("tie_word_embeddings", True)),
        "context": c.get("n_positions", 1024),
    }


def _activation(found: str, known: tuple[str, ...]) -> None:
    if found not in known:
        raise ArtifactError(f"the activation is {found!r}; this architecture is read with {known[0]!r}")


def _window(c: Settings) -> int:
    """Qwen's sliding window: in no layer or in all; from a middle layer on is not supported."""
    kinds = set(c.get("layer_types") or [])
    if not kinds and c.get("use_sliding_window") and c.get("sliding_window"):
        first = c.get("max_window_layers", 28)
        kinds = {"sliding_attention" if at >= first else "full_attention" for at in range(c["num_hidden_layers"])}
    if len(kinds) > 1:
        raise ArtifactError("a sliding window in some layers and not in others (layer_types) is not supported")
    return (c.get("sliding_window") or 0) if kinds == {"sliding_attention"} else 0


def _angles(c: Settings) -> tuple[float, tuple[float, ...]]:
    """Base and stretch of the rotary angles, as older and newer config.json say them."""
    told = dict(c.get("rope_scaling") or {}) | dict(c.get("rope_parameters") or {})
    base = float(told.get("rope_theta") or c.get("rope_theta") or 10_000.0)
    kind = told.get("rope_type") or told.get("type") or "default"
    if kind == "default":
        return base, ()
    if kind == "linear":
        return base, (float(told["factor"]), 1.0, 2.0, 0.0)
    if kind == "llama3":
        first = told.get("original_max_position_embeddings") or c["max_position_embeddings"]
        names = ("factor", "low_freq_factor", "high_freq_factor")
        return base, (*(float(told[name]) for name in names), float(first))
    raise ArtifactError(f"rotary angles are stretched by {kind!r}; known are default, linear and llama3")


def writer(kind: str, name: str) -> Callable[[Settings], Settings]:
    """What makes a config.json of our settings, for one of the Llamas."""

    def config(s: Settings) -> Settings:
        made = {
            "architectures": [name],
            "model_type": kind,
            "num_hidden_layers": s["layers"],
            "hidden_size": s["width"],
            "num_attention_heads": s["heads"],
            "num_key_value_heads": s["groups"],
            "head_dim": s["channels"],
            "intermediate_size": s["hidden"],
            "hidden_act": "silu",
            "rms_norm_eps": s["epsilon"],
            "rope_theta": s["base"],
            "max_position_embeddings": s["context"],
            "tie_word_embeddings": s["tied"],
        }
        if s["stretch"]:
            factor, low, high, first = s["stretch"]
            llama3 = {"low_freq_factor": low, "high_freq_factor": high, "original_max_position_embeddings": int(first)}
            made["rope_scaling"] = {"rope_type": "llama3" if first else "linear", "factor": factor}
            made["rope_scaling"] |= llama3 if first else {}
        return made | _OWN.get(kind, lambda s: {})(s)

    return config


_OWN: dict[str, Callable[[Settings], Settings]] = {
    "llama": lambda s: {"attention_bias": s["query_bias"], "mlp_bias": s["feed_bias"]},
    "mistral": lambda s: {"sliding_window": s["window"] or None},
    "qwen2": lambda s: _windowed(s),
    "qwen3": lambda s: _windowed(s) | {"attention_bias": s["query_bias"]},
    "smollm3": lambda s: {
        "attention_bias": s["query_bias"],
        "mlp_bias": s["feed_bias"],
        "no_rope_layers": [int(at not in s["unturned"]) for at in range(s["layers"])],
    },
}


def _windowed(s: Settings) -> Settings:
    on = bool(s["window"])
    return {"use_sliding_window": on, "sliding_window": s["window"] or None, "max_window_layers": 0 if on else 28}


def write_gpt2(s: Settings) -> Settings:
    """GPT-2's config.json of our settings."""
    return {
        "architectures": ["GPT2LMHeadModel"],
        "model_type": "gpt2",
        "n_layer": s["layers"],
        "n_embd": s["width"],
        "n_head": s["heads"],
        "n_inner": s["hidden"],
        "n_positions": s["context"],
        "activation_function": "gelu_new",
        "layer_norm_epsilon": s["epsilon"],
        "tie_word_embeddings": s["tied"],
    }
