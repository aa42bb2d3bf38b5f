"""Attention against its formula written out, and rotary positions against their promise."""

from __future__ import annotations

import math

import pytest
import torch

from conjure.nets.attention import Attention, Turn, attend, waves
from conjure.nets.ngrams import Ngrams


def test_attention_is_a_weighted_mean_of_the_values_seen():
    q, k, v = torch.randn(3, 2, 3, 5, 4, generator=torch.Generator().manual_seed(0)).unbind(0)
    y = attend(q, k, v, 0.5)
    for t in range(5):
        weights = (q[:, :, t : t + 1] @ k[:, :, : t + 1].mT * 0.5).softmax(-1)
        torch.testing.assert_close(y[:, :, t : t + 1], weights @ v[:, :, : t + 1])
    torch.testing.assert_close(attend(q[:, :, 3:], k, v, 0.5), y[:, :, 3:])


def test_shared_keys_serve_neighbouring_heads():
    rng = torch.Generator().manual_seed(0)
    q, k, v = torch.randn(1, 4, 5, 8, generator=rng), *torch.randn(2, 1, 2, 5, 8, generator=rng).unbind(0)
    repeated = attend(q, k.repeat_interleave(2, 1), v.repeat_interleave(2, 1), 1.0)
    torch.testing.assert_close(attend(q, k, v, 1.0), repeated)


def test_turned_products_depend_on_distance_alone():
    turn = Turn(8, 32)
    q, k = torch.randn(2, 1, 1, 1, 8, generator=torch.Generator().manual_seed(0)).unbind(0)
    products = [(turn(q, at + 5) * turn(k, at)).sum() for at in (0, 9, 20)]
    torch.testing.assert_close(products[1:], products[:1] * 2)
    assert abs(products[0] - (turn(q, 6) * turn(k, 0)).sum()) > 1e-3
    torch.testing.assert_close(turn(q, 7).norm(), q.norm())


def test_a_fresh_block_is_silent():
    assert Attention(16, 2, 2, None)(torch.randn(2, 5, 16)).abs().max() == 0


def test_an_ngram_has_its_own_row_until_the_table_is_full():
    table = Ngrams(3, (2,), 16, 4)  # digits 0 .. 3, so 16 bigrams
    with torch.no_grad():
        table.table.weight.normal_()
    tokens = torch.tensor([[0, 1, 0, 2, 0, 1]])
    y = table(tokens)[0].detach()
    torch.testing.assert_close(y[1], y[5])
    assert len({round(float(row[0]), 6) for row in y}) == 5
    torch.testing.assert_close(table(tokens[:, 3:], tokens[:, :3])[0], y[3:])


def test_waves_are_sines_and_cosines_of_the_place():
    table = waves(50, 8)
    assert table.shape == (50, 8)
    for place, pair in ((0, 0), (7, 1), (49, 3)):
        angle = place / 10_000 ** (2 * pair / 8)
        assert table[place, 2 * pair].item() == pytest.approx(math.sin(angle), abs=1e-5)
        assert table[place, 2 * pair + 1].item() == pytest.approx(math.cos(angle), abs=1e-5)
