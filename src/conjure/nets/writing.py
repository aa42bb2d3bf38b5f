"""A Transformer's trunk and head made ready to write: one further place of a few sequences, in one call of C.

At one place a sequence the work is reading weights, and torch's products reach half of the memory's speed;
between them stand a hundred small operations. `nets/writing.c` does the same sums in one pass. Where there is
no C compiler, on other devices and for many rows the modules themselves are called: the same numbers, slower.
"""

from __future__ import annotations

import ctypes

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from conjure.nets.attention import Attention, Memory
from conjure.nets.compiled import library
from conjure.nets.lora import weight_of
from conjure.nets.transformer import Transformer

LANES = TILE = 16  # as in writing.c
FEW = 4
MOST = 64  # rows, beyond which torch's products are as quick
LARGE = 32 << 20  # weights, from which several threads of torch are quicker than one of C


class _Matrix(ctypes.Structure):
    _fields_ = [("values", ctypes.c_void_p), ("steps", ctypes.c_void_p)]


class _Layer(ctypes.Structure):
    _fields_ = [(name, _Matrix) for name in ("query", "key", "value", "out", "up", "down")]
    _fields_ += [("keys", ctypes.c_void_p), ("values", ctypes.c_void_p)]


class _Trunk(ctypes.Structure):
    _sizes = ("rows", "layers", "width", "heads", "groups", "channels", "hidden", "vocab", "length")
    _fields_ = [(name, ctypes.c_int64) for name in _sizes]
    _fields_ += [(name, ctypes.c_void_p) for name in ("cos", "sin", "mixes")]
    _fields_ += [("head", _Matrix), ("blocks", ctypes.POINTER(_Layer)), ("scratch", ctypes.c_void_p)]
    _fields_ += [("sharpness", ctypes.c_float)]


class Writing:
    """logits after one more token of each of n sequences, whose past lies in memories."""

    @staticmethod
    def serves(trunk: Transformer, x: Tensor) -> bool:
        """Whether C can do it: float32 on a CPU, few rows, neither gradient nor dropout asked for."""
        weight = trunk.blocks[0].feed.up.weight
        plain = type(weight) is nn.Parameter and weight.dtype == x.dtype == torch.float32 and x.is_cpu
        if not plain or trunk.training or torch.is_grad_enabled() or not 0 < len(x) <= MOST:
            return False
        large = len(trunk.blocks) * weight.numel() > LARGE and torch.get_num_threads() > 1
        return not large and library("writing") is not None

    def __init__(self, trunk: Transformer, head: nn.Linear, memories: list[Memory]):
        self.memories, self.vocab, sizes = memories, head.out_features, trunk.sizes
        self.kept: list[object] = []  # what the pointers below point into
        n, _, length, channels = memories[0].keys.shape
        self.rows, hidden = n, trunk.blocks[0].feed.up.out_features
        blocks = (_Layer * len(trunk.blocks))(*(self._layer(b, m) for b, m in zip(trunk.blocks, memories)))
        mixes = torch.stack([block.mix.detach() for block in trunk.blocks])
        wide, narrow = sizes.heads * channels, sizes.groups * channels
        groups = -(-n // LANES)
        spare = max(groups * LANES * max(sizes.width, wide, hidden), channels + length + LANES)
        scratch = torch.empty(n * (4 * sizes.width + wide + 2 * narrow + hidden) + spare)
        turn = trunk.blocks[0].attention.turn
        waves = (0, 0) if turn is None else (self._keep(turn.cos), self._keep(turn.sin))
        self.kept += [blocks]
        counts = (n, len(trunk.blocks), sizes.width, sizes.heads, sizes.groups, channels, hidden, self.vocab, length)
        pointers = (*waves, self._keep(mixes), self._matrix(head), blocks, self._keep(scratch))
        self.trunk = _Trunk(*counts, *pointers, Attention.SHARPNESS / channels**0.5)
        self.call = library("writing").conjure_place  # type: ignore[union-attr]
        self.call.restype, self.call.argtypes = None, (ctypes.POINTER(_Trunk), ctypes.c_int64, *2 * (ctypes.c_void_p,))

    def __call__(self, x: Tensor) -> Tensor:
        """Logits (N, V) from the vectors of the new tokens (N, D), whose keys and values go to memory."""
        x, logits, at = x.contiguous(), x.new_empty(self.rows, self.vocab), self.memories[0].filled
        self.call(self.trunk, at, x.data_ptr(), logits.data_ptr())
        for memory in self.memories:
            memory.filled = at + 1
        return logits

    def _layer(self, block: nn.Module, memory: Memory) -> _Layer:
        a, f = block.attention, block.feed
        matrices = [self._matrix(linear) for linear in (a.query, a.key, a.value, a.out, f.up, f.down)]
        return _Layer(*matrices, self._keep(memory.keys), self._keep(memory.values))

    def _matrix(self, linear: nn.Linear) -> _Matrix:
        codes, weight = getattr(linear, "codes", None), weight_of(linear).detach()
        if self.rows <= FEW:
            if codes is not None:
                return _Matrix(self._keep(codes), self._keep(linear.steps))
            return _Matrix(self._keep(weight), None)
        full = F.pad(weight, (0, 0, 0, -linear.out_features % TILE))
        return _Matrix(self._keep(full.unflatten(0, (-1, TILE)).transpose(1, 2)), None)

    def _keep(self, x: Tensor) -> int:
        """Where the numbers of a tensor begin, as long as this object lives."""
        x = x.contiguous()
        self.kept.append(x)
        return x.data_ptr()
