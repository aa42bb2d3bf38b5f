"""Rare rows, questions, advice, simulated attacks and their bench at the command line."""

from __future__ import annotations

import csv
import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import conjure as package
from conjure import presenting
from conjure.core.errors import DataError
from conjure.domains.image import corpus
from tests.end_to_end.terminal import Terminal, contents
from tests.learning.documents import document
from tests.unit.test_rebalancing import people

TINY = ("--set", "model.states=4", "--set", "training.threads=1", "--set", "training.epochs=3")


@pytest.fixture
def conjure(monkeypatch, capsys) -> Terminal:
    return Terminal(monkeypatch, capsys)


def test_rows_for_a_purpose(conjure, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    people(300).to_csv("people.csv", index=False)
    conjure.works("fit", "tables", "people.csv", "-o", "model", *TINY)
    said = conjure.works(
        *("tables", "rebalance", "model", "--target", "income", "--by", "sex", "--keep", "0.5"),
        *("--weigh", "weight", "-o", "even.csv"),
    )
    assert "made" in said.out
    even = pd.read_csv("even.csv")
    assert even.groupby(["sex", "income"]).size().nunique() == 1
    assert even["weight"].mean() == pytest.approx(1)
    said = conjure.works(
        *("tables", "what-if", "model", "people.csv", "--set", "hours=58", "--target", "income", "--free", "job"),
        *("--draws", "20", "-o", "changes.csv"),
    )
    assert "P(income = high)" in said.out
    assert len(pd.read_csv("changes.csv")) == 300
    said = conjure.works(*("tables", "advise", "model", "--train", "people.csv", "--target", "sex", "--folds", "2"))
    assert "here" in said.out or "help" in said.out
    assert "Remedies" in (tmp_path / "advice.html").read_text()
    conjure.refused(
        *("tables", "rebalance", "model", "--target", "income", "--to", "half", "-o", "x.csv"),
        naming=("'half'", "equal", "a file of shares"),
    )
    (tmp_path / "people.csv").write_text("a\n1\n")
    conjure.refused(
        *("tables", "rebalance", "model", "--target", "income", "-o", "x.csv"),
        naming=("changed since the fit", "--train"),
    )
    assert not (tmp_path / "x.csv").exists()


@pytest.fixture
def faces(tmp_path):
    folder = tmp_path / "faces"
    folder.mkdir()
    for k in range(6):
        Image.fromarray(document(k, 16)).save(folder / f"{k}.png")
    return folder


def test_attacks_are_written_with_a_manifest(conjure, faces, tmp_path):
    asked = ("images", "attack", faces, "--species", "print,mask", "-n", "2", "--set", "print.ruling=60..70")
    said = conjure.works(*asked, "-o", tmp_path / "out")
    assert "24 attacks" in said.out
    rows = list(csv.DictReader((tmp_path / "out" / "manifest.csv").read_text().splitlines()))
    assert len(rows) == 30
    assert all((tmp_path / "out" / row["file"]).exists() for row in rows)
    prints = [row for row in rows if row["species"] == "print"]
    assert all(60 <= float(row["print.ruling"]) <= 70 and row["mask.flat"] == "" for row in prints)
    conjure.works(*asked, "-o", tmp_path / "again")
    assert contents(tmp_path / "out") == contents(tmp_path / "again")
    conjure.refused(*asked, "-o", tmp_path / "out", naming=("already exists",))
    conjure.refused(
        "images", "attack", faces, "-o", tmp_path / "x", "--species", "pint", naming=("did you mean 'print'",)
    )
    assert "lines per inch" in conjure.works("images", "species").out

    report = presenting.try_out(lambda pictures: np.array([p.mean() for p in pictures]), tmp_path / "out")
    assert {"APCER, print", "APCER, mask left out"} <= {f.name for f in report.figures}
    with pytest.raises(DataError, match="no sub-folder 'bona fide'"):
        presenting.try_out(lambda pictures: np.zeros(len(pictures)), faces)
    with pytest.raises(DataError, match="one score each"):
        presenting.try_out(lambda pictures: np.zeros(3), tmp_path / "out")


def test_a_learnt_residual_is_laid_over_what_the_formulas_give(conjure, faces, tmp_path):
    """Captured attacks here are simulated ones seen through a red glass; a few steps already redden."""
    pictures, _ = corpus.read(faces)
    made = np.stack([a.picture for _, a in presenting.attacks(pictures, presenting.Simulation(("print",), 4))])
    red = made.copy()
    red[..., 1:] //= 2
    settings = ["training.steps=30", "training.threads=1", "model.channels=4"]
    package.fit("restyle", {"simulated": made, "captured": red}, tmp_path / "turner", settings=settings)
    conjure.works("images", "attack", faces, "--species", "print", "-o", tmp_path / "plain")
    conjure.works(
        "images", "attack", faces, "--species", "print", "--residual", tmp_path / "turner", "-o", tmp_path / "seen"
    )
    plain, seen = (corpus.read(tmp_path / name / "print")[0].array().astype(float) for name in ("plain", "seen"))
    assert seen.shape == plain.shape
    assert (seen[..., 0] - seen[..., 1]).mean() > (plain[..., 0] - plain[..., 1]).mean() + 5
    conjure.refused(
        *("images", "attack", faces, "--residual", tmp_path / "turner", "--residual-to", "real", "-o", tmp_path / "x"),
        naming=("captured", "simulated", "--residual-to"),
    )


def test_a_bench_for_anybodys_scores(conjure, tmp_path):
    rng = np.random.default_rng(0)
    species = ["bona fide"] * 80 + ["print"] * 40 + ["mask"] * 40
    scores = np.r_[rng.normal(2, 1, 80), rng.normal(0, 1, 40), rng.normal(1, 1, 40)]
    pd.DataFrame({"score": scores, "species": species}).to_csv(tmp_path / "scores.csv", index=False)
    said = conjure.works("images", "bench", tmp_path / "scores.csv", "-o", tmp_path / "bench.html")
    assert "Worst species: mask" in said.out
    figures = {f["name"]: f for f in json.loads((tmp_path / "bench.json").read_text())["figures"]}
    assert figures["APCER, mask left out"]["ours"] > figures["APCER, print left out"]["ours"]
    conjure.refused("images", "bench", tmp_path / "scores.csv", "-o", "bench.txt", naming=(".html",))
