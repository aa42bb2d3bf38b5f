"""Translation from the first fit to the report, on the embedded phrases, in Python and by words."""

from __future__ import annotations

import numpy as np
import pytest

import conjure as package
from conjure import verbs
from conjure.domains.pairs import corpus
from tests.end_to_end.terminal import Terminal

WORDS = [
    "codec.units=characters",
    "model.width=32",
    "model.layers=[1, 1]",
    "training.epochs=1",
    "training.steps=8",
    "training.batch=32",
    "training.threads=1",
    "training.precision=fp32",
]


@pytest.fixture
def conjure(monkeypatch, capsys) -> Terminal:
    return Terminal(monkeypatch, capsys)


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("translation") / "made"
    return verbs.fit("translation", "phrases", folder, recipe="small", settings=WORDS), folder


def test_loaded_it_draws_and_scores_the_same(fitted):
    made, folder = fitted
    loaded = package.load(folder)
    given = {"source": "Heute hat die Frau den roten Ball am Fluss gesehen."}
    drawn = made.sample(4, given=given, seed=1)
    assert drawn == loaded.sample(4, given=given, seed=1)
    assert {pair.source for pair in drawn} == {given["source"]}
    pairs, _ = corpus.read("phrases")
    np.testing.assert_allclose(made.score(pairs[:20]), loaded.score(pairs[:20]), atol=1e-4)


def test_lines_are_completed_in_order_and_stay_lines(fitted, conjure, tmp_path):
    _, folder = fitted
    (tmp_path / "de.txt").write_text("Heute hat die Frau den Ball gesehen.\n\nein Junge\n")
    conjure.works("complete", folder, tmp_path / "de.txt", "-o", tmp_path / "en.txt")
    lines = (tmp_path / "en.txt").read_text().split("\n")
    assert len(lines) == 4
    assert lines[1] == ""
    conjure.works("complete", folder, tmp_path / "de.txt", "-o", tmp_path / "both.tsv")
    assert (tmp_path / "both.tsv").read_text().split("\n")[3].startswith("ein Junge\t")


def test_by_words_it_draws_scores_and_is_judged(fitted, conjure, tmp_path):
    _, folder = fitted
    assert "ein Junge -> " in conjure.works("sample", folder, "-n", 2, "--given", "source=ein Junge").out
    held_out = corpus.write(corpus.read("phrases")[0][:24], tmp_path / "held.tsv")
    assert "24 scored" in conjure.works("score", folder, held_out).out
    out = conjure.works("evaluate", folder, held_out, "-o", tmp_path / "report.html").out
    assert "BLEU" in out
    assert "chrF" in out
    assert "tok:13a" in (tmp_path / "report.html").read_text("utf-8")


def test_what_is_missing_is_said_in_a_sentence(fitted, conjure, tmp_path):
    _, folder = fitted
    conjure.refused("sample", folder, "-n", 1, naming=("--given source=",))
    (tmp_path / "a.de").write_text("eins\nzwei\n")
    (tmp_path / "a.en").write_text("one\n")
    both = f"{tmp_path / 'a.de'}:{tmp_path / 'a.en'}"
    conjure.refused("fit", "translation", both, "-o", tmp_path / "m", naming=("2 lines", "1 lines"))
