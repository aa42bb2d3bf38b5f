"""GGUF files, by the `gguf` package: one file with weights (whole or rounded), tokenizer and chat template."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from conjure.artifact import Artifact
from conjure.core.errors import ArtifactError, DataError
from conjure.domains.chat.codec import ChatCodec
from conjure.domains.chat.template import CHATML
from conjure.domains.chat.tokenizer import Tokenizer, kit
from conjure.pretrained.huggingface import assemble

NAMES = {  # theirs -> ours, within a layer
    "attn_norm": "attention_norm",
    "attn_q": "attention.query",
    "attn_k": "attention.key",
    "attn_v": "attention.value",
    "attn_output": "attention.out",
    "ffn_norm": "feed_norm",
    "ffn_gate": "feed.gate",
    "ffn_up": "feed.up",
    "ffn_down": "feed.down",
}
OUTSIDE = {"token_embd": "embed", "output_norm": "trunk.norm", "output": "head"}


def load(path: Path) -> Artifact:
    """The artifact of a file; ArtifactError names what is damaged or of an architecture not known."""
    try:
        import gguf
    except ImportError:
        raise DataError("GGUF files need the gguf package: pip install 'conjure[language]'") from None
    reader = gguf.GGUFReader(path)
    fields = {name: field.contents() for name, field in reader.fields.items()}
    kind = fields["general.architecture"]
    if kind != "llama":
        raise ArtifactError(f"{path} holds weights of architecture {kind!r}; known is llama")
    settings = _settings(fields, kind)
    weights: dict[str, Tensor] = {}
    for tensor in reader.tensors:
        stem, _, leaf = tensor.name.rpartition(".")
        value = torch.tensor(gguf.dequantize(tensor.data, tensor.tensor_type)).view(*reversed(tensor.shape.tolist()))
        weights[f"{_ours(stem)}.{leaf}"] = value
    settings["tied"] = "head.weight" not in weights
    for name, value in weights.items():
        if name.endswith(("attention.query.weight", "attention.key.weight")):
            heads = settings["heads"] if "query" in name else settings["groups"]
            weights[name] = halves(value, heads)
    source = {"name": fields.get("general.name", path.stem), "licence": fields.get("general.license", "unknown")}
    return assemble(_codec(fields, kind, len(weights["embed.weight"])), settings, weights, source)


def halves(weight: Tensor, heads: int) -> Tensor:
    """Rows of queries or keys (heads x channels, in), pairs side by side in the file, as pairs half a head apart."""
    return weight.unflatten(0, (heads, -1, 2)).transpose(1, 2).flatten(0, 2)


def _ours(stem: str) -> str:
    if stem in OUTSIDE:
        return OUTSIDE[stem]
    _, number, inner = stem.split(".", 2)
    return f"trunk.layers.{number}.{NAMES[inner]}"


def _settings(fields: dict[str, Any], kind: str) -> dict[str, Any]:
    f = {name.removeprefix(f"{kind}."): value for name, value in fields.items() if name.startswith(f"{kind}.")}
    heads = f["attention.head_count"]
    return {
        "layers": f["block_count"],
        "width": f["embedding_length"],
        "heads": heads,
        "groups": f.get("attention.head_count_kv", heads),
        "channels": f.get("attention.key_length", f["embedding_length"] // heads),
        "hidden": f["feed_forward_length"],
        "epsilon": f.get("attention.layer_norm_rms_epsilon", 1e-5),
        "base": f.get("rope.freq_base", 10_000.0),
    }


def _codec(fields: dict[str, Any], kind: str, vocab: int) -> ChatCodec:
    ends = [fields["tokenizer.ggml.eos_token_id"]]
    context = ChatCodec.Config(context=fields[f"{kind}.context_length"])
    return ChatCodec(context, Tokenizer(_form(fields)), fields.get("tokenizer.chat_template", CHATML), ends, vocab)


def _form(fields: dict[str, Any]) -> str:
    """A tokenizer.json of byte pairs out of the file's lists."""
    k = kit()
    tokens, kinds = fields["tokenizer.ggml.tokens"], fields["tokenizer.ggml.token_type"]
    merges = [tuple(pair.split(" ")) for pair in fields["tokenizer.ggml.merges"]]
    made = k.Tokenizer(k.models.BPE({token: at for at, token in enumerate(tokens)}, merges))
    cuts = [k.pre_tokenizers.Digits(individual_digits=True), k.pre_tokenizers.ByteLevel(add_prefix_space=False)]
    made.pre_tokenizer = k.pre_tokenizers.Sequence(cuts)
    made.decoder = k.decoders.ByteLevel()
    made.add_special_tokens([k.AddedToken(t, special=True, normalized=False) for t, n in zip(tokens, kinds) if n == 3])
    return made.to_str()
