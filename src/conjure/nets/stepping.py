"""A language trunk and its head made ready for use: further tokens of some sequences in one call of C.

At one token a sequence the work is reading weights, and at a prompt's many it is multiplying; `nets/language.c` does
both from one packed copy of the weights, in floats, bfloat16 or bytes. Where there is no C compiler, on other
devices and while gradients are asked for, the modules themselves are called.
"""

from __future__ import annotations

import ctypes
import time
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from conjure.nets.compiled import library
from conjure.nets.language import Cache, LanguageTrunk, Layer
from conjure.nets.lora import Adapted, weight_of
from conjure.nets.rounding import BLOCK, round_blocks

GROUP, LANES = 64, 16  # as in language.c
KINDS = {"fp32": 0, "bf16": 1, "int8": 2}
FEW = 4  # rows, up to which one thread may be as quick as all
MOST = 512  # rows of one call, so that scratch memory is bounded

Kind = Literal["fp32", "bf16", "int8"]
_pointer, _count = ctypes.c_void_p, ctypes.c_int64


class _Matrix(ctypes.Structure):
    _fields_ = [("values", _pointer), ("bias", _pointer), ("out", _count), ("into", _count)]


class _Norm(ctypes.Structure):
    _fields_ = [("weight", _pointer), ("bias", _pointer)]


class _Layer(ctypes.Structure):
    _fields_ = [(name, _Norm) for name in ("attention_norm", "query_norm", "key_norm", "feed_norm")]
    _fields_ += [(name, _Matrix) for name in ("entry", "out", "up", "down")]
    _fields_ += [("keys", _pointer), ("values", _pointer), ("turned", _count)]


class _Trunk(ctypes.Structure):
    _sizes = ("layers", "width", "heads", "groups", "channels", "hidden", "vocab", "window", "kind", "gated")
    _fields_ = [(name, _count) for name in _sizes]
    _fields_ += [("epsilon", ctypes.c_float), ("speeds", _pointer), ("norm", _Norm), ("head", _Matrix)]
    _fields_ += [("stack", ctypes.POINTER(_Layer))]


class _Entered(ctypes.Structure):
    _fields_ = [("values", _pointer), ("steps", _pointer), ("totals", _pointer)]


class _Job(ctypes.Structure):
    _fields_ = [("trunk", ctypes.POINTER(_Trunk))]
    _fields_ += [(name, _count) for name in ("rows", "room", "wanted", "threads")]
    _fields_ += [(name, _pointer) for name in ("slots", "places", "which", "logits", "x", "h", "q", "y", "cos", "sin")]
    _fields_ += [("entered", _Entered), ("claims", _pointer), ("arrived", ctypes.c_int), ("turn", ctypes.c_int)]
    _fields_ += [("spare", _pointer)]


def serves(trunk: LanguageTrunk) -> bool:
    """Whether C can do it: plain float32 matrices on a CPU, neither gradient nor training asked for."""
    weights = [m.weight for m in trunk.modules() if isinstance(m, nn.Linear)]
    plain = all(type(w) is nn.Parameter and w.dtype == torch.float32 and w.is_cpu for w in weights)
    known = all(type(m) in (nn.Linear, Adapted) for m in _matrices(trunk))
    if not plain or not known or trunk.training or torch.is_grad_enabled():
        return False
    return trunk.anatomy.channels % 2 == 0 and library("language") is not None


def _matrices(trunk: LanguageTrunk) -> list[nn.Module]:
    names = ("query", "key", "value", "out"), ("up", "down")
    return [
        getattr(part, name)
        for layer in trunk.layers
        for part, some in zip((layer.attention, layer.feed), names)
        for name in some
    ]


class Pace:
    """How many threads a call takes: reading weights for a few rows, one core may use all of the memory's speed.

    The first calls of a size try both one thread and all; what was quicker is kept. The numbers do not depend on it.
    """

    TRIES = 4  # calls by each

    def __init__(self) -> None:
        self.seen: dict[int, dict[int, list[float]]] = {}

    def threads(self, rows: int) -> int:
        """How many, for a call of so many rows."""
        most = torch.get_num_threads()
        if most == 1 or rows > FEW:
            return most
        tried = self.seen.setdefault(rows, {1: [], most: []})
        if most not in tried:
            tried[most] = []
        count = min((1, most), key=lambda n: len(tried[n]))
        if len(tried[count]) < self.TRIES:
            return count
        return min((1, most), key=lambda n: min(tried[n]))

    def note(self, rows: int, threads: int, seconds: float) -> None:
        """What a call took, while that is being tried."""
        times = self.seen.get(rows, {}).get(threads, [0.0] * self.TRIES)
        if len(times) < self.TRIES:
            times.append(seconds)


