"""Attacks and the gate at the command line."""

from __future__ import annotations

import json

import pytest

from tests.end_to_end.terminal import Terminal
from tests.unit.attacks.people import planted, population

TINY = ("--set", "model.states=4", "--set", "training.threads=1", "--set", "training.epochs=3")


@pytest.fixture
def conjure(monkeypatch, capsys) -> Terminal:
    return Terminal(monkeypatch, capsys)


def test_attack_writes_a_report_and_the_gate_keeps_leaks_in(conjure, tmp_path, monkeypatch):
    population(500, 0).to_csv(tmp_path / "train.csv", index=False)
    population(500, 1).to_csv(tmp_path / "control.csv", index=False)
    monkeypatch.chdir(tmp_path)
    conjure.works("fit", "tables", "train.csv", "-o", "made", *TINY)
    said = conjure.works(
        "tables", "attack", "made", "--control", "control.csv", "--secret", "ill", "--references", "0", "-o", "a.html"
    )
    assert "No attack did better" in said.out
    assert "Attacks" in (tmp_path / "a.html").read_text()
    assert {f["name"] for f in json.loads((tmp_path / "a.json").read_text())["figures"]} >= {
        "attribute inference: ill: risk",
        "membership by distance: AUC",
    }
    (tmp_path / "policy.toml").write_text('control = "control.csv"\nauc = 0.6\n')
    conjure.works("sample", "made", "-n", "300", "--gate", "policy.toml", "-o", "new.csv")
    assert (tmp_path / "new.csv").exists()
    (tmp_path / "strict.toml").write_text('control = "control.csv"\nauc = 0.4\n')
    conjure.refused(
        *("sample", "made", "-n", "300", "--gate", "strict.toml", "-o", "more.csv"),
        naming=("not released", "membership by distance", "allowed 0.4"),
    )
    assert not (tmp_path / "more.csv").exists()


def test_planted_leaks_in_somebody_elses_rows_are_found(conjure, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    members, controls, made = planted("copies", n=600)
    for name, frame in (("train", members), ("control", controls), ("made", made)):
        frame.to_csv(f"{name}.csv", index=False)
    conjure.works("fit", "tables", "train.csv", "-o", "fitted", *TINY)
    said = conjure.works(
        *("tables", "attack", "fitted", "--rows", "made.csv", "--control", "control.csv", "--references", "0")
    )
    assert "exact copies works" in said.out


def test_commands_of_products_that_have_none(conjure):
    conjure.refused("video", "attack", naming=("video has no commands of its own", "conjure fit video"))
