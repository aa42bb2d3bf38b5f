"""Series: times found by themselves, gaps put in, what is wrong said in one sentence; windows and their inverse."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import torch

from conjure.core.errors import ConfigError, DataError
from conjure.domains.series import checks, corpus, view
from conjure.domains.series.codec import ForecastCodec, SeriesCodec
from conjure.domains.series.season import period


def frame(rows: int = 60, start: str = "2026-01-01", step: str = "h") -> pd.DataFrame:
    times = pd.date_range(start, periods=rows, freq=step)
    hour = np.arange(rows)
    return pd.DataFrame({"when": times.astype(str), "a": np.sin(hour / 3), "b": hour * 0.5})


def codec(data: pd.DataFrame, **config: object) -> SeriesCodec:
    return SeriesCodec.learn(corpus.read(data)[0], SeriesCodec.Config(**{"horizon": 4, "history": 6, **config}))


def test_missing_rows_become_gaps():
    data = frame(20).drop(index=[5, 6, 11])
    found, _ = corpus.read(data)
    assert (found.time, found.columns, len(found[0])) == ("when", ("a", "b"), 20)
    assert np.flatnonzero(np.isnan(found[0].values[:, 0])).tolist() == [5, 6, 11]
    assert "3 missing rows" in found.notes[0]
    assert found[0].clock.at(5, 1)[0] == pd.Timestamp("2026-01-01 05:00")


@pytest.mark.parametrize(("step", "after"), [("MS", "2028-07-01"), ("ME", "2028-07-31"), ("W", "2026-08-02")])
def test_a_calendar_step_is_found_and_counted_on(step, after):
    found, _ = corpus.read(frame(30, "2026-01-04" if step == "W" else "2026-01-01", step))
    assert found[0].clock.at(30, 1)[0] == pd.Timestamp(after)


def test_numbers_called_time_are_times_and_others_are_not():
    data = pd.DataFrame({"t": [1, 2, 4], "x": [1.0, 2.0, 4.0]})
    found, _ = corpus.read(data)
    assert found.time == "t"
    assert np.isnan(found[0].values[2, 0])
    assert corpus.read(data.rename(columns={"t": "y"}))[0].columns == ("y", "x")


def test_wrong_times_get_a_sentence_with_the_row():
    twice = pd.concat([frame(5), frame(5).tail(1)], ignore_index=True)
    with pytest.raises(DataError, match=r"row 6 .*repeats the time of row 5"):
        corpus.read(twice)
    with pytest.raises(DataError, match=r"row 4 .*earlier than the row before it: sort"):
        corpus.read(frame(5).iloc[[0, 1, 3, 2, 4]])
    odd = frame(5)
    odd.loc[3, "when"] = "2026-01-01 02:30:00"
    with pytest.raises(DataError, match=r"off the regular step of .*00:30:00|off the regular step"):
        corpus.read(odd.assign(when=["2026-01-01", "2026-01-02", "2026-01-03", "2026-01-04 07:00", "2026-01-05 09:13"]))
    odd.loc[3, "when"] = "later"
    long = pd.concat([odd, frame(40, "2026-01-01 05:00")], ignore_index=True)
    with pytest.raises(DataError, match=r"row 4: 'later' in column 'when' is not a time"):
        corpus.read(long)


def test_text_among_numbers_is_named_by_row_and_column(tmp_path):
    data = frame(30).astype({"b": str})
    data.loc[6, "b"] = "n.v."
    data.to_csv(tmp_path / "x.csv", index=False)
    with pytest.raises(DataError, match=r"x.csv, row 7, column 'b': 'n.v.' is not a number"):
        corpus.read(tmp_path / "x.csv")


def test_a_folder_is_one_series_a_file_and_a_broken_one_is_named(tmp_path):
    frame(30).to_csv(tmp_path / "a.csv", index=False)
    frame(8).to_csv(tmp_path / "b.csv", index=False)
    (tmp_path / "c.csv").write_text("when,a,b\n2026-01-01,1\n")
    found, source = corpus.read(tmp_path)
    assert [one.name for one in found] == ["a", "b"]
    assert source.rows == 38
    assert "1 of 3 files" in found.notes[-1]
    assert "c.csv" in found.notes[-1]
    learnt = SeriesCodec.learn(found, SeriesCodec.Config(4, 6))
    assert "1 of 2 series are shorter than 6 + 4 rows and were left out: b" in learnt.notes
    assert len(learnt.encode(found).x) == 30 - 10 + 1
    frame(9).rename(columns={"b": "z"}).to_csv(tmp_path / "d.csv", index=False)
    with pytest.raises(DataError, match=r"d.csv has other columns than a.csv: also z and not b"):
        corpus.read(tmp_path)


def test_the_end_is_held_out_and_keeps_its_history():
    found, _ = corpus.read(frame(50))
    kept, held = corpus.split(found, 0.2, 0)
    assert len(kept[0]) == 40
    learnt = SeriesCodec.learn(kept, SeriesCodec.Config(4, 6))
    x, plain = learnt.encode(held), learnt._plain
    assert len(x.x) == 10 - 4 + 1
    np.testing.assert_allclose(plain(x.x)[0, :, 1], np.arange(40, 44) * 0.5, atol=1e-4)
    np.testing.assert_allclose(plain(x.given[:, 0])[0, :, 1], np.arange(34, 40) * 0.5, atol=1e-4)


def test_what_is_missing_is_masked():
    data = frame(30)
    data.loc[12, "a"] = np.nan
    found = codec(data).encode(corpus.read(data)[0])
    window = 12 - 6  # its future starts at row 12
    assert not found.mask[window, 0, 0]
    assert found.mask[window].sum() == 7
    assert found.x[window, 0, 0] == 0
    later = window + 1  # there row 12 is the last of the history
    assert found.given[later, 1, -1].tolist() == [0, 1]
    assert found.given[later, 0, -1, 0] == 0


def test_windows_come_back_and_state_survives_json():
    data = frame(30)
    made = codec(data, history=0)
    x = made.encode(corpus.read(data)[0]).x
    again = SeriesCodec.from_state(json.loads(json.dumps(made.state())))
    series = again.decode(x)
    np.testing.assert_allclose(series[3].values, data[["a", "b"]].to_numpy()[3:7], atol=1e-5)
    assert checks.valid(series[3])
    assert checks.same(series[3], made.decode(x)[3])
    assert not hasattr(made, "questions")
    both = codec(data)
    told = SeriesCodec.from_state(json.loads(json.dumps(both.state())))
    assert isinstance(told, ForecastCodec)
    assert torch.equal(told.condition({}, 3), both.evidence(corpus.read(data)[0]))
    with pytest.raises(ConfigError, match="did you mean 'history'"):
        both.condition({"histori": "x.csv"}, 1)


def test_nats_are_of_the_data_not_of_the_scale():
    data = frame(30)
    small, large = data, data.assign(a=data["a"] * 10, b=data["b"] * 10)
    nats = [codec(d).log_density(corpus.read(d)[0]) for d in (small, large)]
    np.testing.assert_allclose(nats[0] - nats[1], 8 * np.log(10), rtol=1e-6)


def test_other_columns_and_short_series_get_a_sentence():
    made = codec(frame(30))
    with pytest.raises(DataError, match=r"lacks b and has also z; the model knows the columns a, b"):
        made.encode(corpus.read(frame(30).rename(columns={"b": "z"}))[0])
    with pytest.raises(DataError, match=r"no series has 6 \+ 4 rows: the longest, 1, has 9 rows"):
        made.encode(corpus.read(frame(9))[0])
    swapped = made.encode(corpus.read(frame(30)[["when", "b", "a"]])[0])
    assert torch.equal(swapped.x, made.encode(corpus.read(frame(30))[0]).x)


def test_several_series_in_one_table_are_written_and_read(tmp_path):
    made = codec(frame(30))
    drawn = made.decode(torch.zeros(3, 4, 2))
    found, _ = corpus.read(corpus.write(drawn, tmp_path / "drawn.csv"))
    assert [len(one) for one in found] == [4, 4, 4]
    assert found[0].clock.at(0, 1)[0] == pd.Timestamp("2026-01-02 06:00")
    assert "..." not in view.to_text(drawn)
    assert view.to_html(drawn).count("<svg") == 3


def test_the_season_is_found():
    hour = np.arange(24 * 40)
    rng = np.random.default_rng(0)
    daily = np.sin(2 * np.pi * hour / 24) + 0.3 * rng.normal(size=len(hour)) + 0.01 * hour
    assert period(daily[:, None]) == 24
    assert period(rng.normal(size=(500, 1))) == 1
    assert corpus.read("hourly")[0].period == 24
