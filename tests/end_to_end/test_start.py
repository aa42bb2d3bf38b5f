"""A run that goes on from an artifact: its codec and weights, on other data."""

from __future__ import annotations

import json

import pytest
import torch

import conjure as package
from tests.end_to_end.terminal import Terminal

TINY = ("--set", "model.width=16", "--set", "model.layers=1", "--set", "model.heads=2", "--set", "training.threads=1")
TINY += ("--set", "training.steps=60", "--set", "training.precision=fp32", "--set", "training.validate_every=30")


@pytest.fixture
def conjure(monkeypatch, capsys) -> Terminal:
    return Terminal(monkeypatch, capsys)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A writer of one text, and another text of the same characters."""
    home = tmp_path_factory.mktemp("start")
    (home / "old.txt").write_text("the cat sat on the mat. " * 400)
    (home / "new.txt").write_text("the mat sat on the cat. " * 400)
    settings = [word for word in TINY if word != "--set"]
    package.fit("text", home / "old.txt", home / "old", settings=settings)
    return home


def test_it_goes_on_where_the_other_ended(conjure, place):
    conjure.works("fit", "text", place / "new.txt", "-o", place / "new", "--start", place / "old")
    lines = [json.loads(line) for line in (place / "new" / "journal.jsonl").read_text().splitlines()]
    fresh = [json.loads(line) for line in (place / "old" / "journal.jsonl").read_text().splitlines()]
    assert lines[0]["held_out_loss"] < 0.8 * fresh[0]["held_out_loss"]
    made = package.load(place / "new")
    assert made.card["notes"][0].startswith(f"Started from {place / 'old'}, learnt from old")
    assert made.artifact.codec.state() == package.load(place / "old").artifact.codec.state()
    assert len(made.sample(1)) == 1


def test_no_step_leaves_the_weights_as_they_were(place):
    from conjure.beginning import beginning
    from conjure.verbs import recipe_for

    before = beginning(recipe_for("text", start=place / "old"))
    model = before.model(before.learn(None))
    had = package.load(place / "old").artifact.model.state_dict()
    assert all(torch.equal(v, had[k]) for k, v in model.state_dict().items())


@pytest.mark.parametrize(
    ("words", "naming"),
    [
        (("--set", "model.width=32"), ("another model", "model.width=32, there 16")),
        (("--set", "codec.units=bytes"), ("keeps its codec",)),
        (("--start", "nowhere"), ("nowhere holds no artifact",)),
    ],
)
def test_what_does_not_fit_is_named_and_leaves_no_artifact(conjure, place, tmp_path, words, naming):
    conjure.refused(
        "fit", "text", place / "new.txt", "-o", tmp_path / "no", "--start", place / "old", *words, naming=naming
    )
    assert not (tmp_path / "no" / "artifact.json").exists()


def test_another_kind_of_data_and_new_characters_are_refused(conjure, place):
    conjure.refused(
        *("fit", "tables", "wine", "-o", place / "no", "--start", place / "old"), naming=("of text data", "tables")
    )
    (place / "odd.txt").write_text("THE CAT SAT. " * 400)
    conjure.refused(
        *("fit", "text", place / "odd.txt", "-o", place / "odd", "--start", place / "old"),
        naming=("never seen in training",),
    )
