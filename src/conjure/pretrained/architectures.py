"""The published architectures we read and write: each one's settings and names of tensors, theirs and ours.

A line of `ARCHITECTURES` is all that another one needs, where the trunk in `nets/language.py` can do its sums.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from conjure.core.config import nearest
from conjure.core.errors import ArtifactError
from conjure.pretrained import configs
from conjure.pretrained.configs import Settings

PARTS = ("attention.query", "attention.key", "attention.value")
LLAMA = {  # ours -> theirs, within a layer
    "attention_norm": "input_layernorm",
    "attention.query": "self_attn.q_proj",
    "attention.key": "self_attn.k_proj",
    "attention.value": "self_attn.v_proj",
    "attention.out": "self_attn.o_proj",
    "attention.query_norm": "self_attn.q_norm",
    "attention.key_norm": "self_attn.k_norm",
    "feed_norm": "post_attention_layernorm",
    "feed.gate": "mlp.gate_proj",
    "feed.up": "mlp.up_proj",
    "feed.down": "mlp.down_proj",
}
LLAMA_OUTSIDE = {"embed": "embed_tokens", "trunk.norm": "norm", "head": "lm_head"}
GPT2 = {
    "attention_norm": "ln_1",
    "attention.fused": "attn.c_attn",
    "attention.out": "attn.c_proj",
    "feed_norm": "ln_2",
    "feed.up": "mlp.c_fc",
    "feed.down": "mlp.c_proj",
}
GPT2_OUTSIDE = {"embed": "wte", "places.embed_0": "wpe", "trunk.norm": "ln_f", "head": "lm_head"}


@dataclass(frozen=True)
class Names:
    """What tensors are called elsewhere. root: what their names begin with; layers: their list of layers.

    inside and outside: our name -> theirs, within a layer and beside the layers.
    """

    root: str
    layers: str
    inside: dict[str, str]
    outside: dict[str, str]

    def ours(self, name: str) -> str | None:
        """Our name of a tensor of theirs (`attention.fused` for three in one); None for one we do not know."""
        stem, _, leaf = name.removeprefix(self.root).rpartition(".")
        if stem.startswith(f"{self.layers}."):
            _, number, inner = (*stem.split(".", 2), "")[:3]
            mine = {theirs: mine for mine, theirs in self.inside.items()}.get(inner)
            return mine and f"trunk.layers.{number}.{mine}.{leaf}"
        mine = {theirs: mine for mine, theirs in self.outside.items()}.get(stem)
        return mine and f"{mine}.{leaf}"

    def theirs(self, name: str) -> str:
        """Their name of a tensor of ours; that of the three in one for each of its parts."""
        stem, _, leaf = name.rpartition(".")
        if not stem.startswith("trunk.layers."):
            return f"{'' if stem == 'head' else self.root}{self.outside.get(stem, stem)}.{leaf}"
        _, _, number, inner = stem.split(".", 3)
        if inner not in self.inside and inner in PARTS:
            inner = "attention.fused"
        return f"{self.root}{self.layers}.{number}.{self.inside.get(inner, inner)}.{leaf}"


@dataclass(frozen=True)
class Architecture:
    """What tells one published architecture from another.

    `read` makes our settings of a config.json, `write` a config.json of ours. `sideways`: matrices are stored
    (in, out).
    """

    names: Names
    read: Callable[[Settings], Settings]
    write: Callable[[Settings], Settings]
    sideways: bool = False


def apart(name: str, value: Tensor) -> list[tuple[str, Tensor]]:
    """A tensor by its name, or the queries, keys and values that one holds below each other."""
    if ".fused." not in name:
        return [(name, value)]
    names = [name.replace("attention.fused", part) for part in PARTS]
    return list(zip(names, value.tensor_split(len(PARTS))))


def upright(value: Tensor, name: str, sideways: bool) -> Tensor:
    """A matrix (out, in) of one that may lie sideways; vectors, norms and tables stay as they are."""
    return value.T if sideways and value.dim() == 2 and name.startswith("trunk.") else value


def find(kind: str, where: Any) -> Architecture:
    """The architecture of a config's model_type; ArtifactError says which are known."""
    if kind not in ARCHITECTURES:
        raise ArtifactError(
            f"{where} holds weights of architecture {kind!r}; known are {', '.join(ARCHITECTURES)}: "
            f"{nearest(kind, list(ARCHITECTURES))}"
        )
    return ARCHITECTURES[kind]


def name_of(settings: Settings) -> str:
    """The architecture that a model of these settings (all fields of LLM.Config) is written as.

    ArtifactError for a mixture of parts that nobody else computes.
    """
    s = settings
    told = (s["norm"], s["gated"], s["positions"])
    biases = (bool(s["query_bias"]), bool(s["out_bias"]), bool(s["feed_bias"]))
    if told == ("layer", False, "learned") and all(biases) and not (s["query_norm"] or s["window"]):
        return "gpt2"
    if told == ("rms", True, "rotary"):
        if s["query_norm"] and biases[0] == biases[1] and not (biases[2] or s["unturned"]):
            return "qwen3"
        if biases == (True, False, False) and not (s["query_norm"] or s["unturned"]):
            return "qwen2"
        if s["unturned"] and biases[0] == biases[1] and not (s["query_norm"] or s["window"]):
            return "smollm3"
        if s["window"] and not any(biases) and not s["query_norm"]:
            return "mistral"
        if not (s["query_norm"] or s["window"] or s["unturned"]) and biases[0] == biases[1]:
            return "llama"
    raise ArtifactError(
        f"no published architecture has these parts together: norm={s['norm']}, gated={s['gated']}, "
        f"positions={s['positions']}, biases={biases}, query_norm={s['query_norm']}, window={s['window']}"
    )


def _llama(kind: str, name: str) -> Architecture:
    names = Names("model.", "layers", LLAMA, LLAMA_OUTSIDE)
    return Architecture(names, getattr(configs, kind), configs.writer(kind, name))


ARCHITECTURES = {
    "llama": _llama("llama", "LlamaForCausalLM"),
    "mistral": _llama("mistral", "MistralForCausalLM"),
    "qwen2": _llama("qwen2", "Qwen2ForCausalLM"),
    "qwen3": _llama("qwen3", "Qwen3ForCausalLM"),
    "smollm3": _llama("smollm3", "SmolLM3ForCausalLM"),
    "gpt2": Architecture(
        Names("transformer.", "h", GPT2, GPT2_OUTSIDE), configs.gpt2, configs.write_gpt2, sideways=True
    ),
}
