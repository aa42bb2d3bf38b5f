"""The Transformer trunk that published language models share: Llama, Mistral, Qwen, SmolLM and GPT-2 by its settings.

Unlike `transformer.py`, whose blocks are ours to choose, every sum here is as the weights of others expect it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint


@dataclass(frozen=True)
class Anatomy:
    """What tells one architecture from another, and its measures.

    `groups` heads of keys and values serve all `heads` of queries, each of `channels` numbers. `base` is that of the
    rotary angles, `stretch` their scaling for long texts (Llama 3: factor, low and high frequency factor, first
    length; a first length of 0 divides all rates alike). `unturned`: layers without angles (SmolLM3's NoPE).
    `window`: places a query sees at most, itself included (0 = all).
    """

    layers: int
    width: int
    heads: int
    groups: int
    channels: int
    hidden: int
    norm: Literal["rms", "layer"] = "rms"
    epsilon: float = 1e-5
    gated: bool = True
    query_bias: bool = False
    out_bias: bool = False
    feed_bias: bool = False
    query_norm: bool = False
    rotary: bool = True
    base: float = 10_000.0
    stretch: tuple[float, float, float, float] | None = None
    unturned: tuple[int, ...] = ()
    window: int = 0


def normalisation(size: int, anatomy: Anatomy) -> nn.Module:
    """RMS normalisation (Zhang and Sennrich 2019, eq. 4) or layer normalisation, with learnt weights."""
    kind = nn.RMSNorm if anatomy.norm == "rms" else nn.LayerNorm
    return kind(size, eps=anatomy.epsilon)


def rates(anatomy: Anatomy) -> Tensor:
    """Angles a place turns by, (channels / 2,): base^(-2i/d) (Su et al. 2021, sec. 3.2.2), stretched where asked.

    Stretching keeps quick rates, divides slow ones by a factor, and goes smoothly from one to the other (Llama 3.1).
    The order of the sums is that of `transformers`: at place 10,000 a rate's last bit is a thousandth of a turn.
    """
    found = 1.0 / anatomy.base ** (torch.arange(0, anatomy.channels, 2, device="cpu").float() / anatomy.channels)
    if anatomy.stretch is None:
        return found
    factor, low, high, first = anatomy.stretch
    waves = 2 * math.pi / found
    smooth = ((first / waves - low) / (high - low)).clamp(0, 1)
    return (1 - smooth) * found / factor + smooth * found


def turn(x: Tensor, places: Tensor, speeds: Tensor) -> Tensor:
    """Turn each pair (i, i + D/2) of x (B, T, heads, D) by its place (B, T) times its speed (D / 2,).

    Su et al. 2021, eq. 34, with pairs half a head apart, as these weights were learnt.
    """
    angles = (places.float().unsqueeze(-1) * speeds).unsqueeze(2)  # (B, T, 1, D / 2)
    cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    one, two = x.chunk(2, -1)
    return torch.cat([one * cos - two * sin, two * cos + one * sin], -1)


def extents(parts: Tensor) -> list[int]:
    """Tokens of each document of parts (B, T), row after row; a number that comes again is another document."""
    begins = torch.ones_like(parts, dtype=torch.bool)
    begins[:, 1:] = parts[:, 1:] != parts[:, :-1]
    starts = begins.flatten().nonzero().flatten()
    return torch.diff(starts, append=starts.new_tensor([parts.numel()])).tolist()


class Cache:
    """Keys and values of one block for n sequences of unequal length: those of place p lie at index p.

    Storage (N, groups, room, D) is laid out once. What lies at or beyond a sequence's own count is not its own yet:
    no query sees it, and the next tokens overwrite it.
    """

    def __init__(self, shape: tuple[int, int, int, int], like: Tensor):
        self.keys, self.values = like.new_zeros(shape), like.new_zeros(shape)

    def extend(self, keys: Tensor, values: Tensor, scene: Scene) -> tuple[Tensor, Tensor]:
        """Note keys and values (B, groups, T, D) of the scene's rows and places; all that these rows hold so far."""
        rows, places, groups = scene.rows, scene.places, torch.arange(keys.shape[1], device=keys.device)
        at = (rows[:, None, None], groups[:, None], places[:, None, :])  # (B, groups, T)
        self.keys[at], self.values[at] = keys.to(self.keys), values.to(self.values)
        whole = len(rows) == len(self.keys) and bool((rows.diff() > 0).all())
        some = slice(None) if whole else rows
        return self.keys[some, :, : scene.end], self.values[some, :, : scene.end]


class SelfAttention(nn.Module):
    """Causal attention: softmax(Q K^T / sqrt(d_k)) V (Vaswani et al. 2017, eq. 1) with grouped keys and values."""

    def __init__(self, anatomy: Anatomy):
        super().__init__()
        a = self.anatomy = anatomy
        self.query = nn.Linear(a.width, a.heads * a.channels, bias=a.query_bias)
        self.key = nn.Linear(a.width, a.groups * a.channels, bias=a.query_bias)
        self.value = nn.Linear(a.width, a.groups * a.channels, bias=a.query_bias)
        self.out = nn.Linear(a.heads * a.channels, a.width, bias=a.out_bias)
        self.query_norm = normalisation(a.channels, a) if a.query_norm else None
        self.key_norm = normalisation(a.channels, a) if a.query_norm else None

    def forward(self, x: Tensor, scene: Scene, cache: Cache | None = None) -> Tensor:
        q, k, v = (m(x).unflatten(-1, (-1, self.anatomy.channels)) for m in (self.query, self.key, self.value))
        if self.query_norm is not None:
            q, k = self.query_norm(q), self.key_norm(k)  # type: ignore[misc]
        if scene.speeds is not None:
            q, k = turn(q, scene.places, scene.speeds), turn(k, scene.places, scene.speeds)
        if scene.lengths is not None:
            return self.out(self._within(q, k, v, scene.lengths))
        q, k, v = (a.transpose(1, 2) for a in (q, k, v))  # (B, heads, T, D)
        if cache is not None:
            k, v = cache.extend(k, v, scene)
        shared = {"enable_gqa": q.shape[1] != k.shape[1]}
        if scene.seen is None:
            y = F.scaled_dot_product_attention(q, k, v, is_causal=q.shape[2] > 1, **shared)
        else:
            y = F.scaled_dot_product_attention(q, k, v, attn_mask=scene.seen, **shared)
        return self.out(y.transpose(1, 2).flatten(2))

    def _within(self, q: Tensor, k: Tensor, v: Tensor, lengths: list[int]) -> Tensor:
        """Attention (B, T, heads x D) inside each document: the work of a row is that of its parts, not its square."""
        window, made = self.anatomy.window, []
        for parts in zip(*(a.flatten(0, 1).split(lengths) for a in (q, k, v))):
            one, two, three = (part.transpose(0, 1).unsqueeze(0) for part in parts)  # (1, heads, t, D)
            seen = None
            if window and one.shape[2] > window:
                at = torch.arange(one.shape[2], device=q.device)
                seen = (at[:, None] >= at) & (at[:, None] - at < window)
            shared = {"is_causal": seen is None, "enable_gqa": q.shape[2] != k.shape[2]}
            y = F.scaled_dot_product_attention(one, two, three, attn_mask=seen, **shared)
            made.append(y.squeeze(0).transpose(0, 1).flatten(1))
        return torch.cat(made).unflatten(0, q.shape[:2])


class Feed(nn.Module):
    """down(silu(gate x) * up x) (Shazeer 2020, eq. 6), or down(gelu(up x)) with the tanh form of GELU."""

    def __init__(self, anatomy: Anatomy):
        super().__init__()
        a = anatomy
        self.gate = nn.Linear(a.width, a.hidden, bias=a.feed_bias) if a.gated else None
        self.up = nn.Linear(a.width, a.hidden, bias=a.feed_bias)
        self.down = nn.Linear(a.hidden, a.width, bias=a.feed_bias)

    def forward(self, x: Tensor) -> Tensor:
        if self.gate is None:
            return self.down(F.gelu(self.up(x), approximate="tanh"))
        return self.down(F.silu(self.gate(x)) * self.up(x))


class Layer(nn.Module):
    """x + attention(norm x), then x + feed(norm x) (pre-norm: Xiong et al. 2020, fig. 1b)."""

    def __init__(self, anatomy: Anatomy):
        super().__init__()
        self.attention_norm, self.attention = normalisation(anatomy.width, anatomy), SelfAttention(anatomy)
        self.feed_norm, self.feed = normalisation(anatomy.width, anatomy), Feed(anatomy)

    def forward(self, x: Tensor, scene: Scene, cache: Cache | None = None) -> Tensor:
        x = x + self.attention(self.attention_norm(x), scene, cache)
        return x + self.feed(self.feed_norm(x))


@dataclass(frozen=True)
class Scene:
    """What all layers are told of the tokens before them.

    places: (B, T). speeds: rotary, (D / 2,), or None. seen: which keys each query sees, broadcast to (B, heads, T, S);
    None means all up to its own. end: the first place beyond every sequence. rows: (B,), where in the caches they are.
    lengths: of the documents that lie behind each other in the rows, which then see nothing but themselves.
    """

    places: Tensor
    speeds: Tensor | None
    seen: Tensor | None
    end: int
    rows: Tensor
    lengths: list[int] | None = None


class LanguageTrunk(nn.Module):
    """A stack of layers over embedded tokens; shapes (B, T, D) in and out."""

    def __init__(self, anatomy: Anatomy):
        super().__init__()
        self.anatomy = anatomy
        self.layers = nn.ModuleList(Layer(anatomy) for _ in range(anatomy.layers))
        self.norm = normalisation(anatomy.width, anatomy)
        self.recompute = False  # in training: states inside a layer are made again for the gradient instead of kept
        self.speeds = rates(anatomy) if anatomy.rotary else None  # no buffer: rounding the weights leaves it exact

    def forward(
        self,
        x: Tensor,
        places: Tensor | None = None,
        parts: Tensor | None = None,
        caches: list[Cache] | None = None,
        rows: Tensor | None = None,
    ) -> Tensor:
        """States (B, T, D) of x (B, T, D).

        places (B, T): where each token stands, 0 .. T - 1 without it. parts (B, T): numbers of the documents that
        lie behind each other in a row; no token sees another's. caches: what was read before; these
        tokens follow it. rows (B,): which sequences of the caches these are, all in their order without it.
        """
        scene = self._scene(x, places, parts, caches, torch.arange(len(x), device=x.device) if rows is None else rows)
        still = replace(scene, speeds=None)
        for at, layer in enumerate(self.layers):
            told = still if at in self.anatomy.unturned else scene
            if self.recompute and torch.is_grad_enabled():
                x = checkpoint(layer, x, told, use_reentrant=False)
            else:
                x = layer(x, told, caches[at] if caches else None)
        return self.norm(x)

    def caches(self, n: int, room: int, like: Tensor) -> list[Cache]:
        """Empty caches for n sequences of up to `room` tokens, on the device and in the type of `like`."""
        a = self.anatomy
        return [Cache((n, a.groups, room, a.channels), like) for _ in self.layers]

    def _scene(
        self, x: Tensor, places: Tensor | None, parts: Tensor | None, caches: list[Cache] | None, rows: Tensor
    ) -> Scene:
        count, window = x.shape[1], self.anatomy.window
        if self.speeds is not None:
            self.speeds = self.speeds.to(x.device)
        plain = places is None and parts is None and not (window and count > window)
        if places is None:
            places = torch.arange(count, device=x.device).expand(len(x), -1)
        if caches is None and plain:
            return Scene(places, self.speeds, None, count, rows)
        if caches is None and parts is not None:
            return Scene(places, self.speeds, None, count, rows, extents(parts))
        if caches is None:
            at = torch.arange(count, device=x.device)
            seen = (at[:, None] >= at).expand(len(x), -1, -1)
            gap = at[:, None] - at
            end = count
        else:
            end = int(places.max()) + 1
            gap = places[:, :, None] - torch.arange(end, device=x.device)  # (B, T, S)
            seen = gap >= 0
        if window:
            seen = seen & (gap < window)
        return Scene(places, self.speeds, seen.unsqueeze(1), end, rows)
