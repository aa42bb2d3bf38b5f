"""An assistant with a chat template is taught by people: compared, judged, improved, by adapters beside its weights."""

from __future__ import annotations

import json
import random

import pytest
import torch

import conjure as package
from conjure import aligning, artifact
from conjure.aligning import How
from conjure.domains.chat import corpus
from conjure.feedback.simulation import panel_of, rate
from conjure.feedback.store import Store
from conjure.objectives.ppo import PPO
from tests.end_to_end.terminal import Terminal

COLOURS = ("red", "blue", "green", "white")
THINGS = ("sky", "grass", "snow", "coal", "rose", "stone")
PROMPTS = [f"{g} what is the {t} like" for t in THINGS for g in ("hi", "so", "well", "now", "say", "and")]
TINY = ["model.layers=1", "model.width=32", "model.heads=2", "codec.vocab=320", "codec.context=64", "codec.length=8"]
TINY += ["training.threads=1", "training.precision=fp32", "training.batch=8", "training.steps=120"]
LORA = ["training.lora.rank=4", "training.rate=0.01", "training.threads=1"]
GOLD = "def worth(prompts, texts):\n    return [4.0 * ('red' in t) + 2.0 * ('blue' in t) for t in texts]\n"


def worth(prompts, texts):
    """What the people like."""
    return [4.0 * ("red" in t) + 2.0 * ("blue" in t) for t in texts]


@pytest.fixture
def conjure(monkeypatch, capsys) -> Terminal:
    return Terminal(monkeypatch, capsys)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    place, rng = tmp_path_factory.mktemp("taught"), random.Random(0)
    talks = [
        [
            {"role": "user", "content": p},
            {"role": "assistant", "content": f"the {p.split()[4]} is {rng.choice(COLOURS)}"},
        ]
        for p in PROMPTS * 2
    ]
    corpus.write(talks, place / "chats.jsonl")
    package.fit("assistant", place / "chats.jsonl", place / "old", settings=TINY)
    (place / "prompts.txt").write_text("\n".join(PROMPTS))
    (place / "gold.py").write_text(GOLD)
    return place


def test_the_loop_closes_for_an_assistant_with_adapters(conjure, home, tmp_path):
    votes, out = tmp_path / "votes.db", tmp_path / "rounds"
    said = conjure.works(
        *("assistant", "compare", home / "old", home / "prompts.txt", "--store", votes, "--tokens", "12", "-k", "3")
    )
    assert "36 prompts" in said.out
    rate(Store(votes), panel_of(4, 0, position=0.0), worth)
    words = [w for s in [*LORA, "training.steps=12"] for w in ("--set", s)]
    words += [w for s in [*LORA, "training.epochs=30"] for w in ("--set-reward", s)]
    words += ["--tokens", "12", "--gold", f"{home / 'gold.py'}:worth"]
    conjure.works("assistant", "align", home / "old", "--store", votes, "-o", out, *words)
    report = json.loads((out / "round-1" / "report.json").read_text())
    assert report["gained"]["gold"]["low"] > 0
    assert artifact.load(out / "round-1" / "policy").recipe.domain == "chat"
    judge = out / "round-1" / "reward"
    conjure.works("assistant", "export", tmp_path / "pairs.jsonl", "--store", votes, "--round", "round 1")
    said = conjure.works("evaluate", judge, tmp_path / "pairs.jsonl", "-o", tmp_path / "judge.html")
    assert "preference accuracy" in said.out
    found = json.loads((tmp_path / "judge.json").read_text())["figures"]
    assert {one["name"] for one in found} == {"preference accuracy", "calibration error", "Brier score"}
    refused = ("prompts.txt, line 1",)
    conjure.refused("evaluate", judge, home / "prompts.txt", "-o", tmp_path / "no.html", naming=refused)


def test_text_align_takes_an_assistant(conjure, home, tmp_path):
    words = [w for s in [*LORA, "training.steps=6", "objective.tokens=12"] for w in ("--set", s)]
    reward = ("--reward", f"{home / 'gold.py'}:worth", "--method", "grpo", "--set", "objective.group=4")
    said = conjure.works("text", "align", home / "old", home / "prompts.txt", "-o", tmp_path / "new", *reward, *words)
    assert "held-out reward" in said.out


@pytest.mark.parametrize("settings", [["training.rate=0.01"], LORA])
def test_what_is_drawn_is_of_the_weights_at_hand(home, monkeypatch, settings):
    """A fused optimizer moves weights unseen; a copy of them made for quick reading went stale after the first step."""
    apart = []
    play = PPO._play

    def noted(self, batch):
        found, model, rows = play(self, batch), self.model, batch.x[:2, :3]
        read = model.read(rows, model.begin(2))
        apart.append(float((read - model.logits(model._hidden(rows, None))[:, -1]).abs().max()))
        return found

    monkeypatch.setattr(PPO, "_play", torch.no_grad()(noted))
    how = How([*settings, "training.threads=1", "training.steps=3", "objective.tokens=6"])
    aligning.align(artifact.load(home / "old"), PROMPTS, worth, how=how)
    assert len(apart) >= 3
    assert max(apart) < 1e-4
