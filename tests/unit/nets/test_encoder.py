"""Attention without a causal mask, and across sequences, against the formula written out."""

from __future__ import annotations

import pytest
import torch

from conjure.nets.cross import CrossAttention, CrossTransformer
from conjure.nets.dropping import drop
from conjure.nets.encoder import Encoder, attend_fully, hidden_from
from conjure.nets.transformer import Sizes

SIZES = Sizes(layers=2, width=16, heads=2, groups=2, length=9)


def stirred(net):
    rng = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for p in net.parameters():
            p.add_(0.3 * torch.randn(p.shape, generator=rng))
    return net.eval()


@pytest.mark.parametrize("groups", [4, 2])
@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_attention_is_its_formula_over_what_counts(groups, kind):
    torch.manual_seed(0)
    q, k, v = torch.randn(3, 4, 5, 8), torch.randn(3, groups, 7, 8), torch.randn(3, groups, 7, 8)
    counts = torch.arange(7) < torch.tensor([[7], [4], [1]])
    made = attend_fully(*(a.to(kind) for a in (q, k, v)), 0.5, hidden_from(counts, kind)).float()
    for b in range(3):
        for h in range(4):
            g, some = h * groups // 4, counts[b]
            weights = (0.5 * q[b, h] @ k[b, g][some].T).softmax(-1)
            error = (made[b, h] - weights @ v[b, g][some]).abs().max()
            assert error < (1e-5 if kind == torch.float32 else 0.05)


def test_the_encoder_sees_what_counts_and_nothing_else():
    net, x = stirred(Encoder(SIZES)), torch.randn(2, 6, 16)
    counts = torch.tensor([[True] * 6, [True] * 3 + [False] * 3])
    base = net(x, counts)
    torch.testing.assert_close(net(x[1:, :3])[0], base[1, :3], atol=1e-5, rtol=0)
    x[1, 4] += 1
    assert torch.equal(net(x, counts)[1, :3], base[1, :3])
    x[1, 2] += 1
    assert (net(x, counts)[1, :3] != base[1, :3]).any(1).all()


def test_a_row_in_which_nothing_counts_gives_numbers():
    assert stirred(Encoder(SIZES))(torch.randn(2, 4, 16), torch.zeros(2, 4, dtype=torch.bool)).isfinite().all()


def test_sequences_that_share_a_source_see_it_as_if_each_had_its_own():
    net = stirred(CrossAttention(16, 4, 2))
    source, x = torch.randn(2, 5, 16), torch.randn(6, 3, 16)
    unseen = hidden_from(torch.arange(5) < torch.tensor([[5], [2]]), torch.float32)
    shared = net(x, *net.look(source), unseen)
    own = net(x, *net.look(source.repeat_interleave(3, 0)), unseen.repeat_interleave(3, 0))
    torch.testing.assert_close(shared, own, atol=1e-6, rtol=0)


def test_written_step_by_step_the_trunk_gives_the_same():
    net = stirred(CrossTransformer(SIZES))
    with torch.no_grad():
        sources, x = net.look(torch.randn(2, 5, 16)), torch.randn(2, 6, 16)
        memories = net.memories(2, x)
        steps = [net(x[:, t : t + 1], sources, memories) for t in range(6)]
        torch.testing.assert_close(torch.cat(steps, 1), net(x, sources), atol=1e-5, rtol=0)


def test_dropout_keeps_the_mean_and_drops_its_share():
    torch.manual_seed(0)
    x = drop(torch.ones(999, 501), 0.25)
    assert (x == 0).float().mean().item() == pytest.approx(0.25, abs=0.003)
    assert x.mean().item() == pytest.approx(1, abs=0.005)
    torch.manual_seed(0)
    assert torch.equal(drop(torch.ones(999, 501), 0.25), x)