class Packed:
    """The weights of a trunk and its head (V, D) as the C code reads them; a copy, which training does not move."""

    def __init__(self, trunk: LanguageTrunk, head: Tensor, kind: Kind = "fp32"):
        self.kind, self.vocab, self.anatomy = kind, len(head), trunk.anatomy
        self.pace = Pace()
        self.kept: list[object] = []  # what the pointers below point into
        a = trunk.anatomy
        self.layers = [self._layer(at, layer) for at, layer in enumerate(trunk.layers)]
        speeds = None if trunk.speeds is None else self._keep(trunk.speeds.cpu())
        counts = (a.layers, a.width, a.heads, a.groups, a.channels, a.hidden, self.vocab, a.window, KINDS[kind])
        ends = (self._norm(trunk.norm), self._matrix(head, None))
        self.trunk = _Trunk(*counts, int(a.gated), a.epsilon, speeds, *ends)

    def _layer(self, at: int, layer: Layer) -> _Layer:
        a, f = layer.attention, layer.feed
        parts = (a.query, a.key, a.value)
        entry = torch.cat([weight_of(m) for m in parts])
        bias = None if a.query.bias is None else torch.cat([m.bias for m in parts])
        up, lift = weight_of(f.up), f.up.bias
        if f.gate is not None:
            up = _alternating(weight_of(f.gate), up)
            lift = None if lift is None else _alternating(f.gate.bias, lift)
        norms = (layer.attention_norm, a.query_norm, a.key_norm, layer.feed_norm)
        matrices = ((entry, bias), (weight_of(a.out), a.out.bias), (up, lift), (weight_of(f.down), f.down.bias))
        turned = int(at not in self.anatomy.unturned)
        return _Layer(*map(self._norm, norms), *(self._matrix(w, b) for w, b in matrices), None, None, turned)

    def _norm(self, norm: nn.Module | None) -> _Norm:
        if norm is None:
            return _Norm(None, None)
        bias = getattr(norm, "bias", None)
        return _Norm(self._keep(norm.weight.detach()), None if bias is None else self._keep(bias.detach()))

    def _matrix(self, weight: Tensor, bias: Tensor | None) -> _Matrix:
        out, into = weight.shape
        full = F.pad(weight.detach(), (0, -into % BLOCK, 0, -out % GROUP))
        groups = full.unflatten(0, (-1, GROUP))  # (G, 64, K)
        if self.kind == "fp32":
            packed = groups.transpose(1, 2)
        elif self.kind == "bf16":
            packed = groups.to(torch.bfloat16).unflatten(2, (-1, 2)).transpose(1, 2)
        else:
            codes, steps = round_blocks(full)
            shifted = (
                (codes.to(torch.int16) + 128).to(torch.uint8).view(-1, GROUP, into // BLOCK + (into % BLOCK > 0), 8, 4)
            )
            sizes = steps.to(torch.bfloat16).unflatten(0, (-1, GROUP)).transpose(1, 2).contiguous()  # (G, blocks, 64)
            packed = torch.cat([shifted.permute(0, 2, 3, 1, 4).flatten(2), sizes.view(torch.uint8)], 2)
        full_bias = None if bias is None else self._keep(F.pad(bias.detach(), (0, -out % GROUP)))
        return _Matrix(self._keep(packed), full_bias, out, into)

    def _keep(self, x: Tensor) -> int:
        """Where the numbers of a tensor begin, as long as this object lives."""
        x = x.contiguous()
        self.kept.append(x)
        return x.data_ptr()


def _alternating(gate: Tensor, up: Tensor) -> Tensor:
    """Rows of two matrices, 32 of one and 32 of the other in turn, filled up to whole turns."""
    fill = (0, -len(gate) % 32) if gate.ndim == 1 else (0, 0, 0, -len(gate) % 32)
    both = [F.pad(m.detach(), fill).unflatten(0, (-1, 32)) for m in (gate, up)]
    return torch.stack(both, 1).flatten(0, 2)


@dataclass
class _Scratch:
    """Memory of one call, for `rows` rows."""

    rows: int
    tensors: dict[str, Tensor]


class Stepping:
    """Logits after further tokens of sequences whose past lies in caches; one caller at a time."""

    def __init__(self, packed: Packed):
        self.packed, self.scratch, self.seen = packed, None, (0, 0)
        self.stack = (_Layer * len(packed.layers))(*packed.layers)
        self.trunk = _Trunk.from_buffer_copy(packed.trunk)
        self.trunk.stack = self.stack
        loaded = library("language")
        loaded.conjure_phases.restype, loaded.conjure_phases.argtypes = _count, (_count,)  # type: ignore[union-attr]
        self.call = loaded.conjure_language  # type: ignore[union-attr]
        self.call.restype, self.call.argtypes = None, (ctypes.POINTER(_Job),)
        self.claims = torch.zeros(loaded.conjure_phases(packed.anatomy.layers), dtype=torch.int32)  # type: ignore[union-attr]

    def __call__(self, x: Tensor, caches: list[Cache], slots: Tensor, places: Tensor, which: Tensor) -> Tensor:
        """Logits (W, V) of the rows named by `which` (W,), out of the vectors x (R, D) of tokens that stand at
        `places` (R,) of the sequences `slots` (R,); keys and values go to the caches. A sequence's rows come in order.
        """
        logits = x.new_empty(len(which), self.packed.vocab)
        done = 0
        for start in range(0, len(x), MOST):
            end = min(len(x), start + MOST)
            here = (which >= start) & (which < end)
            some = which[here] - start
            made = self._part(x[start:end], caches, (slots[start:end], places[start:end], some))
            if len(x) <= MOST:
                return made
            logits[here] = made
            done += len(some)
        return logits

    def _part(self, x: Tensor, caches: list[Cache], at: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        a, rows, room = self.packed.anatomy, len(x), caches[0].keys.shape[2]
        self._point(caches)
        threads = self.packed.pace.threads(rows)
        begun = time.perf_counter()
        s = self._room(rows, threads * (room + LANES + a.channels)).tensors
        s["x"][:rows] = x
        slots, places, which = (t.to(torch.int64).contiguous() for t in at)
        logits = x.new_empty(len(which), self.packed.vocab)
        self.claims.zero_()
        entered = _Entered(*(s[name].data_ptr() for name in ("values", "steps", "totals")))
        pointers = [t.data_ptr() for t in (slots, places, which, logits)]
        pointers += [s[name].data_ptr() for name in ("x", "h", "q", "y", "cos", "sin")]
        counts = (rows, room, len(which), threads)
        job = _Job(ctypes.pointer(self.trunk), *counts, *pointers, entered, self.claims.data_ptr(), 0, 0)
        job.spare = s["spare"].data_ptr()
        self.call(job)
        self.packed.pace.note(rows, threads, time.perf_counter() - begun)
        return logits

    def _point(self, caches: list[Cache]) -> None:
        """Tell the C code where the caches lie, when they moved."""
        now = (caches[0].keys.data_ptr(), caches[-1].values.data_ptr())
        if now != self.seen:
            for layer, cache in zip(self.stack, caches):
                layer.keys, layer.values = cache.keys.data_ptr(), cache.values.data_ptr()
            self.seen = now

    def _room(self, rows: int, spare: int) -> _Scratch:
        if self.scratch is None or self.scratch.rows < rows:
            a = self.packed.anatomy
            wide, widest = (a.heads + 2 * a.groups) * a.channels, max(a.width, a.heads * a.channels, a.hidden)
            full = -(-widest // BLOCK) * BLOCK
            sizes = {"x": a.width, "h": a.width, "q": wide, "y": a.hidden, "cos": a.channels // 2}
            sizes |= {"sin": a.channels // 2, "values": full, "steps": full // BLOCK, "totals": full // BLOCK}
            self.scratch = _Scratch(rows, {name: torch.empty(rows, size) for name, size in sizes.items()})
        if self.scratch.tensors.get("spare", torch.empty(0)).numel() < spare:
            self.scratch.tensors["spare"] = torch.empty(spare)
        return self.scratch
