"""Codecs under a privacy budget: what they release, and that one row changes only what it may."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from conjure.core.errors import ConfigError
from conjure.core.privacy import Budget, Ledger
from conjure.domains.table import private, refining
from conjure.domains.table.codec import TableCodec


class Silence:
    """Noise of nothing: what is released without any."""

    def normal(self, *shape: int) -> np.ndarray:
        return np.zeros(shape)


def people(n: int = 8000, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "age": rng.integers(18, 80, n),
            "gain": np.where(rng.random(n) < 0.9, 0, rng.integers(1000, 9000, n)),
            "height": rng.normal(1.7, 0.1, n).round(2),
            "job": rng.choice(["nurse", "clerk", "smith"], n, p=[0.5, 0.3, 0.2]),
            "name": [f"person {k}" for k in range(n)],
            "day": pd.Series(pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 300, n), "D")).dt.strftime(
                "%Y-%m-%d"
            ),
        }
    )


def learnt(frame: pd.DataFrame, epsilon: float = 1.0, noise=None, **settings) -> tuple[TableCodec, Ledger]:
    ledger = Ledger(Budget(epsilon), noise or Ledger(Budget(1.0)).noise)
    return private.learn(frame, TableCodec.Config(**{"bins": 16, **settings}), ledger)[0], ledger


def test_kinds_are_elected_and_names_are_never_learnt():
    codec, _ = learnt(people(), epsilon=3.0)
    kinds = {c.name: (c.kind, c.decimals) for c in codec.schema.columns}
    assert kinds["age"] == ("number", 0)
    assert kinds["height"] == ("number", 2)
    assert kinds["job"][0] == "category"
    assert kinds["day"][0] == "date"
    assert kinds["name"][0] == "id"
    assert "person 17" not in json.dumps(codec.state())


def test_rows_come_back_near_where_they_were():
    frame = people()
    codec, _ = learnt(frame, epsilon=3.0)
    x = private.encode(frame, codec).x
    assert codec.space.contains(x)
    made = codec.decode(x)
    assert (made["job"] == frame["job"]).all()
    assert np.abs(made["age"] - frame["age"]).mean() < 6  # noise is of the system's own source: 1.5, seldom 2.5
    assert ((made["gain"] == 0) == (frame["gain"] == 0)).mean() > 0.97
    again = TableCodec.from_state(json.loads(json.dumps(codec.state())))
    assert again.space == codec.space


def test_a_value_of_one_row_alone_is_not_released():
    frame = people()
    frame.loc[5, "job"] = "astronaut"
    frame.loc[6, "age"] = 10**9
    codec, _ = learnt(frame, noise=Silence())
    assert codec.fields["job"].values == ["nurse", "clerk", "smith"]
    assert codec.coders["age"].span[1] < 200
    assert np.isfinite(codec.decode(private.encode(frame, codec).x)["age"].to_numpy(float)).all()


def test_a_row_more_changes_no_count_by_more_than_one():
    frame = people(500)
    asked: list[list[np.ndarray]] = []

    class Watching(Ledger):
        def counts(self, what, exact, mu, times=1):
            asked[-1].append(exact.copy())
            return super().counts(what, exact, mu, times)

    for rows in (frame, frame.iloc[1:]):
        asked.append([])
        ledger = Watching(Budget(1.0), Silence())
        config = TableCodec.Config(schema={"columns": {"name": "category"}})
        private.learn(rows.drop(columns="name").assign(name="x"), config, ledger)
    assert len(asked[0]) == len(asked[1]) > 10
    for with_, without in zip(*asked):
        assert np.abs(with_ - without).sum() <= 1


def test_the_certificate_tells_nothing_that_has_no_noise():
    """How many values a column has is a secret too."""
    said = json.dumps(learnt(people())[1].certificate())
    assert "8000" not in said
    assert all(set(e) == {"what", "mu", "scale"} for e in json.loads(said)["entries"])


def test_one_odd_row_changes_how_no_other_is_read():
    """A reader takes 1 for 1.0 beside an empty cell, and ? for empty beside numbers; the codec must not care."""
    whole, gappy = pd.Series([1, 2, 2]), pd.Series([1, 2, 2, None])
    assert private._text(gappy)[:3].tolist() == private._text(whole).tolist() == ["1", "2", "2"]
    beside = private._votes(pd.Series(["1", "?", "2", "word"]))
    assert beside[:3].tolist() == private._votes(pd.Series([1, None, 2])).tolist()


def test_rules_are_refused_and_missing_cells_are_kept():
    with pytest.raises(ConfigError, match="rules are learnt from single rows"):
        learnt(people(), rules=("0 <= age <= 99",))
    frame = people()
    frame.loc[frame.index[:3000], "job"] = None
    codec, _ = learnt(frame, epsilon=3.0)
    assert codec.coders["job"].missing
    assert codec.decode(private.encode(frame, codec).x)["job"].isna().mean() == pytest.approx(3 / 8, abs=0.01)


def test_noise_alone_makes_no_interval_far_out_and_draws_none_out():
    """One count in 30,000 is above four noise scales: at a far power of two it would make values of 10^16."""
    rng = np.random.default_rng(0)
    octaves = np.zeros(len(refining.octaves(grid=True)))
    octaves[[3, 70, 71, 90]] = 5.0 * 30, 50 * 30, 5.0 * 30, 5.0 * 30
    shown = iter([octaves])
    noisy = lambda c: next(shown, c + rng.normal(0, 30, c.shape))  # noqa: E731
    leaves, _ = refining.refine(np.full(9, 70.0), noisy, 30.0, grid=True)
    edges = refining.octaves(grid=True)
    assert edges[70] <= min(leaf.low for leaf in leaves) < max(leaf.high for leaf in leaves) <= edges[72]
    for _ in range(30):  # ages from 18 to 79: the last octave ends at 128
        leaves, _ = refining.refine(
            rng.integers(18, 80, 8000).astype(float), lambda c: c + rng.normal(0, 15, c.shape), 15.0, grid=True
        )
        found = refining.bins(leaves, 15.0, 16, grid=True)
        assert found[0].low == 18
        assert found[-1].high <= 112


def test_refining_finds_a_spike_far_out():
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(0, 1, 5000).round(), np.full(600, 99_999.0)])
    leaves, empty = refining.refine(values, lambda c: c + np.round(rng.normal(0, 30, c.shape)), 30.0, grid=True)
    found = refining.bins(leaves, 30.0, 16, grid=True)
    last = found[-1]
    assert last.low <= 99_999 < last.high
    assert last.count == pytest.approx(600, abs=150)
    assert abs(empty) < 150
