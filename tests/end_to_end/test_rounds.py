"""The whole loop from the command line with people who do not exist: each round is better, kept, and goes on."""

from __future__ import annotations

import json

import numpy as np
import pytest

import conjure as package
from conjure import aligning, artifact
from conjure.aligning import How
from conjure.core.errors import ConfigError
from conjure.feedback import overview
from conjure.feedback.simulation import panel_of, rate
from conjure.feedback.store import Store
from tests.end_to_end.terminal import Terminal

TINY = ("model.width=32", "training.steps=60", "training.threads=1", "codec.context=48")
POLICY = ("training.steps=12", "training.batch=48", "training.rate=0.01", "objective.kl=0.02", "training.threads=1")
REWARD = ("training.epochs=20", "training.rate=0.003")
PROMPTS = [
    f"{a} {b} " for a in ("the", "a", "to", "and") for b in ("cat", "dog", "mat", "ran", "sat", "on", "the", "a")
]


def worth(prompts, texts):
    """What the people like: many an `a`."""
    return [8.0 * t.count("a") / max(1, len(t)) for t in texts]


@pytest.fixture
def conjure(monkeypatch, capsys) -> Terminal:
    return Terminal(monkeypatch, capsys)


@pytest.fixture(scope="module")
def writer(tmp_path_factory):
    home = tmp_path_factory.mktemp("rounds")
    (home / "text.txt").write_text("the cat sat on the mat and a dog ran to a cat. " * 300)
    package.fit("text", home / "text.txt", home / "writer", model="recurrent", settings=list(TINY))
    (home / "prompts.jsonl").write_text("".join(json.dumps({"prompt": p}) + "\n" for p in PROMPTS))
    (home / "gold.py").write_text(
        "def worth(prompts, texts):\n    return [8.0 * t.count('a') / max(1, len(t)) for t in texts]\n"
    )
    return home


def test_two_rounds_end_to_end(conjure, writer, tmp_path):
    votes, out = tmp_path / "votes.db", tmp_path / "rounds"
    draw = ("--tokens", "12", "--store", votes)
    said = conjure.works("assistant", "compare", writer / "writer", writer / "prompts.jsonl", "-k", "4", *draw)
    assert "32 prompts, 128 completions, 3 of them with an attention check" in said.out
    refused = ("round 1 is not judged yet", "conjure assistant rank")
    conjure.refused("assistant", "align", writer / "writer", "--store", votes, "-o", out, naming=refused)
    words = [w for s in POLICY for w in ("--set", s)] + [w for s in REWARD for w in ("--set-reward", s)]
    words += ["--tokens", "12", "--gold", f"{writer / 'gold.py'}:worth"]
    gains = []
    for number in (1, 2):
        rate(Store(votes), panel_of(5, 1, position=0.0), worth)
        said = conjure.works("assistant", "align", writer / "writer", "--store", votes, "-o", out, *words)
        assert f"round {number} (round {number}, ppo)" in said.out
        report = json.loads((out / f"round-{number}" / "report.json").read_text())
        gains.append(report["gained"]["gold"]["value"])
        assert report["held_out"] == ["rater 4"]
        assert len(report["samples"]) == 32
        assert report["curve"]
    assert gains[0] > 0.2
    assert report["won"]["all"]["value"] > 0.5  # of the first round's policy, by the second round's judgements
    assert report["won"]["held_out"] is not None
    page = (out / "round-2" / "report.html").read_text()
    assert "<h2>Samples</h2>" in page
    assert overview.choose(Store(votes)).name == "round 3"
    assert artifact.load(out / "round-2" / "policy").recipe.objective == "ppo"
    state = json.loads((out / "rounds.json").read_text())
    assert [entry["round"] for entry in state] == ["round 1", "round 2"]
    said = conjure.works("assistant", "agreement", "--store", votes, "--round", "round 2", "-o", tmp_path / "a.json")
    assert "careless?" in said.out
    assert json.loads((tmp_path / "a.json").read_text())["agreement"]["rank"]["alpha"]["value"] > 0
    conjure.works("assistant", "export", tmp_path / "pairs.jsonl", "--store", votes, "--round", "round 1")
    said = conjure.works("assistant", "import", tmp_path / "pairs.jsonl", "--store", tmp_path / "other.db")
    assert "judgements taken into imported" in said.out


