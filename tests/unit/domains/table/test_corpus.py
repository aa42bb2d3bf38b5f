"""Reading tables: what is accepted, and one sentence for each thing that is wrong."""

import numpy as np
import pandas as pd
import pytest

from conjure.core.errors import ConfigError, DataError
from conjure.domains.table import corpus
from conjure.domains.table.codec import TableCodec
from conjure.domains.table.reading import LargeTable


def put(tmp_path, text: str | bytes, name: str = "t.csv"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize("sign", [",", ";", "\t", "|"])
def test_delimiter_is_found(tmp_path, sign):
    frame, source = corpus.read(put(tmp_path, f"a{sign}b\n1{sign}x\n2{sign}y\n"))
    assert frame["a"].tolist() == [1, 2]
    assert frame["b"].tolist() == ["x", "y"]
    assert source.rows == 2
    assert len(source.sha256) == 64


def test_byte_order_mark_and_blanks_are_stripped(tmp_path):
    frame, _ = corpus.read(put(tmp_path, "\ufeffage, job\n 39, clerk\n 50, cook \n"))
    assert list(frame.columns) == ["age", "job"]
    assert frame["age"].dtype == np.int64
    assert frame["job"].tolist() == ["clerk", "cook"]


def test_quoted_commas_quotes_and_line_breaks(tmp_path):
    frame, _ = corpus.read(put(tmp_path, 'a,b\n"x, ""y""","1\n2"\nz,3\n'))
    assert frame.to_numpy().tolist() == [['x, "y"', "1\n2"], ["z", "3"]]


def test_missing_cells_and_question_marks_among_numbers(tmp_path):
    frame, _ = corpus.read(put(tmp_path, "a,b\n1,?\n,?\n3,x\n?,y\n5,x\n"))
    assert frame["a"].isna().tolist() == [False, True, False, True, False]
    assert frame["b"].tolist() == ["?", "?", "x", "y", "x"]


def test_leading_zeros_are_kept(tmp_path):
    frame, _ = corpus.read(put(tmp_path, "zip\n01234\n98765\n"))
    assert frame["zip"].tolist() == ["01234", "98765"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "is empty"),
        ("a,b\n", "column names but no rows"),
        ("a,b,a\n1,2,3\n", r"2 columns called 'a' \(columns 1, 3\)"),
        ("a,b\n1,2\n3\n", "line 3: expected 2 fields as in the first line, found 1"),
        ('a,b\n"x\ny",2\n3,4,5\n', "line 4: expected 2 fields as in the first line, found 3"),
        ("a,b\n1,é\n2,ü\n".encode("latin-1"), r"is not UTF-8: line 2, byte 7 is 0xe9"),
        ("a,b\n1,2\n".encode("utf-16"), "is encoded in UTF-16"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_with_its_place(tmp_path, text, sentence):
    path = put(tmp_path, text)
    with pytest.raises(DataError, match=sentence) as caught:
        corpus.read(path)
    assert str(path) in str(caught.value)


def learn(frame):
    return TableCodec.learn(frame, TableCodec.Config())


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a,b\n1,x\n2,y\ninf,z\n4,x\n", "column 'a' holds an infinite value in row 3"),
        ("a,b\n1,x\n2,y\nfour,z\n4,x\n", "column 'a' mixes types: most cells hold a number, but row 3 holds 'four'"),
        ("d,b\n2020-01-01,1\n2020-02-01,2\nsoon,2\n", "column 'd' mixes types: .* but row 3 holds 'soon'"),
        ("a,b\n1,x\n", "the table has 1 row; at least 2 are needed"),
        ("a,b\n1,\n1,\n", "no column is left to learn from: 'a' is constant, 'b' is constant"),
    ],
)
def test_data_that_cannot_be_learnt_is_named_with_its_cell(tmp_path, text, sentence):
    frame, _ = corpus.read(put(tmp_path, text))
    with pytest.raises(DataError, match=sentence):
        learn(frame)


def test_python_objects_of_two_types_in_a_column():
    with pytest.raises(DataError, match="column 'a' mixes types: most cells hold a number, but row 3 holds 'x'"):
        learn(pd.DataFrame({"a": [1, 2, "x", 4], "b": [1, 2, 3, 4]}))


