"""A second artifact fitted through a first one: by words, saved, moved, tampered with, resumed."""

from __future__ import annotations

import shutil
import signal

import numpy as np
import pytest

import conjure as package
from conjure import artifact, verbs
from conjure.core.errors import ArtifactError, ConfigError
from conjure.fitting import FitOptions
from tests.end_to_end.runs import COMMON
from tests.end_to_end.terminal import Terminal

TINY = ["training.steps=12", "model.width=16", *COMMON]
FLOW = [*TINY, "model.tolerance=0.1"]
CODES = [*TINY, "model.latent=4"]


@pytest.fixture
def conjure(monkeypatch, capsys) -> Terminal:
    return Terminal(monkeypatch, capsys)


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    folder = tmp_path_factory.mktemp("first") / "vae"
    verbs.fit("images", "digits", folder, model="vae", settings=CODES)
    return folder


@pytest.fixture(scope="module")
def composed(first, tmp_path_factory):
    folder = tmp_path_factory.mktemp("composed") / "flow"
    return verbs.fit("images", "digits", folder, model="flow", settings=FLOW, through=first), folder


def test_by_words_it_is_fitted_drawn_from_scored_and_judged(conjure, first, tmp_path):
    words = [w for s in FLOW for w in ("--set", s)]
    said = conjure.works("fit", "images", "digits", "-o", tmp_path / "a", "--model", "flow", "--through", first, *words)
    assert "as codes 4 of a VAE" in said.err + said.out
    conjure.works("sample", tmp_path / "a", "-n", 3, "--given", "label=3", "-o", tmp_path / "new.png")
    assert "bound" in conjure.works("score", tmp_path / "a", "digits").out
    conjure.works("evaluate", tmp_path / "a", "digits", "-o", tmp_path / "report.html", "-n", 30)
    assert f"in `{artifact.FIRST}/`" in (tmp_path / "a" / artifact.CARD).read_text("utf-8")


def test_moved_and_without_the_first_folder_it_is_what_was_fitted(composed, tmp_path):
    made, folder = composed
    shutil.copytree(folder, tmp_path / "elsewhere")
    loaded = package.load(tmp_path / "elsewhere")
    for a, b in zip(made.sample(5, seed=1), loaded.sample(5, seed=1), strict=True):
        assert np.array_equal(a, b)
    assert loaded.artifact.first.recipe.model == "vae"
    again = loaded.save(tmp_path / "saved")
    for a, b in zip(made.sample(5, seed=1), package.load(again).sample(5, seed=1), strict=True):
        assert np.array_equal(a, b)


def test_a_change_to_the_inner_artifact_is_noticed(composed, tmp_path):
    for name in (artifact.WEIGHTS, artifact.MANIFEST):
        place = tmp_path / name
        shutil.copytree(composed[1], place)
        inner = place / artifact.FIRST / name
        inner.write_bytes(inner.read_bytes()[:-1] + b" ")
        with pytest.raises(ArtifactError, match=f"{artifact.FIRST}/{name} is not the file that was saved"):
            package.load(place)
        inner.unlink()
        with pytest.raises(ArtifactError, match="is missing"):
            package.load(place)


def test_the_first_model_stays_as_it_was(first, composed):
    inner = composed[1] / artifact.FIRST / artifact.WEIGHTS
    assert inner.read_bytes() == (first / artifact.WEIGHTS).read_bytes()


def test_a_prior_over_tokens_scores_too(first):
    settings = [*TINY, "codec.levels=4", "model.heads=2", "model.layers=1"]
    made = verbs.fit("images", "digits", recipe="decoder", settings=settings, through=first)
    assert made.artifact.codec.space.shape == (4,)
    assert made.artifact.score_kind == "bound"
    assert len(made.sample(2, given={"label": "7"})) == 2


def test_a_table_s_rows_are_drawn_from_their_codes(tmp_path):
    verbs.fit("tables", "wine", tmp_path / "vae", model="vae", settings=CODES)
    made = verbs.fit("tables", "wine", model="vae", settings=TINY, through=tmp_path / "vae")
    rows = made.sample(9, seed=1)
    assert len(rows) == 9
    assert not rows.equals(made.sample(9, seed=2))
    assert np.isfinite(made.score(rows)).all()
    with pytest.raises(ConfigError, match="it fills no gaps"):
        made.complete(rows)


def test_a_stopped_run_goes_on_bit_for_bit(first, tmp_path):
    def fit(name, resume=False, stop=False):
        settings = [*FLOW, "training.steps=40"]
        asked = iter([signal.SIGINT] if stop else [])
        options = FitOptions(resume, watch=lambda progress: [signal.raise_signal(s) for s in asked])
        verbs.fit("images", "digits", tmp_path / name, model="flow", settings=settings, through=first, options=options)
        return (tmp_path / name / artifact.WEIGHTS).read_bytes()

    whole = fit("whole")
    assert fit("parts", stop=True) != whole
    (tmp_path / "parts" / artifact.MANIFEST).unlink()
    assert fit("parts", resume=True) == whole


def test_what_cannot_be_gone_through_is_refused_in_a_sentence(conjure, first, composed, tmp_path):
    words = [w for s in FLOW for w in ("--set", s)]
    tables = ("fit", "tables", "wine", "-o", tmp_path / "x", "--model", "vae")
    conjure.refused(*tables, "--through", first, naming=("image data", "table"))
    images = ("fit", "images", "digits", "-o", tmp_path / "x", "--model", "flow", *words)
    conjure.refused(*images, "--through", composed[1], naming=("itself goes through another",))
    conjure.refused(*images, "--through", tmp_path / "nowhere", naming=("nowhere", "no artifact"))
    conjure.refused(*images, "--through", first, "--set", "codec.size=8", naming=("codec.size",))
    conjure.refused("fit", "images", "digits", "-o", tmp_path / "x", "--recipe", "latent", naming=("--through DIR",))
    gan = tmp_path / "gan"
    verbs.fit("images", "digits", gan, model="gan", settings=["training.steps=2", *TINY[1:]])
    conjure.refused(*images, "--through", gan, naming=("no codes", "vae"))


def test_a_first_model_that_saw_what_is_held_out_is_told_of(first, tmp_path):
    said: list[str] = []
    options = FitOptions(say=said.append)
    verbs.fit("images", "digits", model="flow", settings=FLOW, through=first, seed=5, options=options)
    assert any("this run holds out" in line for line in said)
