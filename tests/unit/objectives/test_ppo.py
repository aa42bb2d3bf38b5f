"""Episodes, ratios and prices of PPO, by hand on tiny policies."""

import pytest
import torch

from conjure.core.batch import Batch
from conjure.core.errors import ConfigError, TrainingError
from conjure.core.rng import Noise
from conjure.core.space import Tokens
from conjure.models.decoder import Decoder
from conjure.models.decoding import Choice
from conjure.models.recurrent import Recurrent
from conjure.objectives.ppo import PPO
from conjure.objectives.rollout import roll_out

STREAM, FIXED = Tokens(7, (16,), stream=True), Tokens(7, (6,), end=0)


def policy(space, kind=Decoder):
    torch.manual_seed(0)
    sizes = {"layers": 1, "width": 16} | ({"heads": 2} if kind is Decoder else {})
    model = kind(space, None, kind.Config(**sizes))
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.3 * torch.randn_like(p))
    return model.eval()


def prompts(n=6):
    """Prompts of two to four tokens, padded to five."""
    torch.manual_seed(1)
    lengths = torch.arange(n) % 3 + 2
    return Batch(torch.randint(1, 7, (n, 5)), torch.arange(5) < lengths[:, None], noise=Noise(0, "test"))


def ppo(space=STREAM, kind=Decoder, reward=lambda r: (r.x * r.real).sum(1).float(), **settings):
    goal = PPO(policy(space, kind), PPO.Config(**{"tokens": 5, **settings}))
    goal.reward = reward
    return goal


@pytest.mark.parametrize("kind", [Decoder, Recurrent])
def test_prompts_stay_and_are_gone_on_with_at_their_own_places(kind):
    batch, model = prompts(), policy(STREAM, kind)
    made = roll_out(model, batch, 5, Choice())
    lengths = batch.mask.sum(1)
    for row, length in enumerate(lengths.tolist()):
        assert torch.equal(made.x[row, :length], batch.x[row, :length])
        assert made.real[row].tolist() == [length <= t < length + 5 for t in range(made.x.shape[1])]
    alone = Batch(batch.x[:1, :2], noise=Noise(0, "test"))
    greedy = Choice(temperature=0)
    assert torch.equal(roll_out(model, alone, 5, greedy).x[0], roll_out(model, batch, 5, greedy).x[0, :7])


def test_nothing_is_real_after_an_end_of_their_own():
    made = roll_out(policy(FIXED), Batch(torch.zeros(64, 6, dtype=torch.long), noise=Noise(3, "x")), 6, Choice())
    assert made.ended.any()
    for x, real, ended in zip(made.x, made.real, made.ended):
        stop = x.tolist().index(0) if ended else made.x.shape[1] - 1
        assert real.tolist() == [t <= stop for t in range(made.x.shape[1])]


def test_an_end_inside_a_prompt_ends_nothing():
    batch = Batch(torch.full((8, 3), 3), noise=Noise(4, "x"))
    made = roll_out(policy(STREAM), batch, 5, Choice(), end=3)
    assert made.real[:, 3].all()
    stopped = ((made.x == 3) & made.real).any(1)
    assert torch.equal(made.ended, stopped)
    assert stopped.any()
    assert not stopped.all()


def test_a_ratio_is_one_and_the_reference_is_at_no_distance_before_the_first_step():
    for kind in (Decoder, Recurrent):
        goal = ppo(kind=kind, temperature=0.7)
        goal.train()  # which must not switch dropout on
        play = goal._play(prompts())
        log_probs, _ = goal.model.trace(play.x, None, play.real, 0.7)
        assert torch.allclose(log_probs, play.old, atol=1e-5)
        assert play.kl.abs().max() < 1e-5
        assert not any(m.training for m in goal.modules())


def test_traced_log_probabilities_are_those_of_the_whole_text():
    model, batch = policy(STREAM), prompts()
    made = roll_out(model, batch, 5, Choice())
    traced, states = model.trace(made.x, None, made.real)
    dense = torch.zeros(made.real.shape).masked_scatter(made.real, traced.detach())
    assert torch.allclose(dense.sum(1), model.log_prob(made.x, mask=made.real), atol=1e-5)
    assert states.shape == (int(made.real.sum()), 16)
    assert torch.equal(model.states(made.x, None, made.real), states)


def test_rewards_come_at_the_end_less_the_price_of_every_token():
    goal = ppo(kl=0.1, trace=1.0, reward=lambda r: torch.full((len(r.x),), 3.0))
    with torch.no_grad():
        for p in goal.model.parameters():
            p.add_(0.1 * torch.randn_like(p))
    play = goal._play(prompts())
    reference, _ = goal.reference.trace(play.x, None, play.real)
    paid = torch.zeros(play.real.shape).masked_scatter(play.real, 0.1 * (play.old - reference))
    ahead = paid.flip(1).cumsum(1).flip(1)
    assert torch.allclose(play.returns, (3.0 - ahead)[play.real], atol=1e-4)
    assert (play.kl >= 0).all()  # though what is paid may be below zero
    assert (paid.sum(1) < 0).any()


def test_no_end_costs_and_rewards_are_clipped():
    reward = lambda r: torch.full((len(r.x),), 50.0)  # noqa: E731
    goal = ppo(FIXED, reward=reward, reward_clip=5.0, no_end=2.0, kl=0.0, trace=1.0)
    batch = Batch(torch.zeros(40, 6, dtype=torch.long), noise=Noise(3, "x"))
    made = roll_out(goal.model, batch, 5, Choice())
    play = goal._play(Batch(batch.x, noise=Noise(3, "x")))
    first = play.real.cumsum(1)[play.real] == 1
    assert torch.allclose(play.returns[first], torch.where(made.ended, 5.0, 3.0), atol=1e-5)


def test_an_episode_without_a_reward_is_dropped_and_counted():
    def reward(r):
        return torch.where(torch.arange(len(r.x)) == 1, torch.nan, 1.0)

    play = ppo(reward=reward)._play(prompts())
    assert not play.real[1].any()
    assert play.real[0].any()
    assert play.metrics["dropped"].item() == pytest.approx(1 / 6)
    assert len(play.rewards) == 5
    with pytest.raises(TrainingError, match="not a number for any"):
        ppo(reward=lambda r: torch.full((len(r.x),), torch.nan))._play(prompts())
    with pytest.raises(ConfigError, match="needs a reward"):
        ppo(reward=None)._play(prompts())


def test_the_price_follows_its_target_and_values_come_first():
    goal = ppo(kl_target=1.0, value_steps=1)
    before = goal.critic.price.item()
    players = [move.player for move in goal.moves(prompts())]
    assert set(players) == {"critic"}
    assert goal.critic.price.item() == pytest.approx(before * 0.98)  # no KL yet: cheaper, by a fifth of a tenth
    assert [m.player for m in goal.moves(prompts())] == ["model", "critic"] * 4


def test_epochs_end_early_when_the_policy_runs_away():
    goal = ppo(stop_kl=1e-9)
    moves = goal.moves(prompts())
    for move in moves:
        if move.player == "model":
            with torch.no_grad():
                for p in goal.model.parameters():
                    p.add_(0.05 * torch.randn_like(p))
            break
    assert sum(m.player == "model" for m in moves) <= 1


def test_prompts_too_long_for_the_model_are_refused():
    with pytest.raises(ConfigError, match=r"prompts of up to 4 tokens and objective.tokens=20 are more than the 16"):
        roll_out(policy(STREAM), prompts(), 20, Choice())
