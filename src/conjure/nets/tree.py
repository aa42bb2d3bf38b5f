"""Which columns depend on which: the tree of greatest mutual information, and a first clustering of rows."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import one_hot

GROUPS = 24  # codes a column is reduced to before its dependence is measured


def coarse(codes: Tensor, size: int, ordered: bool, groups: int = GROUPS) -> Tensor:
    """Codes (N,) merged into at most `groups`: equal shares when ordered, else the frequent ones and the rest."""
    if size <= groups:
        return codes
    counts = torch.bincount(codes, minlength=size).double()
    if ordered:
        middle = (counts.cumsum(0) - counts / 2) / counts.sum()
        return (middle * groups).long().clamp(max=groups - 1)[codes]
    rank = torch.empty(size, dtype=torch.long)
    rank[counts.argsort(descending=True)] = torch.arange(size)
    return rank.clamp(max=groups - 1)[codes]


def mutual_information(x: Tensor, groups: int = GROUPS) -> Tensor:
    """Mutual information in nats between all pairs of columns, x (N, K) below `groups` -> (K, K).

    Estimated from counts with the bias correction of Miller and Madow (1955).
    """
    n, k = x.shape
    flat = one_hot(x, groups).float().flatten(1)  # (N, K * groups)
    joint = (flat.T @ flat).view(k, groups, k, groups).transpose(1, 2).double()
    alone = torch.diagonal(joint.sum(3), dim1=0, dim2=1).T  # (K, groups)
    expected = alone[:, None, :, None] * alone[None, :, None, :] / n
    terms = torch.where(joint > 0, joint * (joint / expected.clamp_min(1e-12)).log(), 0.0)
    used = (alone > 0).sum(1).double() - 1
    return terms.sum((2, 3)) / n - used[:, None] * used[None, :] / (2 * n)


def chow_liu(x: Tensor, sizes: tuple[int, ...], ordered: tuple[bool, ...]) -> Tensor:
    """Each column's parent (K,), -1 for the root: the maximum spanning tree of mutual information.

    Chow and Liu (1968): the best approximation of a distribution by a tree. x holds codes (N, K).
    """
    reduced = torch.stack([coarse(x[:, i], s, o) for i, (s, o) in enumerate(zip(sizes, ordered))], 1)
    weight = mutual_information(reduced)
    k = len(sizes)
    root = int((weight.sum(1) - weight.diagonal()).argmax())
    parent = torch.full((k,), -1, dtype=torch.long)
    inside = torch.zeros(k, dtype=torch.bool)
    inside[root] = True
    best, link = weight[root].clone(), torch.full((k,), root)
    for _ in range(k - 1):  # Prim's algorithm
        child = int(torch.where(inside, -torch.inf, best).argmax())
        parent[child] = link[child]
        inside[child] = True
        closer = weight[child] > best
        best, link = torch.where(closer, weight[child], best), torch.where(closer, torch.tensor(child), link)
    return parent


def clusters(
    x: Tensor, sizes: tuple[int, ...], ordered: tuple[bool, ...], count: int, rng: torch.Generator, rounds: int = 8
) -> Tensor:
    """k-means labels of rows, (N,) below `count`: ordered columns by their normal scores, others as one-hot."""
    features = []
    for i, size in enumerate(sizes):
        codes = x[:, i]
        share = torch.bincount(codes, minlength=size).float() / len(codes)
        if ordered[i]:
            rank = (share.cumsum(0) - share / 2)[codes]
            features.append(((rank - rank.mean()) / (rank.std() + 1e-6)).unsqueeze(1))
        else:
            features.append(one_hot(coarse(codes, size, False), min(size, GROUPS)).float())
    points = torch.cat(features, 1)
    centres = points[torch.randperm(len(points), generator=rng)[:count]].clone()
    for _ in range(rounds):
        labels = torch.cat([(centres.square().sum(1) - 2 * part @ centres.T).argmin(1) for part in points.split(4096)])
        total = torch.zeros_like(centres).index_add_(0, labels, points)
        members = torch.bincount(labels, minlength=count).unsqueeze(1)
        spare = points[torch.randint(len(points), (count,), generator=rng)]
        centres = torch.where(members > 0, total / members.clamp_min(1), spare)
    return labels