def test_a_table_of_one_row_cannot_be_split():
    with pytest.raises(DataError, match="1 row"):
        corpus.split(pd.DataFrame({"a": [1]}), 0.1, 0)


@pytest.mark.parametrize("name", ["nowhere.csv", "breast-cancr"])
def test_a_missing_file_names_the_nearest_embedded_table(name):
    with pytest.raises(DataError, match="does not exist"):
        corpus.read(name)
    if name == "breast-cancr":
        with pytest.raises(DataError, match="did you mean 'breast-cancer'"):
            corpus.read(name)


@pytest.mark.parametrize("name", corpus.EMBEDDED)
def test_embedded_tables_have_plain_names_and_a_licence(name):
    pytest.importorskip("sklearn")
    frame, source = corpus.read(name)
    assert source.rows == len(frame) > 100
    assert source.licence != "unknown"
    assert not [c for c in frame.columns if "_" in c]
    assert corpus.read(name)[1].sha256 == source.sha256


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet"])
def test_what_is_written_is_read_again(tmp_path, suffix):
    frame = pd.DataFrame({"n": [1, 2, 3], "x": [0.5, np.nan, 2.0], "s": ["é", None, "a,b"]})
    path = corpus.write(frame, tmp_path / f"out{suffix}")
    pd.testing.assert_frame_equal(corpus.read(path)[0], frame)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_whole_numbers_beside_missing_cells_are_written_without_a_point(tmp_path):
    path = corpus.write(pd.DataFrame({"n": [1.0, np.nan]}), tmp_path / "o.csv")
    assert path.read_text() == 'n\n1\n""\n' or path.read_text() == "n\n1\n\n"


def test_an_unknown_suffix_is_refused_with_the_known_ones(tmp_path):
    with pytest.raises(ConfigError, match=r"should end in \.csv"):
        corpus.write(pd.DataFrame({"n": [1]}), tmp_path / "o.xlsx")


def test_split_is_a_partition_that_keeps_row_numbers():
    frame = pd.DataFrame({"n": range(100)})
    kept, held = corpus.split(frame, 0.2, 1)
    assert len(held) == 20
    assert sorted([*kept["n"], *held["n"]]) == list(range(100))
    assert (kept.index == kept["n"]).all()
    assert corpus.split(frame, 0.2, 1)[1].equals(held)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_file_over_the_cap_stays_on_disk(tmp_path, suffix):
    frame = pd.DataFrame({"n": np.arange(150_000), "s": np.arange(150_000) % 7})
    path = corpus.write(frame, tmp_path / f"big{suffix}")
    large, source = corpus.read(path, cells=1000, size=1000)
    assert isinstance(large, LargeTable)
    assert large.rows == source.rows == len(frame)
    pd.testing.assert_frame_equal(pd.concat(list(large.chunks())), frame, check_index_type=False)
    some = large.sample(1000, 3)
    assert len(some) == 1000
    assert (some["n"] == some.index).all()
    assert abs(some["n"].mean() - 75_000) < 6_000


def test_types_of_a_large_file_are_told_from_all_of_the_sample(tmp_path, monkeypatch):
    monkeypatch.setattr("conjure.domains.table.reading.BLOCK", 2000)
    frame = pd.DataFrame({"code": [str(k % 50) for k in range(3000)] + ["A7"] * 3000, "n": np.arange(6000) % 9})
    large, _ = corpus.read(corpus.write(frame, tmp_path / "big.csv"), size=1000)
    assert len(list(large.chunks())) > 3
    codec = TableCodec.learn(large.sample(6000, 0), TableCodec.Config(schema={"columns": {"code": "category"}}))
    whole = codec.encode(frame).x
    assert np.array_equal(np.concatenate([codec.encode(piece).x for piece in large.chunks()]), whole)


def test_dataframes_with_two_columns_of_one_name_are_refused():
    with pytest.raises(DataError, match="2 columns called 'a'"):
        corpus.read(pd.DataFrame([[1, 2]], columns=["a", "a"]))
