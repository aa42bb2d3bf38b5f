"""Episodes, ratios and prices of PPO, by hand on tiny policies."""

import pytest
import torch

from conjure.core.batch import Batch
from conjure.core.errors import ConfigError, TrainingError
from conjure.core.rng import Noise
from conjure.core.space import Tokens
from conjure.models.decoder import Decoder
from conjure.models.decoding import Choice
from conjure.models.llm import LLM
from conjure.models.recurrent import Recurrent
from conjure.models.seq2seq import Seq2Seq
from conjure.objectives.ppo import PPO
from conjure.objectives.returns import divergence
from conjure.objectives.rollout import repeated, roll_out

STREAM, FIXED = Tokens(7, (16,), stream=True), Tokens(7, (6,), end=0)


def policy(space, kind=Decoder):
    torch.manual_seed(0)
    sizes = {"layers": 1, "width": 16} | ({} if kind is Recurrent or kind is Seq2Seq else {"heads": 2})
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


def translator():
    torch.manual_seed(0)
    config = Seq2Seq.Config(layers=(1, 1), width=16, heads=2, dropout=0.3)
    model = Seq2Seq(FIXED, Tokens(7, (5,), end=0), config)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.3 * torch.randn_like(p))
    return model.eval()


def sources(n=24):
    rng = torch.Generator().manual_seed(2)
    given = torch.randint(1, 7, (n, 5), generator=rng)
    given[torch.arange(n), torch.arange(n) % 5] = 0
    return Batch(torch.zeros(n, 1, dtype=torch.long), given=given, noise=Noise(0, "test"))


def test_an_encoder_decoder_learns_by_the_same_file():
    goal = PPO(translator(), PPO.Config(tokens=6, kl=0.0, epochs=2))
    goal.reward = lambda r: ((r.x == 3) & r.real).sum(1).float()
    play = goal._play(sources())
    log_probs, _ = goal.model.trace(play.x, play.given, play.real)
    assert torch.allclose(log_probs, play.old, atol=1e-5)
    assert play.kl.abs().max() < 1e-5
    dense = torch.zeros(play.real.shape).masked_scatter(play.real, log_probs.detach())
    shut = torch.where(play.real, play.x, 0)  # nothing but ends where nothing is real
    known = (play.real.sum(1) == play.real.shape[1]) | (shut == 0).any(1)
    whole = torch.nn.functional.pad(shut, (0, 6 - shut.shape[1]))
    expected = goal.model.log_prob(whole, play.given)
    ended = ((play.x == 0) & play.real).any(1)
    assert torch.allclose(dense.sum(1)[ended & known], expected[ended & known], atol=1e-4)
    optimizer = torch.optim.AdamW(goal.parameters(), lr=1e-2)
    before = play.rewards.mean()
    for step in range(25):
        batch = sources()
        for move in goal.moves(Batch(batch.x, given=batch.given, noise=Noise(step, "step"))):
            optimizer.zero_grad()
            move.loss.backward()
            optimizer.step()
    assert goal._play(sources()).rewards.mean() > before + 1


def test_logged_statistics_are_of_real_tokens_alone_and_entropy_is_above_zero():
    """Complaint: padding leaks into statistics, entropy has the wrong sign."""
    goal = ppo(FIXED, kl=0.0)
    batch = Batch(torch.zeros(40, 6, dtype=torch.long), noise=Noise(3, "x"))
    play = goal._play(batch)
    assert (~play.real).any()
    assert play.metrics["entropy"] > 0
    assert play.metrics["entropy"].item() == pytest.approx(-play.old.mean().item(), abs=1e-5)
    assert play.metrics["length"].item() == pytest.approx(len(play.old) / 40)
    assert play.gained.mean().abs() < 1e-5
    assert play.gained.var(unbiased=False).item() == pytest.approx(1, abs=1e-3)
    free = ppo(FIXED, kl=0.0, whiten=False)._play(Batch(batch.x, noise=Noise(3, "x")))
    assert free.gained.var(unbiased=False).item() > 1.5


def test_the_distance_is_never_negative_and_right_on_average():
    """Complaint: negative KL. Under the policy's own draws the estimate has the exact KL as its mean."""
    torch.manual_seed(0)
    p, q = torch.randn(2, 9).log_softmax(1)
    exact = (p.exp() * (p - q)).sum()
    each = divergence(p, q)
    assert (each >= 0).all()
    assert (p.exp() * each).sum().item() == pytest.approx(exact.item(), abs=1e-5)
    assert (p - q).min() < 0


def test_texts_are_remembered_where_that_is_asked_for():
    goal = ppo(mix=1.0)
    with pytest.raises(ConfigError, match="needs texts to remember"):
        next(goal.moves(prompts()))
    text = torch.randint(7, (4, 9), generator=torch.Generator().manual_seed(5))
    goal.past = lambda noise: Batch(text)
    plain = ppo()
    with torch.no_grad():
        ours, theirs = (next(g.moves(prompts())).loss for g in (goal, plain))
        assert (ours - theirs).item() == pytest.approx(goal.model.mean_nats(text).item(), abs=1e-4)


def test_a_policy_that_does_not_repeat_itself_is_refused():
    goal = ppo()
    honest, calls = goal.model.trace, []

    def drifting(*words):
        calls.append(1)
        log_probs, states = honest(*words)
        return log_probs - 0.5 * (len(calls) > 1), states

    goal.model.trace = drifting
    with pytest.raises(TrainingError, match="repeat its own log-probabilities"):
        list(goal.moves(prompts()))


