"""The assistant: learnt from nothing, taught by adapters, merged, judged; a run that stops and goes on."""

from __future__ import annotations

import json
import os
import random
import signal

import pytest
import torch
from torch.distributed.checkpoint import FileSystemReader

import conjure as package
from conjure import artifact as artifacts
from conjure.domains.chat import corpus
from conjure.fitting import FitOptions
from conjure.nets.lora import adapters
from tests.end_to_end.terminal import Terminal

COLOURS = ("red", "blue", "green", "white", "black", "grey")
THINGS = ("sky", "grass", "snow", "coal", "rose", "stone")
TINY = ["model.layers=1", "model.width=32", "model.heads=2", "codec.vocab=320", "codec.context=64", "codec.length=8"]
QUICK = [
    "training.threads=1",
    "training.precision=fp32",
    "training.batch=8",
    "training.validate_every=20",
    "training.epochs=999",
]
LORA = [*QUICK, "training.lora.rank=4", "training.lora.alpha=8", "training.rate=0.01", "codec.pack=48"]


@pytest.fixture
def conjure(monkeypatch, capsys) -> Terminal:
    return Terminal(monkeypatch, capsys)


def talks(shift: int) -> list:
    """What colour a thing has: a rule that another shift contradicts."""
    return [
        [
            {"role": "user", "content": f"{greeting} what is the {thing} like"},
            {"role": "assistant", "content": f"the {thing} is {COLOURS[(at + shift) % 6]}"},
        ]
        for at, thing in enumerate(THINGS)
        for greeting in ("hi", "so", "well", "now", "say", "and", "but", "ok")
    ]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A small assistant, conversations that contradict it, and one taught by these."""
    place = tmp_path_factory.mktemp("tuning")
    corpus.write(talks(0), place / "old.jsonl")
    corpus.write(talks(1), place / "new.jsonl")
    (place / "text.txt").write_text("the sky is blue and the grass is green. " * 60)
    package.fit("assistant", place / "old.jsonl", place / "old", settings=[*TINY, *QUICK, "training.steps=150"])
    steps = ["training.steps=60"]
    package.fit(
        "assistant", place / "new.jsonl", place / "new", recipe="lora", start=place / "old", settings=LORA + steps
    )
    return place


def test_one_learnt_from_nothing_answers(conjure, home):
    (home / "ask.jsonl").write_text(json.dumps({"prompt": "say what is the snow like"}))
    conjure.works("complete", home / "old", home / "ask.jsonl", "-o", home / "told.jsonl")
    (told,) = corpus.read(home / "told.jsonl")[0]
    assert told[-1]["role"] == "assistant"
    assert told[-1]["content"].startswith("the ")


def test_adapters_teach_and_are_merged(home):
    made = package.load(home / "new")
    metrics = made.card["metrics"]
    assert metrics["held_out_loss"] < 0.7 * metrics["held_out_loss_before"]
    assert not adapters(made.artifact.model)
    assert made.artifact.codec.config.pack == 48
    assert made.card["notes"][-1].startswith("Held-out loss a token fell")
    assert (home / "new" / "adapter" / "adapter_config.json").is_file()


def test_merging_by_hand_gives_the_same_weights(conjure, home):
    conjure.works("assistant", "merge", home / "old", home / "new" / "adapter", "-o", home / "again")
    mine = package.load(home / "new").artifact.model.state_dict()
    assert all(
        torch.allclose(v, mine[k], atol=1e-6)
        for k, v in package.load(home / "again").artifact.model.state_dict().items()
    )
    conjure.refused(
        *("assistant", "merge", home / "old", home / "new" / "adapter", "-o", home / "again"), naming=("already holds",)
    )
    conjure.refused("assistant", "merge", home / "old", home, "-o", home / "no", naming=("no adapter_config.json",))


def test_the_report_stands_beside_the_start(conjure, home):
    report = package.load(home / "new").evaluate(home / "new.jsonl")
    ours, before = report["perplexity of answers"], report["perplexity before"]
    assert ours.ours < before.ours
    assert ours.ours < ours.baseline
    assert ours.low < ours.ours < ours.high
    assert report["nats gained a token"].low > 0
    (table,) = report.tables
    assert table.header == ("asked", "held out", "before", "ours")
    assert len(table.rows) > 2
    conjure.works("evaluate", home / "old", home / "new.jsonl", "-o", home / "report.html")
    assert "before" not in json.loads((home / "report.json").read_text())["tables"][0]["header"]


def test_text_alone_is_further_pretraining(home):
    settings = [*LORA, "training.steps=30"]
    made = package.fit("assistant", home / "text.txt", recipe="lora", start=home / "old", settings=settings)
    metrics = made.card["metrics"]
    assert metrics["held_out_loss"] < metrics["held_out_loss_before"]
    assert "perplexity of answers" in {figure.name for figure in made.evaluate(home / "text.txt").figures}


def test_a_run_that_stopped_goes_on_bit_for_bit_and_keeps_little(home, tmp_path):
    settings = [*LORA, "training.steps=40", "training.lora.dropout=0.1", "training.checkpoint_seconds=1e9"]
    choice = {"recipe": "lora", "start": home / "old", "settings": settings}
    whole = package.fit("assistant", home / "new.jsonl", tmp_path / "whole", **choice)

    seen = []

    def interrupt(progress):
        seen.append(progress.step)
        if len(seen) == 1:
            os.kill(os.getpid(), signal.SIGINT)

    package.fit("assistant", home / "new.jsonl", tmp_path / "parts", options=FitOptions(watch=interrupt), **choice)
    kept = FileSystemReader(tmp_path / "parts" / "checkpoint").read_metadata().state_dict_metadata
    assert kept
    assert not [name for name in kept if "lora_" not in name]
    parts = package.fit("assistant", home / "new.jsonl", tmp_path / "parts", options=FitOptions(resume=True), **choice)
    mine = parts.artifact.model.state_dict()
    assert all(torch.equal(v, mine[k]) for k, v in whole.artifact.model.state_dict().items())
    assert parts.card["metrics"]["held_out_loss_before"] == whole.card["metrics"]["held_out_loss_before"]


def test_weights_without_a_folder_are_told_apart_by_what_they_are(home):
    one = artifacts.load(home / "old")
    one.path = None
    before = artifacts.digest(one)
    assert artifacts.digest(one) == before
    with torch.no_grad():
        one.model.embed.weight[0, 0] += 1
    assert artifacts.digest(one) != before


@pytest.mark.parametrize(
    ("words", "naming"),
    [
        (("--recipe", "lora"), ("name them, --start",)),
        (("--set", "training.lora.rank=4"), ("name them, --start",)),
        (("--recipe", "lora", "--start", "OLD", "--set", "codec.context=32"), ("keeps codec.context",)),
        (("--recipe", "lora", "--start", "OLD", "--set", 'training.lora.targets=["quer"]'), ("did you mean 'query'",)),
        (("--recipe", "lora", "--start", "OLD", "--set", "training.lora.rank=0"), ("a rank of at least 1",)),
        (("--recipe", "lora", "--start", "OLD", "--set", "model.width=64"), ("another model", "model.width=64")),
        (("--start", "nothing"), ("nothing holds no artifact",)),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(conjure, home, tmp_path, words, naming):
    words = [str(home / "old") if word == "OLD" else word for word in words]
    where = ("fit", "assistant", home / "new.jsonl", "-o", tmp_path / "no")
    conjure.refused(*where, *words, naming=naming, remarks="targets" in words[-1])
    assert not (tmp_path / "no" / "artifact.json").exists()


def test_recomputing_needs_layers(conjure, home, tmp_path):
    conjure.refused(
        *("fit", "text", home / "text.txt", "-o", tmp_path / "no", "--set", "training.recompute=true"),
        naming=("training.recompute is not for a Decoder",),
        remarks=True,
    )


def test_memorising_is_said(home, tmp_path):
    """Random answers: nothing about them carries over, so that only training loss can fall."""
    rng = random.Random(0)
    noise = [
        [{"role": "user", "content": str(n)}, {"role": "assistant", "content": "".join(rng.choices("abcdefgh", k=12))}]
        for n in range(24)
    ]
    settings = [*QUICK, "training.steps=200", "training.rate=0.01", "held_out=0.25", "codec.pack=48"]
    made = package.fit("assistant", noise, recipe="full", start=home / "old", settings=settings)
    assert any("only memorised" in note for note in made.card["notes"])
