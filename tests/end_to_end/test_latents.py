"""Codes by Python and by words: encode, decode, interpolate, traverse, and what they say to those without codes."""

from __future__ import annotations

import json

import numpy as np
import pytest

import conjure as package
from conjure.domains.image import corpus
from conjure.latents import Codes
from tests.end_to_end.runs import COMMON
from tests.end_to_end.terminal import Terminal

SMALL = (*COMMON, "training.steps=60", "model.width=64", "model.layers=1", "training.batch=128")


@pytest.fixture
def conjure(monkeypatch, capsys) -> Terminal:
    return Terminal(monkeypatch, capsys)


@pytest.fixture(scope="module")
def painter(tmp_path_factory):
    """A small VAE of digits by class, in its folder."""
    folder = tmp_path_factory.mktemp("painter") / "made"
    package.fit("images", "digits", folder, model="vae", settings=[*SMALL, "model.latent=6"])
    return folder


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    """A small autoencoder of short texts, in its folder."""
    at = tmp_path_factory.mktemp("words")
    lines = [json.dumps({"text": f"{a}{b}{a}"}) for a in "abcd" for b in "efgh"] * 5
    (at / "names.jsonl").write_text("\n".join(lines), "utf-8")
    settings = [*SMALL, "model.latent=8", "codec.layout=documents", "training.rate=0.01", "training.steps=150"]
    package.fit("text", str(at / "names.jsonl"), at / "made", model="autoencoder", settings=settings)
    return at


def test_codes_go_to_a_file_and_come_back_as_objects(painter, conjure, tmp_path):
    assert conjure("encode", str(painter), "digits", "-o", str(tmp_path / "z.npz")).code == 0
    assert conjure("decode", str(painter), str(tmp_path / "z.npz"), "-o", str(tmp_path / "back.npz")).code == 0
    with np.load(tmp_path / "z.npz") as codes, np.load(tmp_path / "back.npz") as back:
        digits, _ = corpus.read("digits")
        assert codes["z"].shape == (len(digits), 6)
        assert (back["labels"] == digits.labels).all()
        error = np.abs(back["images"].astype(float) - digits.array()).mean()
        assert error < np.abs(digits.array() - digits.array().mean(0)).mean()  # nearer than the mean digit


def test_walks_begin_and_end_at_what_the_codes_stand_for(painter, conjure, tmp_path):
    model = package.load(painter)
    digits, _ = corpus.read("digits")
    walk = model.interpolate(digits, (3, 17), 5)
    ends = model.decode(model.encode(digits.take(np.array([3, 17]))))
    assert len(walk) == 5
    assert (walk[0] == ends[0]).all()
    assert (walk[4] == ends[1]).all()
    for command in (("interpolate", "--rows", "3,17"), ("traverse", "--row", "3", "--along", "5")):
        verb, *options = command
        place = tmp_path / f"{verb}.png"
        assert conjure(verb, str(painter), "digits", *options, "--steps", "4", "-o", str(place)).code == 0
        assert place.stat().st_size > 100


def test_a_traversal_moves_one_number_alone(painter):
    model = package.load(painter)
    digits, _ = corpus.read("digits")
    low, high = (np.stack(list(model.traverse(digits, 3, along, 2))).astype(float) for along in (0, 1))
    assert not np.array_equal(low[0], low[1])
    assert not np.array_equal(low[0], high[0])


def test_texts_have_codes_too(words):
    model = package.load(words / "made")
    texts = model.interpolate(str(words / "names.jsonl"), (0, 5), 4)
    assert len(texts) == 4
    assert set("".join(texts)) <= set("abcdefgh")


@pytest.mark.parametrize(
    ("words_", "sentence"),
    [
        (("interpolate", "digits", "--rows", "3"), "--rows '3' is not of the form 3,17"),
        (("interpolate", "digits", "--rows", "3,9000"), "there is no row 9000"),
        (("traverse", "digits", "--row", "3", "--along", "6"), "numbers 0 to 5"),
        (("encode", "digits"), "codes are written as .npz"),
    ],
)
def test_mistakes_get_a_sentence(painter, conjure, tmp_path, words_, sentence):
    verb, data, *options = words_
    said = conjure(verb, str(painter), data, *options, "-o", str(tmp_path / "out.png"))
    assert said.code == 2
    assert sentence in said.err


def test_foreign_codes_and_families_without_codes_are_refused(painter, conjure, tmp_path):
    np.savez(tmp_path / "wrong.npz", z=np.zeros((2, 5), np.float32))
    said = conjure("decode", str(painter), str(tmp_path / "wrong.npz"), "-o", str(tmp_path / "out.npz"))
    assert (said.code, "the shape (6,), not (5,)" in said.err) == (2, True)
    with pytest.raises(package.ConjureError, match="an array 'given' of label"):
        package.load(painter).decode(Codes(np.zeros((2, 6), np.float32)))
    made = package.fit("tables", "wine", model="independent")
    with pytest.raises(package.ConjureError, match="has no codes: fit a 'vae' or an 'autoencoder'"):
        made.encode("wine")
