"""Vector quantisation: what is quantised commits to what it became."""

from __future__ import annotations

from torch import Tensor


def commitment(gap: Tensor) -> Tensor:
    """E |z_e(x) - sg[e]|^2, (), of gaps z_e(x) - e without gradient to e, (N, D).

    The third term of van den Oord et al. 2017, eq. 3. Its first is the reconstruction, through the straight-through
    estimator; its second, |sg[z_e(x)] - e|^2, is minimised exactly by the running means of their appendix A.1, which
    move the books instead (`nets/codebooks.py`). Over levels the gap is what the last one leaves.
    """
    return gap.square().sum(1).mean()
