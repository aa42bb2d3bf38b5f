"""Forecasting from file to file: fit, save, load, sample, score, complete, evaluate; and what is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import conjure as package
from conjure.domains.series import corpus
from tests.end_to_end.terminal import Terminal

SMALL = [
    w for s in ("codec.horizon=6", "codec.history=96", "training.steps=10", "training.threads=1") for w in ("--set", s)
]


@pytest.fixture
def conjure(monkeypatch, capsys) -> Terminal:
    return Terminal(monkeypatch, capsys)


def test_forecasts_from_file_to_file(conjure, tmp_path):
    conjure.works("fit", "forecasting", "hourly", "-o", tmp_path / "made", *SMALL)
    data, _ = corpus.read("hourly")
    corpus.write(data.having([data[0].part(0, 200)]), tmp_path / "history.csv")
    conjure.works("complete", tmp_path / "made", tmp_path / "history.csv", "-o", tmp_path / "forecast.csv")
    frame = pd.read_csv(tmp_path / "forecast.csv")
    assert len(frame) == 206
    ahead = frame.tail(6)
    assert (ahead["load 0.1"] < ahead["load 0.5"]).all()
    assert (ahead["load 0.5"] < ahead["load 0.9"]).all()
    assert frame["load 0.5"].head(200).isna().all()
    assert ahead["time"].iloc[0] == str(data[0].clock.at(200, 1)[0])
    conjure.works(
        "sample", tmp_path / "made", "-n", 4, "--given", f"history={tmp_path / 'history.csv'}", "-o", tmp_path / "s.csv"
    )
    drawn, _ = corpus.read(tmp_path / "s.csv")
    assert [len(one) for one in drawn] == [6] * 4
    loaded = package.load(tmp_path / "made")
    assert np.isfinite(loaded.score("hourly")).all()
    report = loaded.evaluate("hourly")
    assert report["CRPS"].ours < report["CRPS"].baseline
    assert [row[0] for row in report.tables[0].rows[1:]] == ["repeat last", "seasonal naive", "mean of history"]
    conjure.refused("sample", tmp_path / "made", "-n", 1, "--given", "histroy=x.csv", naming=("histroy", "history"))


def test_windows_alone_are_made_and_judged():
    small = ["training.steps=20", "training.threads=1", "codec.horizon=8"]
    made = package.fit("series", "hourly", model="vae", settings=small)
    assert made.sample(3)[0].values.shape == (8, 3)
    assert np.isfinite(made.score("hourly")).all()
    assert made.evaluate("hourly", n=32)["values gap"].ours < 1


def test_a_series_too_short_is_refused_with_its_length(conjure, tmp_path):
    pd.DataFrame({"x": np.arange(20.0)}).to_csv(tmp_path / "x.csv", index=False)
    conjure.refused(
        "fit", "forecasting", tmp_path / "x.csv", "-o", tmp_path / "o", *SMALL, naming=("96 + 6 rows", "16")
    )
