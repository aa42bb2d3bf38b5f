"""Pictures read from folders, files and arrays; what is broken or odd is named."""

import numpy as np
import pytest
from PIL import Image

from conjure.core.errors import DataError
from conjure.domains.image import corpus
from conjure.domains.image.checks import same, valid
from conjure.domains.image.pictures import Images, images
from conjure.domains.image.view import contact_sheet, to_html, to_text

RNG = np.random.default_rng(0)


def picture(*shape):
    return RNG.integers(0, 256, shape, dtype=np.uint8)


@pytest.fixture
def folder(tmp_path):
    """Two classes of three 6 x 5 pictures."""
    for name in ("cats", "dogs"):
        (tmp_path / name).mkdir()
        for k in range(3):
            Image.fromarray(picture(5, 6, 3)).save(tmp_path / name / f"{k}.png")
    return tmp_path


def test_sub_folders_are_classes(folder):
    found, source = corpus.read(folder)
    assert found.labels.tolist() == ["cats"] * 3 + ["dogs"] * 3
    assert found.array().shape == (6, 5, 6, 3)
    assert source.rows == 6
    assert corpus.read(folder)[1].sha256 == source.sha256


def test_a_picture_beside_the_sub_folders_means_no_classes(folder):
    Image.fromarray(picture(5, 6, 3)).save(folder / "one.jpg")
    assert corpus.read(folder)[0].labels is None


