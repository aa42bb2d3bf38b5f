"""Advantages by hand, and nothing that is not real counts."""

import pytest
import torch

from conjure.objectives.returns import advantages, masked_mean, others, surrogate, whiten


def test_advantages_by_hand():
    rewards, values = torch.tensor([[1.0, 0.0, 2.0]]), torch.tensor([[0.5, 1.0, 1.5]])
    real = torch.ones(1, 3, dtype=torch.bool)
    gained, returns = advantages(rewards, values, real, discount=0.9, trace=0.5)
    last = 2.0 - 1.5
    middle = 0.0 + 0.9 * 1.5 - 1.0 + 0.45 * last
    first = 1.0 + 0.9 * 1.0 - 0.5 + 0.45 * middle
    assert gained.tolist()[0] == pytest.approx([first, middle, last])
    assert torch.allclose(returns, gained + values)


def test_with_full_trace_returns_are_the_sums_of_rewards_to_come():
    rewards, values = torch.randn(4, 6), torch.randn(4, 6)
    real = torch.ones(4, 6, dtype=torch.bool)
    _, returns = advantages(rewards, values, real, discount=1.0, trace=1.0)
    assert torch.allclose(returns, rewards.flip(1).cumsum(1).flip(1), atol=1e-5)


def test_prompts_and_padding_change_nothing():
    rewards, values = torch.randn(1, 3), torch.randn(1, 3)
    alone, _ = advantages(rewards, values, torch.ones(1, 3, dtype=torch.bool))
    wide = torch.full((1, 7), 99.0)
    real = torch.tensor([[0, 0, 1, 1, 1, 0, 0]]).bool()
    among, returns = advantages(wide.masked_scatter(real, rewards), wide.masked_scatter(real, values), real)
    assert torch.equal(among[real], alone[0])
    assert (among[~real] == 0).all()
    assert (returns[~real] == 0).all()
    assert masked_mean(wide, torch.zeros_like(real)) == 0


def test_whitened_over_real_tokens_alone():
    x, real = torch.randn(5, 8) * 3 + 2, torch.rand(5, 8) < 0.6
    out = whiten(x, real)
    assert out[real].mean().abs() < 1e-5
    assert out[real].var(unbiased=False).item() == pytest.approx(1, abs=1e-4)
    assert (out[~real] == 0).all()


def test_the_surrogate_is_clipped_by_hand():
    old, gain = torch.zeros(1), torch.ones(1)
    assert surrogate(old + 0.5, old, gain, 0.2).item() == pytest.approx(-1.2)  # a gain no further than 1 + clip
    assert surrogate(old - 0.5, old, -gain, 0.2).item() == pytest.approx(0.8)
    assert surrogate(old + 0.5, old, -gain, 0.2).item() == pytest.approx(torch.tensor(0.5).exp().item())  # in full


def test_others_of_a_group_by_hand():
    nan = float("nan")
    rewards = torch.tensor([1.0, 2.0, 6.0, 5.0, nan, 7.0, nan, nan, 3.0])
    assert others(rewards, 3).tolist() == [4.0, 3.5, 1.5, 7.0, 6.0, 5.0, 3.0, 3.0, 0.0]
