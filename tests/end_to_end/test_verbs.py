"""Every app on its smallest run: fit, save, load, sample, score, evaluate, in Python and by words."""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import pytest

import conjure as package
from conjure import artifact, catalog, verbs
from tests.end_to_end.runs import RUNS, call, settings
from tests.end_to_end.terminal import Terminal

STEPS = "training.steps=20"


@pytest.fixture
def conjure(monkeypatch, capsys) -> Terminal:
    return Terminal(monkeypatch, capsys)


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """name -> (what fit gave, its folder), each fitted once."""
    made = {}

    def get(name: str):
        if name not in made:
            app, data, recipe, _ = RUNS[name]
            folder = tmp_path_factory.mktemp("runs") / "made"
            words = settings(name, STEPS)
            made[name] = (verbs.fit(app, data, folder, recipe=recipe, settings=words), folder)
        return made[name]

    return get


def _same(a, b) -> bool:
    if isinstance(a, pd.DataFrame):
        return a.equals(b)
    return all(np.array_equal(*(getattr(o, "samples", o) for o in pair)) for pair in zip(a, b, strict=True))


@pytest.mark.parametrize("name", RUNS)
def test_what_was_fitted_samples_as_what_is_loaded(fitted, name):
    made, folder = fitted(name)
    loaded = package.load(folder)
    assert loaded.card["metrics"]["steps"] >= 1
    assert _same(made.sample(6, seed=4), loaded.sample(6, seed=4))
    assert not _same(loaded.sample(6, seed=4), loaded.sample(6, seed=5))


@pytest.mark.parametrize(
    "name", [n for n in RUNS if n not in ("image gan", "image minmax", "table flow", "audio codec")]
)
def test_scores_are_finite_and_written_in_order(fitted, conjure, tmp_path, name):
    _, folder = fitted(name)
    data = _judged(name, tmp_path)
    nats = package.load(folder).score(data)
    assert np.isfinite(nats).all()
    out = tmp_path / "nats.csv"
    said = conjure.works("score", folder, data, "-o", out)
    assert f"{len(nats)} scored" in said.out
    written = pd.read_csv(out)
    assert written.columns.tolist() == ["row", "nats"]
    if artifact.load(folder).model.score_kind == "exact":
        np.testing.assert_allclose(written["nats"], nats, atol=1e-4)


def test_same_seed_same_rows_in_another_process(fitted, tmp_path):
    made, folder = fitted("circuit")
    out = tmp_path / "new.csv"
    done = call([sys.executable, "-m", "conjure", "sample", str(folder), "-n", "9", "--seed", "2", "-o", str(out)])
    assert done.returncode == 0, done.stderr
    pd.testing.assert_frame_equal(pd.read_csv(out, dtype=str), _as_text(made.sample(9, seed=2), tmp_path))


def _judged(name: str, place):
    """Data to score and judge: pictures as embedded, the first rows of the table, a short text."""
    app, data, _, _ = RUNS[name]
    if app == "tables":
        frame, _ = catalog.part("table", "corpus").read(data)
        frame.head(60).to_csv(place / "rows.csv", index=False)
        return place / "rows.csv"
    if app == "text":
        (place / "words.txt").write_text("A list is a sequence of values, and a string is one of characters. " * 40)
        return place / "words.txt"
    return data


def _as_text(frame: pd.DataFrame, place) -> pd.DataFrame:
    corpus = catalog.part("table", "corpus")
    return pd.read_csv(corpus.write(frame, place / "as_text.csv"), dtype=str)


def test_frame_in_frame_out():
    rows = np.random.default_rng(0)
    frame = pd.DataFrame({"dose": rows.normal(size=200), "arm": rows.choice(["drug", "placebo"], 200)})
    made = package.fit("tables", frame, recipe="independent", settings=["training.threads=1"])
    new = made.sample(50)
    assert new.dtypes.to_dict() == frame.dtypes.to_dict()
    assert set(new["arm"]) == {"drug", "placebo"}
    assert made.score(frame).shape == (200,)


@pytest.mark.parametrize("name", ["circuit", "columns"])
def test_conditions_hold_in_every_row(fitted, conjure, tmp_path, name):
    _, folder = fitted(name)
    out = tmp_path / "new.csv"
    conjure.works("sample", folder, "-n", 40, "--given", "alcohol=13..14", "--given", "cultivar=class_1", "-o", out)
    new = pd.read_csv(out)
    assert len(new) == 40
    assert set(new["cultivar"]) == {"class_1"}
    assert new["alcohol"].between(13, 14).all()


@pytest.mark.parametrize("name", ["circuit", "columns"])
def test_gaps_are_filled_and_the_rest_stays(fitted, conjure, tmp_path, name):
    _, folder = fitted(name)
    frame, _ = catalog.part("table", "corpus").read("wine")
    holes = frame.head(30).copy()
    holes.loc[holes.index[::3], "alcohol"] = np.nan
    holes.to_csv(tmp_path / "holes.csv", index=False)
    conjure.works("complete", folder, tmp_path / "holes.csv", "-o", tmp_path / "whole.csv")
    whole = pd.read_csv(tmp_path / "whole.csv")
    assert whole["alcohol"].notna().all()
    kept = holes["alcohol"].notna().to_numpy()
    np.testing.assert_allclose(whole["alcohol"][kept], frame["alcohol"].head(30)[kept])
    pd.testing.assert_frame_equal(whole.drop(columns="alcohol"), frame.head(30).drop(columns="alcohol"))


@pytest.mark.parametrize("name", ["circuit", "decoder", "image gan"])
def test_report_and_its_figures_are_written(fitted, conjure, tmp_path, name):
    _, folder = fitted(name)
    out = tmp_path / "report.html"
    said = conjure.works("evaluate", folder, _judged(name, tmp_path), "-o", out, "-n", 20)
    assert str(out) in said.out
    assert "<html" in out.read_text("utf-8")
    assert (tmp_path / "report.json").is_file()


@pytest.mark.parametrize(("name", "file"), [("circuit", "new.parquet"), ("decoder", "new.txt"), ("image gan", "new")])
def test_samples_are_written_for_each_kind_of_data(fitted, conjure, tmp_path, name, file):
    _, folder = fitted(name)
    said = conjure.works("sample", folder, "-n", 3, "-o", tmp_path / file)
    assert said.out.startswith("wrote ")
    assert any(tmp_path.iterdir())
    assert conjure.works("sample", folder, "-n", 2).out.strip()


def test_a_finished_run_has_nothing_to_resume(fitted, conjure):
    _, folder = fitted("circuit")
    app, data, recipe, _ = RUNS["circuit"]
    words = [w for s in settings("circuit", STEPS) for w in ("--set", s)]
    conjure.refused(
        "fit", app, data, "-o", folder, "--recipe", recipe, *words, "--resume", naming=(folder, "nothing left")
    )


@pytest.mark.parametrize("kind", ["apps", "domains", "models", "objectives", "data"])
def test_list_names_what_there_is(conjure, kind):
    out = conjure.works("list", kind).out
    known = catalog.TABLES.get(kind, {"wine": "", "digits": ""})
    assert all(name in out for name in known)
    assert all(len(line.split(maxsplit=1)) == 2 for line in out.splitlines())


def test_list_refuses_what_is_no_kind(conjure):
    conjure.refused("list", "model", naming=("'model'", "'models'"))