@pytest.mark.parametrize("method", ["dpo", "best-of-n"])
def test_other_methods_close_the_loop_too(conjure, writer, tmp_path, method):
    votes, out = tmp_path / "votes.db", tmp_path / "rounds"
    conjure.works(
        *("assistant", "compare", writer / "writer", writer / "prompts.jsonl", "--store", votes, "--tokens", "12")
    )
    rate(Store(votes), panel_of(3, 0, position=0.0), worth)
    words = ["--set", "training.steps=25", "--set", "training.batch=64", "--set", "training.rate=0.01"]
    words += [w for s in REWARD for w in ("--set-reward", s)]
    words += [
        "--method",
        method,
        "--tokens",
        "12",
        "--gold",
        f"{writer / 'gold.py'}:worth",
        "--set",
        "training.threads=1",
    ]
    conjure.works("assistant", "align", writer / "writer", "--store", votes, "-o", out, *words)
    report = json.loads((out / "round-1" / "report.json").read_text())
    assert report["gained"]["gold"]["low"] > 0
    assert overview.choose(Store(votes)).name == "round 2"


def test_a_run_that_was_stopped_goes_on_bit_for_bit(writer, tmp_path):
    """Complaint: PPO that cannot resume."""
    old = artifact.load(writer / "writer")
    settings = [*POLICY, "objective.tokens=10", "training.validate_every=4"]
    whole = aligning.align(old, PROMPTS, worth, tmp_path / "whole", how=How(settings))

    class Stop(Exception):
        pass

    def stop(progress):
        if progress.step >= 5:
            raise Stop

    early = [*settings, "training.checkpoint_seconds=0"]
    with pytest.raises(Stop):
        aligning.align(old, PROMPTS, worth, tmp_path / "part", how=How(early, watch=_slowly(stop)))
    with pytest.raises(Exception, match="add --resume"):
        aligning.align(old, PROMPTS, worth, tmp_path / "part", how=How(early))
    again = aligning.align(old, PROMPTS, worth, tmp_path / "part", how=How(early, resume=True))
    for name, value in whole.model.state_dict().items():
        assert np.array_equal(value, again.model.state_dict()[name]), name


def _slowly(stop):
    """A watcher that is called at every step: the trainer shows a step each fifth of a second."""
    import time

    def watch(progress):
        time.sleep(0.25)
        stop(progress)

    return watch


def test_a_reward_that_raises_drops_its_episode_and_two_rewards_add_up(writer):
    old = artifact.load(writer / "writer")

    def moody(prompts, texts):
        if any("s" in t for t in texts):
            raise ValueError("no s, please")
        return [1.0] * len(texts)

    made = aligning.align(
        old, PROMPTS, moody, how=How(["training.steps=2", "objective.tokens=4", "training.threads=1"])
    )
    assert made.card["metrics"]["steps"] == 2
    both = aligning.together([(1.0, worth), (-2.0, lambda p, t: [1.0] * len(t))])
    assert both(["x"], ["aa"]) == [8.0 - 2.0]
    with pytest.raises(ConfigError, match="no method is called 'ppp'"):
        aligning.align(old, PROMPTS, worth, method="ppp")


def test_an_encoder_decoder_and_a_writer_of_rows_are_improved_by_the_same_function(tmp_path):
    settings = ["training.steps=30", "training.threads=1", "model.width=32", "model.heads=2", "model.layers=[1, 1]"]
    pairs = [(f"say {w}", f"{w} {w}") for w in ("ab", "ba", "aa", "bb", "abba", "baab")] * 8
    translator = package.fit("translation", pairs, settings=[*settings, "codec.units=characters"]).artifact
    how = How(
        ["training.steps=10", "training.rate=0.01", "training.threads=1", "objective.tokens=8", "training.batch=24"]
    )
    asked = []

    def more_a(prompts, texts):
        asked.extend(prompts)
        return [t.count("a") / 4 for t in texts]

    made = aligning.align(translator, [p for p, _ in pairs], more_a, how=how)
    assert set(asked) == {p for p, _ in pairs}
    assert made.card["metrics"]["steps"] == 10
    names = package.fit(
        *("text", ["anna", "bob", "otto", "hanna", "lisa", "tom"] * 30),
        model="decoder",
        settings=[
            "codec.layout=documents",
            "training.steps=30",
            "training.threads=1",
            "model.width=32",
            "model.layers=1",
        ],
    ).artifact
    seen = []

    def longer(prompts, objects):
        seen.extend(prompts)
        return [len(o) / 5 for o in objects]

    aligning.align(names, [None] * 40, longer, how=How([*how.settings[:3], "training.batch=24"]))
    assert set(seen) == {None}
