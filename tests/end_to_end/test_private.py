"""A private run at the command line: certificate, refusals, and nothing left behind that is not noisy."""

from __future__ import annotations

import json

import pytest

import conjure as package
from tests.end_to_end.terminal import Terminal
from tests.unit.domains.test_private_table import people


@pytest.fixture
def conjure(monkeypatch, capsys) -> Terminal:
    return Terminal(monkeypatch, capsys)


def test_fit_with_a_budget_leaves_a_certificate(conjure, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    people(4000).to_csv("people.csv", index=False)
    said = conjure.works("fit", "tables", "people.csv", "-o", "made", "--epsilon", "2", "--delta", "1e-6")
    assert "differentially private: epsilon 2, delta 1e-06" in said.out
    manifest = json.loads((tmp_path / "made/artifact.json").read_text())
    claim = manifest["card"]["privacy"]
    assert claim["epsilon_spent"] <= 2 * (1 + 1e-6)
    assert any("pairs" in e["what"] for e in claim["entries"])
    assert manifest["card"]["source"]["sha256"] == ""
    assert manifest["card"]["source"]["rows"] != 4000
    assert not (tmp_path / "made/journal.jsonl").exists()
    assert "epsilon 2" in (tmp_path / "made/CARD.md").read_text()
    conjure.works("sample", "made", "-n", "200", "--given", "job=nurse", "-o", "new.csv")
    assert "person 1" not in (tmp_path / "new.csv").read_text()
    assert len(package.load("made").score("people.csv")) == 4000


def test_budgets_and_runs_that_make_no_sense_are_refused(conjure, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    people(300).to_csv("people.csv", index=False)
    fit = ("fit", "tables", "people.csv", "-o", "made")
    conjure.refused(*fit, "--epsilon", "0", naming=("epsilon is 0", "above zero"))
    conjure.refused(*fit, "--epsilon", "-1", naming=("epsilon is -1",))
    conjure.refused(*fit, "--delta", "1e-5", naming=("give --epsilon too",))
    conjure.refused(
        *fit, "--epsilon", "1", "--model", "circuit", naming=("Expectation cannot keep to a privacy budget",)
    )
    said = conjure.works(*fit, "--epsilon", "500")
    assert "promises next to nothing" in said.out + said.err
