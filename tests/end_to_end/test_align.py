"""A writer improved by rewards, from the command line to its samples."""

from __future__ import annotations

import pytest

import conjure as package
from tests.end_to_end.terminal import Terminal

TINY = (
    "model.width=32",
    "model.layers=1",
    "model.heads=2",
    "training.threads=1",
    "training.steps=60",
    "codec.context=32",
)
REWARD = """
def more_a(prompts, completions):
    assert all(p in ("the ", "a cat ") for p in prompts)
    return [c.count("a") / max(1, len(c)) for c in completions]
"""
QUICK = ("--set", "training.steps=16", "--set", "training.batch=32", "--set", "training.rate=0.005")
QUICK += (
    "--set",
    "objective.tokens=12",
    "--set",
    "objective.kl=0",
    "--set",
    "training.threads=1",
    "--set",
    "training.validate_every=10",
)


@pytest.fixture
def conjure(monkeypatch, capsys) -> Terminal:
    return Terminal(monkeypatch, capsys)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    home = tmp_path_factory.mktemp("align")
    (home / "text.txt").write_text("the cat sat on the mat and a dog ran to a cat. " * 300)
    (home / "prompts.txt").write_text("the \na cat \n" * 10)
    (home / "reward.py").write_text(REWARD)
    package.fit("text", home / "text.txt", home / "old", settings=list(TINY))
    return home


def share(folder):
    texts = package.load(folder).sample(40, given={"prompt": "the ", "length": 12}, seed=1)
    return sum(t.count("a") for t in texts) / sum(map(len, texts))


@pytest.mark.parametrize("method", ["ppo", "grpo"])
def test_it_comes_to_write_what_is_rewarded(conjure, place, method):
    reward = ("--reward", f"{place / 'reward.py'}:more_a", "--method", method)
    if method == "grpo":
        reward += ("--set", "objective.group=4")
    said = conjure.works("text", "align", place / "old", place / "prompts.txt", "-o", place / method, *reward, *QUICK)
    assert "held-out reward, less" in said.out
    assert share(place / method) > 1.5 * share(place / "old")
    card = package.load(place / method).card
    assert card["notes"] == [f"Improved by {method}, from a decoder trained for likelihood."]


@pytest.mark.parametrize(
    ("words", "naming"),
    [
        (("--reward", "reward.py:nothing"), ("no function 'nothing'", "more_a")),
        (("--reward", "nowhere.py:f"), ("cannot be loaded",)),
        (("--reward", "more_a"), ("module:function",)),
        (("--reward", "reward.py:more_a", "--method", "poo"), ("no method is called 'poo'", "ppo")),
        (("--reward", "reward.py:more_a", "--set", "objective.klip=1"), ("klip", "clip")),
        (("--reward", "reward.py:more_a", "--set", "objective.tokens=99"), ("more than the 32 that the model sees",)),
    ],
)
def test_what_cannot_be_is_said(conjure, place, monkeypatch, words, naming):
    monkeypatch.chdir(place)
    conjure.refused("text", "align", "old", "prompts.txt", "-o", "no", *words, *QUICK[:2], naming=naming, remarks=True)
    assert not (place / "no").exists()


def test_prompts_that_cannot_be_used(conjure, place, tmp_path):
    (tmp_path / "odd.txt").write_text("the \nÄRGER\n")
    (tmp_path / "none.txt").write_text("\n")
    reward = ("--reward", f"{place / 'reward.py'}:more_a")
    conjure.refused(
        *("text", "align", place / "old", tmp_path / "odd.txt", "-o", tmp_path / "no", *reward),
        naming=("prompt 2", "never"),
    )
    conjure.refused(
        *("text", "align", place / "old", tmp_path / "none.txt", "-o", tmp_path / "no", *reward), naming=("no prompt",)
    )


def test_a_fit_for_rewards_says_what_it_needs(conjure, place, tmp_path):
    words = ("fit", "text", place / "text.txt", "-o", tmp_path / "x", "--set", "objective.name=ppo")
    conjure.refused(*words, *(w for t in TINY for w in ("--set", t)), naming=("needs a reward",), remarks=True)
