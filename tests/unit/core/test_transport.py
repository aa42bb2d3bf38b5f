"""Short paths between two sets."""

import itertools

import torch

from conjure.core.transport import pair


def test_pairs_are_near_the_best_assignment():
    rng = torch.Generator().manual_seed(1)
    excess = []
    for _ in range(20):
        noise, x = torch.randn(6, 2, generator=rng), torch.randn(6, 2, generator=rng)
        order = pair(noise, x)
        assert sorted(order.tolist()) == list(range(6))
        cost = ((noise[:, None] - x[None]) ** 2).sum(2)
        best = min(sum(cost[p[i], i].item() for i in range(6)) for p in itertools.permutations(range(6)))
        excess.append((cost[order, torch.arange(6)].sum().item() - best) / (cost.trace().item() - best + 1e-9))
    assert sum(excess) / 20 < 0.1  # 0: the best, 1: no better than by chance


def test_more_sweeps_come_closer_and_end_where_no_swap_helps():
    rng = torch.Generator().manual_seed(2)
    noise, x = torch.randn(200, 3, generator=rng), torch.randn(200, 3, generator=rng)
    costs = [(noise[pair(noise, x, sweeps)] - x).square().sum().item() for sweeps in (1, 4, 50)]
    assert costs[0] > costs[1] >= costs[2]
    order = pair(noise, x, 50)
    gain = -torch.cdist(noise[order], x).square()
    swapped = gain + gain.T - gain.diagonal()[:, None] - gain.diagonal()
    assert swapped.max() < 1e-3
