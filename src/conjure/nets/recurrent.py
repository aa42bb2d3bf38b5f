"""Recurrent layers: a state of fixed size carried from token to token; they know no vocabulary."""

from __future__ import annotations

from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

State = Tensor | tuple[Tensor, Tensor]  # (layers, B, D), and with an LSTM its cells of the same shape


class Recurrence(nn.Module):
    """Layers of LSTM or GRU cells; shapes (B, T, D) in and out.

    LSTM, with gates i, f, o in (0, 1) (Hochreiter and Schmidhuber 1997; the forget gate f: Gers et al. 2000):
    c_t = f c_(t-1) + i tanh(W x_t + U h_(t-1) + b),  h_t = o tanh(c_t).
    GRU, with gates r and z (Cho et al. 2014; r after the matrix U, which lets one fused product serve all):
    h_t = (1 - z) tanh(W x_t + b + r (U h_(t-1) + d)) + z h_(t-1).
    Forget gates start open (bias 1, as Gers et al. advise) and the matrices U orthogonal, so that gradients
    reach far back from the first step on.
    """

    def __init__(self, cell: Literal["lstm", "gru"], layers: int, width: int, dropout: float = 0.0):
        super().__init__()
        kind = nn.LSTM if cell == "lstm" else nn.GRU
        self.dropout = dropout
        self.cells = kind(width, width, layers, batch_first=True, dropout=dropout if layers > 1 else 0.0)
        for name, p in self.cells.named_parameters():
            if name.startswith("bias"):
                nn.init.zeros_(p)
                if cell == "lstm" and name.startswith("bias_ih"):
                    nn.init.ones_(p[width : 2 * width])  # gates lie in the order i, f, g, o
            else:
                for gate in p.detach().split(width):
                    nn.init.orthogonal_(gate)

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Outputs (B, T, D) from the state before (None: zeros), and the state after."""
        y, state = self.cells(F.dropout(x, self.dropout, self.training), state)
        return F.dropout(y, self.dropout, self.training), state
