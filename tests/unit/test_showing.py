"""Notebook, report and studio show one thing, by the domain's own view; and the same at each look."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

import conjure
from conjure import catalog, evaluation, showing
from conjure.domains.image.pictures import Images
from conjure.domains.music.piece import Pieces
from conjure.domains.series.series import SeriesSet
from conjure.domains.shown import Shown
from conjure.domains.video.clips import Clips

FEW = ["training.steps=2", "training.threads=1", "training.batch=8", "model.width=16", "model.evaluations=2"]


@pytest.fixture(scope="module")
def digits():
    return conjure.fit("images", "digits", recipe="flow", settings=FEW)


def test_pictures_look_alike_in_notebook_report_and_studio(digits):
    drawn = digits.sample(evaluation.SHOWN, seed=3)
    seen = showing.objects("image", drawn, digits.artifact)
    assert seen == drawn._repr_html_()
    assert "data:image/png;base64," in seen
    pytest.importorskip("jinja2")
    report = digits.evaluate("digits", n=32, seed=3)
    judged = showing.cut("image", digits.sample(32, seed=3), 0, evaluation.SHOWN)
    assert report.samples == judged._repr_html_()
    assert report.samples in report._repr_html_()
    assert "samples" not in json.loads(report.to_json())


def test_an_artifact_shows_itself_with_four_samples_alike_each_time(digits):
    page = digits._repr_html_()
    assert page == digits._repr_html_()
    assert digits.sample(4)._repr_html_() in page
    assert "learnt numbers" in page
    assert "digits" in page


def test_a_large_model_and_one_that_wants_a_question_show_no_samples(digits, monkeypatch):
    monkeypatch.setattr(conjure.verbs, "QUICK", 10)
    assert "<img" not in digits._repr_html_()
    few = ["training.steps=1", "training.threads=1", "training.batch=8"]
    pairs = conjure.fit("translation", "phrases", recipe="small", settings=few)
    monkeypatch.setattr(conjure.verbs, "QUICK", 10**9)
    assert "under their source" in pairs._repr_html_()


def test_every_kind_of_object_has_one_way_to_be_shown():
    kinds = {
        "image": Images(np.zeros((2, 4, 4, 1), np.uint8)),
        "video": Clips(np.zeros((2, 2, 4, 4, 1), np.uint8)),
        "series": catalog.part("series", "corpus").read(pd.DataFrame({"a": np.arange(9.0), "b": np.arange(9.0)}))[0],
    }
    for domain, objects in kinds.items():
        assert showing.objects(domain, objects) == objects._repr_html_()
    assert isinstance(kinds["series"], SeriesSet)
    assert issubclass(Pieces, Shown)
    assert showing.objects("text", ["<b>", "c"]).count("<pre") == 2
    assert "5 more" in showing.objects("text", ["x"] * 17)
    assert "<script>" not in showing.objects("table", pd.DataFrame({"<script>": ["<script>"]}))


def test_rows_that_break_a_rule_are_marked_wherever_they_are_shown():
    frame = pd.DataFrame({"low": [1, 2, 3] * 20, "high": [2, 3, 4] * 20})
    settings = ['codec.rules=["high >= low"]', "training.epochs=1", "training.threads=1"]
    made = conjure.fit("tables", frame, recipe="independent", settings=settings)
    wrong = pd.DataFrame({"low": [1, 5], "high": [2, 3]})
    assert showing.objects("table", wrong, made.artifact).count('class="broken"') == 1


def test_a_cut_is_some_of_the_objects_of_every_kind():
    images = Images(np.arange(5, dtype=np.uint8).reshape(5, 1, 1, 1), np.array(list("abcde")))
    assert showing.cut("image", images, 1, 3).labels.tolist() == ["b", "c"]
    clips = Clips(np.zeros((5, 2, 4, 4, 1), np.uint8))
    assert len(showing.cut("video", clips, 3, 9)) == 2
    assert showing.cut("text", ["a", "b", "c"], 1, 2) == ["b"]
