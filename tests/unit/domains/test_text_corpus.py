"""Reading text from where it lies, splitting it without overlap, and refusing what is not text."""

from __future__ import annotations

import json

import pytest

from conjure.core.errors import DataError
from conjure.domains.text import checks, corpus, view


def test_a_file_a_folder_and_lines_of_json_are_read(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbfone\r\ntwo")
    (tmp_path / "b.txt").write_text("three", "utf-8")
    (tmp_path / "c.jsonl").write_text('{"text": "four"}\n\n{"text": "five", "id": 1}\n', "utf-8")
    assert corpus.read(tmp_path / "a.txt")[0] == ["one\ntwo"]
    assert corpus.read(str(tmp_path))[0] == ["one\ntwo", "three"]
    documents, source = corpus.read(tmp_path / "c.jsonl")
    assert documents == ["four", "five"]
    assert source.rows == 2
    assert corpus.read(["four", "five"])[1].sha256 == source.sha256
    assert corpus.read("a line\nanother")[0] == ["a line\nanother"]


def test_the_embedded_text_is_real_and_licensed():
    documents, source = corpus.read("python-docs")
    assert sum(map(len, documents)) > 300_000
    assert source.licence.startswith("PSF")
    assert "python-docs" in corpus.EMBEDDED


def test_one_text_is_cut_near_its_end_and_many_are_held_out_whole():
    kept, held_out = corpus.split(["0123456789"], 0.1, 0)
    assert (kept, held_out) == (["012345678"], ["9"])
    many = [str(i) * 10 for i in range(10)]
    kept, held_out = corpus.split(many, 0.2, 0)
    assert len(held_out) == 2
    assert sorted(kept + held_out) == many
    assert corpus.split(many, 0.2, 0)[1] == held_out
    assert corpus.split(many, 0.2, 1)[1] != held_out
    assert [len(part) for part in corpus.split(["a", "b"], 0.01, 0)] == [1, 1]


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.txt", b"", "is empty"),
        ("a.txt", b" \n ", "is empty"),
        ("a.txt", b"caf\xe9 au lait", "byte 3 is 0xe9"),
        ("a.txt", b"ab\0c", "byte 2 is zero"),
        ("a.jsonl", b'{"text": "a"}\n{"text": ', "line 2, is not JSON"),
        ("a.jsonl", b'{"txt": "a"}', 'line 1, has no "text" field'),
    ],
)
def test_what_is_not_text_is_refused_with_its_place(tmp_path, name, content, sentence):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=sentence):
        corpus.read(tmp_path / name)


def test_missing_places_and_wrong_types_are_refused(tmp_path):
    with pytest.raises(DataError, match="python-docs"):
        corpus.read("no such file")
    with pytest.raises(DataError, match=r"no \.txt file"):
        corpus.read(tmp_path)
    with pytest.raises(DataError, match="text 2 is of type int"):
        corpus.read(["a", 3])


def test_written_text_is_read_again(tmp_path):
    documents = ["é\none", "two"]
    assert corpus.read(corpus.write(documents, tmp_path / "o.jsonl"))[0] == documents
    assert json.loads((tmp_path / "o.jsonl").read_text("utf-8").splitlines()[1]) == {"text": "two"}
    assert corpus.read(corpus.write(["one"], tmp_path / "o.txt"))[0] == ["one\n"]
    with pytest.raises(DataError, match=r"not \.pdf"):
        corpus.write(documents, tmp_path / "o.pdf")


def test_copied_text_is_found():
    source = "the quick brown fox jumps over the lazy dog"
    assert checks.copied("a quick brown fox!", source, span=10) == pytest.approx(16 / 18)
    assert checks.copied("fox", source) == 1
    assert checks.copied("cat", source) == 0
    assert checks.valid("a")
    assert not checks.valid("a\ufffd")


def test_views_show_what_is_there():
    assert "&lt;b&gt;" in view.to_html("<b>")
    assert view.to_text(["a\x1b[31m", "b"]).startswith("a\\x1b[31m\n---")
