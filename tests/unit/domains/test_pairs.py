"""Pairs of texts: read from every form, coded and back, refused in a sentence."""

from __future__ import annotations

import gzip
import json

import pytest
import torch

from conjure.core.errors import ConfigError, DataError
from conjure.domains.pairs import checks, corpus, view
from conjure.domains.pairs.codec import PairsCodec
from conjure.domains.pairs.pair import Pair

PAIRS = [
    Pair("Ein Hund läuft.", "A dog runs."),
    Pair('Sie sagt "ja".', 'She says "yes".'),
    Pair("Es\tregnet", "It rains"),
]
CODEC = PairsCodec.learn(PAIRS, PairsCodec.Config(units="characters"))


@pytest.mark.parametrize("name", ["all.tsv", "all.csv", "all.jsonl"])
def test_what_is_written_is_read_again(tmp_path, name):
    read, source = corpus.read(corpus.write(PAIRS, tmp_path / name))
    assert read == PAIRS
    assert source.rows == 3


@pytest.mark.parametrize("packed", [False, True])
def test_parallel_files_by_name_and_as_a_folder(tmp_path, packed):
    for name, lines in (("x.de", "eins\nzwei\n"), ("x.en", "one\ntwo\n")):
        place = tmp_path / (name + ".gz" * packed)
        place.write_bytes(gzip.compress(lines.encode()) if packed else lines.encode())
    named = [str(f) for f in sorted(tmp_path.iterdir())]
    expected = [Pair("eins", "one"), Pair("zwei", "two")]
    assert corpus.read(":".join(named))[0] == expected
    assert corpus.read(tmp_path)[0] == expected
    assert corpus.read(tmp_path)[1].sha256 == corpus.read(expected)[1].sha256


def test_a_table_without_header_or_with_lone_quotes_is_read_as_it_stands(tmp_path):
    (tmp_path / "a.tsv").write_text('Er sagt "ja\tHe says "yes\nzwei\ttwo\n')
    assert corpus.read(tmp_path / "a.tsv")[0][0] == Pair('Er sagt "ja', 'He says "yes')


@pytest.mark.parametrize(
    ("files", "asked", "words"),
    [
        ({"a.de": "1\n2\n3\n", "a.en": "1\n2\n"}, "a.de:a.en", ("3 lines", "2 lines")),
        ({"a.de": "1\n"}, "a.de:b.en", ("b.en",)),
        ({"a.tsv": "one\ttwo\tthree\n"}, "a.tsv", ("line 1", "3 columns")),
        ({"a.jsonl": json.dumps({"source": "a"}) + "\n"}, "a.jsonl", ("line 1", '"target"')),
        ({"a.jsonl": "{\n"}, "a.jsonl", ("line 1", "not JSON")),
        ({"a.txt": "1\n"}, "a.txt", ("no file of pairs",)),
        ({"a.tsv": "\t\n"}, "a.tsv", ("empty",)),
        ({"a.tsv.gz": "no gzip"}, "a.tsv.gz", ("gzip",)),
        ({}, "nothing", ("nothing", "phrases")),
        ({"d/a": "1\n"}, "d", ("1 files",)),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path, monkeypatch, files, asked, words):
    monkeypatch.chdir(tmp_path)
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    with pytest.raises(DataError) as error:
        corpus.read(asked)
    assert all(word in str(error.value) for word in words)


def test_pairs_in_memory_must_be_two_strings():
    with pytest.raises(DataError, match="pair 2"):
        corpus.read([("a", "b"), ("a", 3)])


def test_questions_are_lines_or_the_sources_of_pairs(tmp_path):
    (tmp_path / "q.txt").write_text("eins\n\nzwei\n")
    assert corpus.read_questions(tmp_path / "q.txt") == [Pair("eins", None), Pair("", None), Pair("zwei", None)]
    assert corpus.read_questions(corpus.write(PAIRS, tmp_path / "p.tsv")) == CODEC.questions(PAIRS)
    assert corpus.read_questions(["eins"]) == [Pair("eins", None)]
    written = corpus.write([Pair("a", "b"), Pair("c", "")], tmp_path / "out.txt")
    assert written.read_text() == "b\n\n"


def test_pairs_of_one_source_stay_on_one_side():
    pairs = [Pair(str(at % 20), str(at)) for at in range(100)]
    kept, apart = corpus.split(pairs, 0.2, 3)
    assert len(kept) + len(apart) == 100
    assert not {p.source for p in kept} & {p.source for p in apart}
    assert len({p.source for p in apart}) == 4
    assert corpus.split(pairs, 0.2, 3)[1] == apart


@pytest.mark.parametrize("units", ["characters", "bytes", "bpe"])
def test_targets_and_sources_come_back_from_their_tokens(units):
    codec = PairsCodec.learn(PAIRS, PairsCodec.Config(units, 280))
    again = PairsCodec.from_state(json.loads(json.dumps(codec.state())))
    encoded = codec.encode(PAIRS)
    assert codec.space.contains(encoded.x)
    assert codec.given_space.contains(encoded.given)
    assert [p.target for p in again.decode(encoded.x)] == [p.target for p in PAIRS]
    assert [p.target for p in codec.decode(encoded.given)] == [" ".join(p.source.split()) for p in PAIRS]


def test_an_answer_keeps_its_question_and_nothing_asked_is_nothing_answered():
    x = CODEC.encode(PAIRS).x[:2]
    asked = [Pair("Ein Hund läuft.", None), Pair("  ", None)]
    assert CODEC.complete(asked, x) == [Pair("Ein Hund läuft.", "A dog runs."), Pair("  ", "")]
    assert CODEC.given_space.contains(CODEC.evidence(asked))


def test_the_word_source_is_the_condition():
    frame = CODEC.condition({"source": "Ein Hund"}, 3)
    assert torch.equal(frame, CODEC.evidence([Pair("Ein Hund", None)]))
    for given, word in (({}, "source="), ({"sauce": "x"}, "'sauce'"), ({"source": "Ж"}, "'Ж'")):
        with pytest.raises(ConfigError, match=word):
            CODEC.condition(given, 1)


def test_what_has_no_room_is_refused_in_use_and_cut_when_held_out():
    long = Pair("Hund" * 30, "dog" * 30)
    with pytest.raises(DataError, match="source 2 has 121 tokens"):
        CODEC.evidence([PAIRS[0], long])
    known = CODEC.adapt([long, Pair("Ж", "dog")])
    assert CODEC.encode(known).x.shape[0] == 2
    with pytest.raises(DataError, match="no target"):
        CODEC.encode([Pair("Hund", None)])


def test_the_embedded_set_is_one_language_in_two_orders():
    pairs, source = corpus.read("phrases")
    assert len({p.source for p in pairs}) == source.rows == 2400
    assert all(checks.valid(p) for p in pairs)
    assert len({(p.source, p.target) for p in pairs}) == 2400
    assert corpus.read("phrases")[0] == pairs


def test_a_pair_is_shown_with_its_source():
    assert view.to_text([Pair("a", "b"), Pair(None, "c\x07")]) == "a -> b\nc\\x07"
    assert "&lt;" in view.to_html(Pair("<", "b"))
    assert not checks.valid(Pair("a", None))
    assert checks.same(Pair("a", "b"), Pair("a", "b"))