def test_minibatches_share_all_episodes_among_them():
    goal = ppo(minibatches=3, epochs=1)
    rows = list(goal._minibatches(prompts(7)))
    assert sorted(torch.cat(rows).tolist()) == list(range(7))
    assert [m.player for m in goal.moves(prompts(7))] == ["model", "critic"] * 3


def test_values_do_not_go_further_than_they_may():
    goal = ppo(value_clip=0.1, epochs=1)
    play = goal._play(prompts())
    part = play.rows(torch.arange(6))
    part.returns = part.values + 1.0
    _, states = goal.model.trace(part.x, None, part.real)
    count = torch.tensor(float(len(part.values)))
    goal.critic.values = lambda *words: part.values + 0.5
    assert goal._value_loss(part, states, count).item() == pytest.approx(0.5 * 0.9**2)  # the clipped one is the worse
    goal.critic.values = lambda *words: part.values - 0.5
    assert goal._value_loss(part, states, count).item() == pytest.approx(0.5 * 1.5**2)  # here the free one


def test_an_adapted_policy_is_its_own_reference():
    from conjure.nets.lora import adapters, add_lora
    from conjure.objectives.reference import Underneath

    model = policy(STREAM)
    add_lora(model, 4, 8.0)
    goal = PPO(model, PPO.Config(tokens=5, value="head"))
    goal.reward = lambda r: (r.x * r.real).sum(1).float()
    assert isinstance(goal.reference, Underneath)
    assert goal._play(prompts()).kl.abs().max() < 1e-5
    optimizer = torch.optim.AdamW([p for p in goal.parameters() if p.requires_grad], lr=5e-2)
    for move in goal.moves(prompts()):
        optimizer.zero_grad()
        move.loss.backward()
        optimizer.step()
    play = goal._play(prompts())
    assert play.kl.max() > 1e-3
    before, _ = goal.reference.trace(play.x, None, play.real)
    for part in adapters(model).values():
        part.active = False
    assert torch.equal(before, model.trace(play.x, None, play.real)[0])


@pytest.mark.parametrize("whole", [False, True])
def test_the_value_network_of_an_adapted_policy_learns_by_adapters_or_whole(whole):
    from conjure.nets.lora import adapters, add_lora

    model = policy(STREAM)
    add_lora(model, 4, 8.0)
    trunk = PPO(model, PPO.Config(tokens=5, value_whole=whole)).critic.trunk
    assert bool(adapters(trunk)) is not whole
    assert all(p.requires_grad for p in trunk.parameters()) is whole
    assert any(p.requires_grad for p in trunk.parameters())
    assert adapters(model)


@pytest.mark.parametrize("kind", [Decoder, LLM])
@pytest.mark.parametrize("rows", [2, 6])
def test_what_is_drawn_knows_the_adapters(kind, rows):
    """C wrote with the weights below the adapters: a policy learnt from what another had drawn."""
    from conjure.nets.lora import adapters, add_lora, without_lora

    model, x = policy(STREAM, kind), torch.randint(7, (rows, 6), generator=torch.Generator().manual_seed(1))
    add_lora(model, 2, 4.0)
    for part in adapters(model).values():
        torch.nn.init.normal_(part.lora_B)

    def token_by_token():
        reading = model.begin(rows)
        return torch.stack([model.read(x[:, t : t + 1], reading) for t in range(x.shape[1])], 1)

    with torch.no_grad():
        here, below = token_by_token(), model.logits(model._hidden(x, None))
        torch.testing.assert_close(here, below, rtol=1e-4, atol=1e-4)
        with without_lora(model):
            torch.testing.assert_close(token_by_token(), model.logits(model._hidden(x, None)), rtol=1e-4, atol=1e-4)
        assert (here - token_by_token()).abs().max() == 0


def test_two_processes_draw_what_one_would():
    model, x = policy(STREAM, Recurrent), torch.randint(7, (8, 3), generator=torch.Generator().manual_seed(1))
    whole = roll_out(model, Batch(x, noise=Noise(3, "p")), 5, Choice())
    for rank in (0, 1):
        part = roll_out(model, Batch(x[rank::2], noise=Noise(3, "p", rank=rank, world=2)), 5, Choice())
        assert torch.equal(part.x, whole.x[rank::2])
    goal = ppo(minibatches=2)
    one = list(goal._minibatches(Batch(x, noise=Noise(4, "p"))))
    halves = [list(goal._minibatches(Batch(x[r::2], noise=Noise(4, "p", rank=r, world=2)))) for r in (0, 1)]
    for k, rows in enumerate(one):
        assert sorted(rows.tolist()) == sorted([2 * i + r for r in (0, 1) for i in halves[r][k].tolist()])


def test_a_group_of_completions_is_its_own_baseline():
    """Every token of a completion has gained what it got above the others of its prompt, and nothing else learns."""
    goal = ppo(value="group", group=3, trace=1.0, whiten=False, kl=0.0)
    moves = list(goal.moves(prompts(4)))
    assert {move.player for move in moves} == {"model"}
    assert not any(p.requires_grad for p in goal.critic.parameters())
    with torch.no_grad():
        play = goal._play(repeated(prompts(4), 3))
    assert torch.equal(play.x[:3, :2], play.x[:1, :2].expand(3, 2))
    gained = torch.zeros(play.real.shape).masked_scatter(play.real, play.gained)
    apart = play.rewards - (play.rewards.view(4, 3).sum(1).repeat_interleave(3) - play.rewards) / 2
    torch.testing.assert_close(gained, apart[:, None] * play.real)
    assert goal.validate(prompts(4))["reward"].isfinite()
    with pytest.raises(ConfigError, match=r"objective\.group is 2 or more"):
        PPO.Config(value="group")
