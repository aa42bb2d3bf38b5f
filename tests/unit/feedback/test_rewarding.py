"""A reward model from rankings: it learns what raters like, knows how sure it is, and is an artifact that scores."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import conjure
from conjure import artifact, prompting, scoring
from conjure.core.errors import ConfigError, DataError
from conjure.domains.answers.answer import Answer
from conjure.domains.answers.corpus import read, split
from conjure.feedback.audit import Audit, bayes, calibration
from conjure.feedback.opinions import Ranked
from conjure.feedback.rewarding import Learning, fit_reward, reward_of
from conjure.feedback.tables import encoded, table, told_apart
from conjure.models.reward import Reward

NAN = math.nan
QUICK = ("training.epochs=30", "training.rate=0.003", "training.patience=0")


@pytest.fixture(scope="module")
def writer(tmp_path_factory):
    home = tmp_path_factory.mktemp("writer")
    (home / "text.txt").write_text("the cat sat on the mat and a dog ran to a cat. " * 300)
    settings = ["model.width=32", "training.steps=40", "training.threads=1", "codec.context=48"]
    conjure.fit("text", home / "text.txt", home / "old", model="recurrent", settings=settings)
    return artifact.load(home / "old")


def rankings(prompts: int = 60, raters: int = 3, seed: int = 0) -> list[Ranked]:
    """Texts of random letters, of which raters like those with many an `a`; each errs a little, and gives points."""
    rng = np.random.default_rng(seed)
    out = []
    for k in range(prompts):
        texts = list({"".join(rng.choice(list("atos n"), 10)) for _ in range(4)})
        worth = np.array([t.count("a") for t in texts], float)
        for r in range(raters):
            noisy = worth + 0.5 * rng.gumbel(size=len(texts))
            ranks = tuple((noisy[:, None] < noisy).sum(1) + 1.0)
            points = tuple(np.clip(worth, 1, 7))
            out.append(
                Ranked(
                    f"the {'cat ' * (k % 3)}{'a' if k % 2 else 'dog'} ", tuple(texts), ranks, {"clear": points}, f"r{r}"
                )
            )
            out[-1] = Ranked(
                out[-1].prompt + "s" * (k // 6),
                *[getattr(out[-1], f) for f in ("completions", "ranks", "scores", "rater")],
            )
    return out


def test_it_learns_what_raters_like_and_scores_as_an_artifact(writer, tmp_path):
    judge, seen = fit_reward(writer, rankings(96), {}, Learning(members=2, settings=QUICK), tmp_path / "judge")
    assert seen.accuracy.value > 0.72
    assert seen.accuracy.value > seen.length.high
    assert seen.ceiling.value > 0.8
    assert set(seen.raters) == {"r0", "r1", "r2"}
    assert seen.ece < 0.15
    again = artifact.load(tmp_path / "judge")
    good, bad = Answer("the cat ", "aaaaaaaa"), Answer("the cat ", "tototo")
    nats = scoring.score(again, [good, bad])
    assert nats[0] > nats[1] + 0.5
    assert again.score_kind == "energy"
    assert again.model.config.criteria == ("rank", "clear")
    assert reward_of(judge)(["the cat "], ["aaaaaaaa"]) == pytest.approx([nats[0]], abs=1e-4)
    assert reward_of(judge, pessimism=2.0)(["the cat "], ["aaaaaaaa"])[0] < nats[0]
    assert 0.5 < float(again.model.preferred(torch.tensor(1.0))) < 1
    with pytest.raises(ConfigError, match="writes none"):
        again.model.sample(3)
    with pytest.raises(ConfigError, match="already holds an artifact"):
        fit_reward(writer, rankings(), {}, Learning(), tmp_path / "judge")
    assert Audit.from_plain(again.card["audit"]).accuracy == pytest.approx(seen.accuracy)


def test_rewards_of_references_have_mean_zero(writer):
    judge, _ = fit_reward(writer, rankings(20), {}, Learning(settings=("training.epochs=1",)))
    found = rankings(20)
    flat = [Answer(one.prompt, c) for one in found for c in one.completions]
    nats = scoring.score(judge, list(dict.fromkeys(flat)))
    assert abs(nats.mean()) < 0.5
    assert 0.5 < nats.std() < 2


def test_a_rater_who_is_not_trusted_teaches_nothing(writer):
    found = [Ranked(o.prompt, o.completions, o.ranks, {}, o.rater) for o in rankings(90, 2)]
    upside = [Ranked(o.prompt, o.completions, tuple(-r for r in o.ranks), {}, "foe") for o in found]
    _, seen = fit_reward(writer, found + upside, {"foe": 0.0}, Learning(settings=QUICK))
    assert seen.accuracy.value > 0.65
    assert "foe" not in seen.raters


def test_a_table_holds_every_judgement_in_its_place(writer):
    found = [
        Ranked("p", ("a", "b"), (1.0, 2.0), {}, "ann"),
        Ranked("p", ("b", "c"), (1.0, NAN), {"clear": (3.0, 5.0)}, "bob"),
        Ranked("q", ("a", "b", "c"), (2.0, 1.0, 1.0), {}, "ann"),
    ]
    made = table(found, {"bob": 0.5})
    assert made.criteria == ("rank", "clear")
    assert made.completions == [["a", "b", "c"], ["a", "b", "c"]]
    assert made.ranks[0, 1, :, 0].tolist() == pytest.approx([NAN, 1, NAN], nan_ok=True)
    assert made.ranks[0, 1, :, 1].tolist() == pytest.approx([NAN, -3, -5], nan_ok=True)
    where, trust = told_apart(made)
    assert where.tolist() == [[0, 0, 0, 1], [1, 0, 1, 0], [1, 0, 2, 0]]
    assert trust.tolist() == [1, 1, 1]
    assert made.trust.tolist() == [[1, 0.5], [1, 0]]


def test_rankings_that_tell_nothing_and_writers_that_cannot_judge(writer):
    equal = [Ranked(f"p{k}", ("a", "t"), (1.0, 1.0), {}, "ann") for k in range(9)]
    with pytest.raises(DataError, match="tells two completions apart"):
        fit_reward(writer, equal, {}, Learning())
    with pytest.raises(DataError, match="too few to learn from"):
        fit_reward(writer, rankings(3), {}, Learning())
    with pytest.raises(ConfigError, match=r"nobody judged by 'clar': did you mean 'clear'"):
        fit_reward(writer, rankings(8), {}, Learning(weights={"clar": 1.0}))


def test_calibration_and_ceiling_by_hand():
    rng = np.random.default_rng(0)
    p = rng.uniform(0.5, 1, 20_000)
    told = np.where(rng.random(len(p)) < p, p, 1 - p)  # the probability given to what happened
    ece, brier = calibration(told)
    assert ece < 0.01
    assert brier == pytest.approx((p * (1 - p)).mean(), abs=0.01)
    assert calibration(np.full(100, 0.9))[0] == pytest.approx(0.1)
    assert bayes(1.0) == 1
    assert bayes(0.5) == 0.5
    assert bayes(0.8**2 + 0.2**2) == pytest.approx(0.8)


def test_answers_are_read_and_split_by_prompt(tmp_path):
    (tmp_path / "a.jsonl").write_text(
        '{"prompt": "p", "completions": ["x", "y"]}\n{"prompt": "q", "completion": "z"}\n'
    )
    answers, source = read(tmp_path / "a.jsonl")
    assert answers == [Answer("p", "x"), Answer("p", "y"), Answer("q", "z")]
    assert source.rows == 3
    kept, held = split(answers, 0.5, 0)
    assert {a.prompt for a in kept} & {a.prompt for a in held} == set()
    (tmp_path / "b.jsonl").write_text('{"prompt": "p"}\n')
    with pytest.raises(DataError, match="line 1 should be an object"):
        read(tmp_path / "b.jsonl")


def test_prompts_too_long_and_files_that_hold_none(writer, tmp_path):
    with pytest.raises(DataError, match="prompt 2 has 44 tokens; with 8 to draw the model has room for 41"):
        prompting.write(writer, ["the ", "the cat sat" * 4], 2, prompting.Drawing(8))
    (tmp_path / "p.jsonl").write_text('{"prompt": "a"}\n{"text": "b"}\n')
    with pytest.raises(DataError, match='line 2 has no "prompt"'):
        prompting.read_prompts(tmp_path / "p.jsonl")
    found = encoded(table(rankings(4, 1), {}), fit_codec(writer))
    assert found.given.shape[:2] == (4, 1)


def fit_codec(writer):
    from conjure.domains.answers.codec import AnswersCodec

    return AnswersCodec(AnswersCodec.Config("text"), writer.codec)


def test_a_judge_of_adapters_is_merged_and_the_writer_stays_as_it_was(writer):
    before = {k: v.clone() for k, v in writer.model.state_dict().items()}
    how = Learning(settings=("training.epochs=2", "training.lora.rank=2"))
    decoder = conjure.fit(
        "text",
        "the cat sat on the mat and a dog\n" * 200,
        settings=["model.width=32", "model.layers=1", "training.steps=5"],
    ).artifact
    judge, _ = fit_reward(decoder, rankings(12, 1), {}, how)
    assert set(judge.model.judges[0].trunk.state_dict()) == set(decoder.model.state_dict())
    assert all(torch.equal(v, before[k]) for k, v in writer.model.state_dict().items())


@pytest.mark.parametrize("reads", ["end", "both"])
def test_a_reward_is_of_the_real_tokens_alone(writer, reads):
    space = writer.model.space
    settings = {"family": "recurrent", "settings": writer.recipe.model_settings, "reads": reads}
    torch.manual_seed(0)
    model = Reward(space, None, Reward.Config(**settings)).eval()
    x = torch.randint(space.vocab, (3, 2, 9))
    mask = torch.arange(9).expand(3, 2, 9) < torch.tensor([[9, 4], [5, 5], [2, 7]])[..., None]
    found = model.rewards(x, mask)
    other = torch.where(mask, x, (x + 1) % space.vocab)
    torch.testing.assert_close(model.rewards(other, mask), found)
    judge, row = model.judges[0], x[0, 1, :4]
    states = judge.trunk._hidden(row[None], None)[0]
    read = states[-1] if reads == "end" else torch.cat([states[-1], states.mean(0)])
    torch.testing.assert_close(found[0, 1], judge.head(read))


def test_what_a_head_reads_is_a_setting(writer):
    how = Learning(settings=("training.epochs=1", "model.reads=end"))
    judge, _ = fit_reward(writer, rankings(12), {}, how)
    assert judge.model.config.reads == "end"
    assert (
        fit_reward(writer, rankings(12), {}, Learning(settings=("training.epochs=1",)))[0].model.config.reads == "both"
    )