def test_a_broken_file_is_named_left_out_and_counted(folder):
    (folder / "cats" / "note.png").write_text("not a picture")
    whole = (folder / "dogs" / "0.png").read_bytes()
    (folder / "dogs" / "cut.png").write_bytes(whole[: len(whole) // 2])
    found, _ = corpus.read(folder)
    assert len(found) == 6
    assert found.notes[0].startswith("2 broken picture files left out: ")
    assert "note.png" in found.notes[0]
    assert "cut.png" in found.notes[0]


def test_folders_without_pictures_are_refused(tmp_path):
    with pytest.raises(DataError, match="holds no PNG or JPEG"):
        corpus.read(tmp_path)
    (tmp_path / "a.png").write_text("no")
    with pytest.raises(DataError, match=r"a\.png is broken"):
        corpus.read(tmp_path)
    with pytest.raises(DataError, match="embedded: digits"):
        corpus.read("nowhere")


def test_transparency_lies_on_white_and_depth_is_cut_to_bytes(tmp_path):
    Image.fromarray(np.zeros((4, 4, 4), np.uint8)).save(tmp_path / "clear.png")
    Image.fromarray(np.full((4, 4), 0x80FF, np.uint16)).save(tmp_path / "deep.png")
    found, _ = corpus.read(tmp_path)
    assert found[0].shape == (4, 4, 3)
    assert (found[0] == 255).all()
    assert found[1].shape == (4, 4, 1)
    assert (found[1] == 0x80).all()


def test_digits_ship_with_a_licence():
    found, source = corpus.read("digits")
    assert found.array().shape == (1797, 8, 8, 1)
    assert found.classes == tuple("0123456789")
    assert source.licence == "CC-BY-4.0"
    assert len(np.unique(found.array())) == 17


@pytest.mark.parametrize(
    ("array", "sentence"),
    [
        (np.zeros((3, 4)), "has shape"),
        (np.zeros((2, 4, 4, 7)), "has shape"),
        (np.zeros((0, 4, 4)), "is empty"),
        (np.full((2, 4, 4), 1.5), "image 1, has values from 1.5"),
        (np.full((2, 4, 4), 300), "should lie in 0..255"),
        (np.full((2, 4, 4), np.nan), "image 1, has values from nan"),
        (np.full((2, 4, 4), "x"), "images hold numbers"),
    ],
)
def test_arrays_that_are_no_images_are_refused(array, sentence):
    with pytest.raises(DataError, match=sentence):
        images(array)


def test_fractions_and_bits_become_bytes():
    assert images(np.array([[[0.0, 0.5, 1.0]]]))[0].ravel().tolist() == [0, 128, 255]
    assert images(np.array([[[False, True]]]))[0].ravel().tolist() == [0, 255]


def test_a_split_is_stratified_whole_and_repeatable():
    found, _ = corpus.read("digits")
    kept, held = corpus.split(found, 0.1, 7)
    assert len(kept) + len(held) == 1797
    assert all(abs((held.labels == c).sum() - 18) <= 1 for c in found.classes)
    again = corpus.split(found, 0.1, 7)[1]
    assert np.array_equal(held.array(), again.array())


def test_a_class_of_one_stays_in_training_and_one_picture_cannot_be_split():
    few = images(picture(4, 3, 3), ["a", "b", "b", "b"])
    kept, held = corpus.split(few, 0.5, 0)
    assert "a" in kept.labels
    assert set(held.labels) == {"b"}
    assert len(corpus.split(images(picture(3, 4, 4)), 0.1, 0)[1]) == 1
    with pytest.raises(DataError, match="too few"):
        corpus.split(images(picture(1, 4, 4)), 0.5, 0)


@pytest.mark.parametrize("name", ["out", "out.npz"])
def test_what_is_written_is_read_back(tmp_path, name):
    before = images(picture(4, 5, 6, 3), ["a", "b", "a", "b"])
    after, _ = corpus.read(corpus.write(before, tmp_path / name))
    order = np.argsort(before.labels, kind="stable") if name == "out" else np.arange(4)
    assert np.array_equal(after.array(), before.array()[order])
    assert after.labels.tolist() == before.labels[order].tolist()


def test_a_sheet_comes_with_its_pictures_and_a_full_folder_is_kept(tmp_path):
    grey = images(picture(5, 8, 8))
    assert corpus.write(grey, tmp_path / "made.png").is_file()
    assert len(corpus.read(tmp_path / "made")[0]) == 5
    with pytest.raises(DataError, match="not an empty folder"):
        corpus.write(grey, tmp_path / "made")
    with pytest.raises(DataError, match=r"not \.gif"):
        corpus.write(grey, tmp_path / "made.gif")
    assert np.array_equal(np.load(corpus.write(grey, tmp_path / "made.npy")), grey.array())


@pytest.mark.parametrize("kind", ["folder", "array"])
def test_what_is_over_the_cap_is_read_piece_by_piece(folder, kind, monkeypatch):
    data = folder
    if kind == "array":
        data = folder / "all.npy"
        np.save(data, corpus.read(folder)[0].array())
    whole, _ = corpus.read(data)
    monkeypatch.setattr(corpus, "PIECE", 200)
    chunked, source = corpus.read(data, largest=100)
    assert chunked.rows == source.rows == 6
    assert len(chunked.sample(100, 0)) < 6
    pieces = list(chunked.chunks())
    assert len(pieces) > 1
    seen = sorted(p.tobytes() for piece in pieces for p in piece)
    assert seen == sorted(p.tobytes() for p in whole)
    if kind == "folder":
        assert pieces[0].classes == ("cats", "dogs")


def test_checks_tell_pictures_from_blanks_and_copies():
    one = picture(4, 4, 1)
    assert valid(one)
    assert not valid(np.zeros((4, 4, 1), np.uint8))
    assert not valid(one.astype(float))
    assert same(one, one.copy())
    assert not same(one, one[:3])


def test_sheets_and_pages_show_every_picture():
    three = Images([np.full((8, 8, 1), v, np.uint8) for v in (0, 120, 255)], np.array(["a", "b", "c"]))
    sheet = np.asarray(contact_sheet(three, columns=3))
    assert [sheet[20, 2 + 50 * k + 20, 0] for k in range(3)] == [0, 120, 255]
    assert to_html(three).startswith('<img alt="3 images"')
    assert to_text(three, most=2).endswith("(1 more; -o FILE.png writes them all)")
