"""Numbers that come with pictures: read from a table or a file, kept by splits, asked for when sampling."""

import csv

import numpy as np
import pytest
import torch

import conjure
from conjure.core.errors import ConfigError, DataError
from conjure.core.space import Category, Columns, Number
from conjure.domains.image import corpus
from conjure.domains.image.codec import ImageCodec
from conjure.domains.image.pictures import Images, images
from tests.end_to_end.terminal import Terminal

N = 24


@pytest.fixture
def bars() -> Images:
    """Pictures as bright as their number says."""
    light = np.linspace(10, 200, N)
    pixels = np.broadcast_to(light[:, None, None], (N, 8, 8)).astype(np.uint8)
    return images(pixels, numbers={"light": light, "dark": 255 - light})


def folder(bars: Images, tmp_path, **cells: str):
    """The pictures as a folder with its table, some cells replaced."""
    place = corpus.write(bars, tmp_path / "bars")
    table = place / "metadata.csv"
    rows = list(csv.reader(table.read_text().splitlines()))
    for name, cell in cells.items():
        rows[3][rows[0].index(name)] = cell
    with table.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return place


def test_a_folder_with_its_table_reads_back_as_written(bars, tmp_path):
    found, source = corpus.read(folder(bars, tmp_path))
    assert set(found.numbers) == {"light", "dark"}
    np.testing.assert_allclose(found.numbers["light"], bars.numbers["light"], rtol=1e-8)
    other, _ = corpus.read(corpus.write(bars, tmp_path / "bars.npz"))
    np.testing.assert_array_equal(other.numbers["dark"], bars.numbers["dark"])
    altered, _ = corpus.read(folder(bars, tmp_path / "b", light="11.5"))
    assert corpus.digest(altered) != corpus.digest(found)
    assert source.sha256


def test_splits_keep_each_pictures_number(bars):
    train, held = corpus.split(bars, 0.25, 0)
    for part in (train, held):
        np.testing.assert_array_equal(part.array()[:, 0, 0, 0], part.numbers["light"].astype(np.uint8))


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ({"light": "bright"}, "metadata.csv, line 4, column 'light' holds 'bright'"),
        ({"light": "nan"}, "line 4, column 'light' holds 'nan'"),
        ({"file_name": "other.png"}, "no row for 000002.png"),
    ],
)
def test_a_table_that_does_not_fit_is_named_by_line_and_column(bars, tmp_path, cells, words):
    with pytest.raises(DataError, match=words):
        corpus.read(folder(bars, tmp_path, **cells))


def test_words_in_a_column_leave_it_out_with_a_note(bars, tmp_path):
    place = corpus.write(bars, tmp_path / "bars")
    lines = (place / "metadata.csv").read_text().splitlines()
    (place / "metadata.csv").write_text("\n".join([lines[0] + ",who", *(line + ",Ada" for line in lines[1:])]))
    found, _ = corpus.read(place)
    assert set(found.numbers) == {"light", "dark"}
    assert "'who'" in found.notes[0]


def test_numbers_are_standardised_and_stand_beside_labels(bars):
    labelled = Images(bars.pixels, np.array(["a", "b"] * (N // 2)), ("a", "b"), numbers=bars.numbers)
    codec = ImageCodec.learn(labelled, ImageCodec.Config())
    assert codec.given_space == Columns((Category("label", 2), Number("light"), Number("dark")))
    given = codec.encode(labelled).given
    assert given is not None
    assert codec.given_space.contains(given)
    assert torch.allclose(given[:, 1].mean(), torch.zeros(()), atol=1e-6)
    assert torch.allclose(given[:, 1].std(correction=0), torch.ones(()), atol=1e-6)
    again = ImageCodec.from_state(codec.state())
    asked = {"label": "b", "light": "50..60"}
    assert torch.equal(again.condition(asked, 7), codec.condition(asked, 7))
    told = codec.decode(torch.zeros(7, 1, 8, 8), given=asked)
    assert ((told.numbers["light"] >= 50) & (told.numbers["light"] <= 60)).all()
    assert set(told.labels) == {"b"}


def test_a_number_that_never_varies_is_left_out_with_a_note(bars):
    same = Images(bars.pixels, numbers={**bars.numbers, "dark": np.full(N, 3.0)})
    codec = ImageCodec.learn(same, ImageCodec.Config())
    assert list(codec.scales) == ["light"]
    assert "'dark' is 3" in codec.notes[0]
    assert ImageCodec.learn(same, ImageCodec.Config(numbers=False)).given_space is None


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"light": 300}, r"outside 10\.\.200"),
        ({"light": "bright"}, "not a number"),
        ({"light": "a..b"}, "not a range"),
        ({"light": [1, 2]}, "2 values of 'light' for 3"),
        ({"lihgt": 20}, "light"),
    ],
)
def test_a_wish_that_cannot_be_met_is_refused(bars, given, words):
    with pytest.raises(ConfigError, match=words):
        ImageCodec.learn(bars, ImageCodec.Config()).condition(given, 3)


def test_a_fit_on_a_folder_draws_what_the_number_asks_for(bars, tmp_path, monkeypatch, capsys):
    torch.set_num_threads(1)
    settings = ["training.steps=150", "training.threads=1", "training.validate_every=75", "model.width=64"]
    made = conjure.fit("images", folder(bars, tmp_path), tmp_path / "model", model="vae", settings=settings)
    dim, bright = (made.sample(32, given={"light": v}).array().mean() for v in (30, 180))
    assert bright > dim + 60, (dim, bright)
    conjured, out = Terminal(monkeypatch, capsys), tmp_path / "drawn"
    conjured.works("sample", tmp_path / "model", "-n", 3, "--given", "light=150", "-o", out)
    rows = list(csv.DictReader((out / "metadata.csv").read_text().splitlines()))
    assert len(rows) == 3
    assert all(float(row["light"]) == 150 for row in rows)
    conjured.refused("sample", tmp_path / "model", "-n", 3, "--given", "light=900", naming=("light", "10..200"))


def test_a_family_of_tokens_says_that_it_takes_no_numbers(bars):
    with pytest.raises(ConfigError, match="numbers"):
        conjure.fit("images", bars, model="decoder", settings=["training.steps=1"])
