"""Orders by hand, and a judge that learns what raters like."""

import itertools
import math

import pytest
import torch

from conjure.core.batch import Batch
from conjure.core.space import Tokens
from conjure.models.decoder import Decoder
from conjure.models.reward import Reward
from conjure.objectives.ranking import Ranking, accuracy, in_order, pairs

NAN = math.nan


def column(values):
    return torch.tensor(values)[None, :, None]


def test_pairs_by_hand():
    rewards = column([2.0, 1.0, -1.0])
    sig = lambda d: math.log(1 + math.exp(-d))  # noqa: E731
    assert pairs(rewards, column([1.0, 2.0, 3.0]), 0.0).item() == pytest.approx((sig(1) + sig(3) + sig(2)) / 3)
    assert pairs(rewards, column([2.0, 1.0, NAN]), 0.0).item() == pytest.approx(sig(-1))
    assert pairs(rewards, column([1.0, 1.0, NAN]), 0.0).item() == pytest.approx((sig(1) + sig(-1)) / 2)
    assert pairs(rewards, column([1.0, NAN, 3.0]), 0.5).item() == pytest.approx(sig(3 - 0.5 * 2))


def test_probabilities_of_all_orders_sum_to_one():
    rewards = column([0.3, -1.2, 0.9, 2.0])
    total = 0.0
    for order in itertools.permutations(range(4)):
        nats = in_order(rewards, column([float(k) for k in order])) * 3  # a mean over the three that are drawn
        total += math.exp(-nats.item())
    assert total == pytest.approx(1, abs=1e-5)


def test_a_list_of_two_is_a_pair_and_who_was_not_ranked_is_not_there():
    rewards = column([0.7, -0.2, 5.0])
    two = in_order(rewards, column([2.0, 1.0, NAN]))
    assert two.item() == pytest.approx(pairs(rewards, column([2.0, 1.0, NAN]), 0.0).item(), abs=1e-6)
    assert in_order(rewards, column([NAN, 1.0, NAN])).item() == 0
    assert torch.isfinite(in_order(rewards, column([1.0, 1.0, 2.0])))


def test_gradients_are_finite_with_gaps():
    rewards = torch.randn(3, 4, 2, requires_grad=True)
    ranks = torch.tensor([[1.0, 2, NAN, NAN], [NAN, NAN, NAN, NAN], [1, 1, 2, 3]])[:, :, None].expand(-1, -1, 2)
    (pairs(rewards, ranks, 0.1).sum() + in_order(rewards, ranks).sum()).backward()
    assert torch.isfinite(rewards.grad).all()
    assert (rewards.grad[1] == 0).all()
    assert (rewards.grad[0, 2:] == 0).all()


def test_accuracy_counts_pairs_told_apart():
    assert accuracy(column([3.0, 2.0, 1.0]), column([1.0, 3.0, 2.0])).item() == pytest.approx(2 / 3)
    assert accuracy(column([3.0, 2.0]), column([1.0, 1.0])).item() == 0


SPACE = Tokens(9, (12,), stream=True)


def judge(criteria=1):
    torch.manual_seed(0)
    return Reward(
        SPACE, None, Reward.Config(settings={"layers": 1, "width": 16, "heads": 2}, weights=(1.0,) * criteria)
    )


def orders(n, seed=0):
    """Four texts of four to eight tokens: more sevens are better by the first criterion, worse by the second."""
    rng = torch.Generator().manual_seed(seed)
    x = torch.randint(9, (n, 4, 8), generator=rng)
    mask = torch.arange(8) < torch.randint(4, 9, (n, 4, 1), generator=rng)
    count = ((x == 7) & mask).sum(2).float()
    ranks = (count[:, None] > count[:, :, None]).sum(2).float() + 1  # one more than are better
    both = torch.stack([ranks, 5 - ranks], 2).flatten(1)
    return Batch(x, mask, torch.cat([both, torch.ones(n, 1)], 1))


@pytest.mark.parametrize("form", ["pairs", "list"])
def test_it_learns_what_raters_like_by_each_criterion(form):
    goal = Ranking(judge(2), Ranking.Config(form=form))
    optimizer = torch.optim.AdamW(goal.parameters(), lr=1e-2)
    for step in range(60):
        optimizer.zero_grad()
        goal.loss(orders(64, step))[0].backward()
        optimizer.step()
    with torch.no_grad():
        assert goal.validate(orders(256, 999))["accuracy"] > 0.9


def test_what_is_padding_changes_no_reward_and_a_missing_text_has_none():
    model, batch = judge(), orders(5)
    other = torch.where(batch.mask, batch.x, 3)
    with torch.no_grad():
        assert torch.allclose(model.rewards(batch.x, batch.mask), model.rewards(other, batch.mask), atol=1e-6)
        alone = model.rewards(batch.x[:1, :1, : int(batch.mask[0, 0].sum())])
        assert torch.allclose(alone, model.rewards(batch.x, batch.mask)[:1, :1], atol=1e-5)
        assert model.rewards(batch.x[:1], torch.zeros_like(batch.mask[:1])).abs().max() == 0


def test_a_rater_who_is_not_trusted_does_not_count():
    goal, batch = Ranking(judge(2), Ranking.Config()), orders(2)
    batch.given[1, -1] = 0
    assert goal.loss(batch)[0].item() == pytest.approx(goal.loss(batch.rows(slice(1)))[0].item(), abs=1e-5)


def test_settled_rewards_have_mean_zero_and_scale_one_and_survive_saving():
    model, x = judge(2), orders(64).x[:, 0]
    model.settle(x)
    with torch.no_grad():
        found = model.rewards(x[:, None])[:, 0]
        assert found.mean(0).abs().max() < 1e-5
        assert (found.std(0, unbiased=False) - 1).abs().max() < 1e-4
        again = judge(2)
        again.load_state_dict(model.state_dict())
        assert torch.equal(again.log_prob(x), model.log_prob(x))
        assert torch.allclose(model.log_prob(x), found.mean(1), atol=1e-6)


def test_a_writers_trunk_is_adopted():
    writer = Decoder(SPACE, None, Decoder.Config(layers=1, width=16, heads=2))
    model = judge()
    model.adopt(writer)
    assert all(torch.equal(v, model.judges[0].trunk.state_dict()[k]) for k, v in writer.state_dict().items())
    assert "stream" in Reward.refuses(Tokens(9, (12,)), None, Reward.Config())
