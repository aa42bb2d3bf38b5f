"""A critic's memory of what generators made earlier in the run."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Pool(nn.Module):
    """Up to `size` examples made in the past, of which a critic is shown some in the place of new ones.

    A critic that only sees the latest lets the generator return to what it was caught at before (Shrivastava et al.
    2017, sec. 2.3). While there is room a new example is kept and shown. Then, with even odds, it is shown, or it
    takes the place of a kept one chosen evenly, which is shown for the last time.

    The memory is buffers, hence in checkpoints, and the choices are the caller's draws, so a resumed run goes on bit
    for bit. Each of several processes remembers its own.
    """

    def __init__(self, size: int, shape: tuple[int, ...]):
        super().__init__()
        self.register_buffer("kept", torch.zeros(size, *shape))
        self.register_buffer("filled", torch.zeros((), dtype=torch.long))

    @torch.no_grad()
    def exchange(self, made: Tensor, draws: Tensor) -> Tensor:
        """What to show the critic for the new examples made, (B, ...); draws (B, 2) are uniform on [0, 1).

        Examples with a value that is no number are shown, so that the move is dropped, and never kept.
        """
        size = len(self.kept)
        if not size or not bool(torch.isfinite(made).all()):
            return made
        shown, places, filled = _choose(draws.tolist(), size, int(self.filled))
        both = torch.cat([self.kept, made.to(self.kept)])
        self.kept.copy_(both[places])
        self.filled.fill_(filled)
        return both[shown].to(made)


def _choose(draws: list[list[float]], size: int, filled: int) -> tuple[list[int], list[int], int]:
    """(rows shown, rows kept, how many are kept) among the pool's rows followed by the new ones."""
    places, shown = list(range(size)), []
    for new, (swap, where) in enumerate(draws, start=size):
        if filled < size:
            places[filled] = new
            filled += 1
            shown.append(new)
        elif swap < 0.5:
            slot = int(where * size)
            shown.append(places[slot])
            places[slot] = new
        else:
            shown.append(new)
    return shown, places, filled
