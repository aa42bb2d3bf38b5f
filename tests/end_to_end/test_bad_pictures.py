"""Mistakes with pictures and with families: one sentence, exit code 2, and what can go on goes on and is said."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from conjure import artifact
from tests.end_to_end.terminal import Terminal

TINY = ("--recipe", "vae", "--set", "training.threads=1", "--set", "training.steps=2", "--set", "model.width=8")
TINY += ("--set", "model.latent=2", "--set", "model.channels=4")


@pytest.fixture
def conjure(monkeypatch, capsys) -> Terminal:
    return Terminal(monkeypatch, capsys)


@pytest.fixture
def folder(tmp_path) -> Path:
    place = tmp_path / "pictures"
    place.mkdir()
    for k in range(12):
        Image.fromarray(np.random.default_rng(k).integers(0, 256, (8, 8), dtype=np.uint8)).save(place / f"{k:02d}.png")
    return place


def test_a_picture_of_another_size_is_named_with_the_way_out(conjure, folder, tmp_path):
    Image.fromarray(np.zeros((10, 8), np.uint8)).save(folder / "odd.png")
    code, _, err = conjure("fit", "images", folder, "-o", tmp_path / "out", *TINY)
    assert code == 2
    assert "odd.png is 8 x 10" in err
    assert "codec.size=" in err
    code, *_ = conjure("fit", "images", folder, "-o", tmp_path / "again", *TINY, "--set", "codec.size=8")
    assert code == 0


def test_a_broken_file_is_named_skipped_and_counted(conjure, folder, tmp_path):
    (folder / "note.png").write_text("not a picture")
    code, _, err = conjure("fit", "images", folder, "-o", tmp_path / "out", *TINY)
    assert code == 0
    assert "1 broken picture file left out" in err
    assert "note.png" in err
    assert any("note.png" in note for note in artifact.load(tmp_path / "out").card["notes"])


def test_a_batch_larger_than_the_data_takes_all_of_it_and_says_so(conjure, folder, tmp_path):
    code, _, err = conjure("fit", "images", folder, "-o", tmp_path / "out", *TINY, "--set", "training.batch=64")
    assert code == 0
    assert "A batch of 64 is more than the 11 training examples" in err


def test_a_loss_that_is_no_number_is_dropped_and_stops_the_run_with_advice(conjure, folder, tmp_path):
    wild = ("--set", "training.rate=1e30", "--set", "training.steps=200", "--set", "training.schedule=constant")
    code, _, err = conjure("fit", "images", folder, "-o", tmp_path / "out", *TINY, *wild)
    assert code == 2
    assert "not a number 20 times in a row" in err
    assert "training.rate" in err
    assert not artifact.occupied(tmp_path / "out")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--set", "model.name=decoder", "--set", "objective.name=likelihood"), "Decoder models Tokens, not Dense"),
        (("--set", "objective.name=wasserstein"), "Wasserstein needs a model with generate, which VAE has not"),
    ],
)
def test_a_family_or_objective_that_does_not_fit_is_refused(conjure, folder, tmp_path, words, sentence):
    recipe = tmp_path / "own.toml"
    recipe.write_text('domain = "image"\n[model]\nname = "vae"\n[objective]\nname = "elbo"\n[training]\nsteps = 2\n')
    code, _, err = conjure("fit", "images", folder, "-o", tmp_path / "out", "--recipe", recipe, *words)
    assert code == 2
    assert sentence in err


def test_dropped_moves_are_counted_in_the_card(conjure, folder, tmp_path):
    conjure("fit", "images", folder, "-o", tmp_path / "out", *TINY)
    assert json.loads((tmp_path / "out" / "artifact.json").read_text())["card"]["metrics"]["dropped_moves"] == 0
