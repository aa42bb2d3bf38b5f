"""Rankings survive the way out and in again, and a file that is none is named by its line."""

from __future__ import annotations

import json

import pytest

from conjure.core.errors import ConfigError, DataError
from conjure.feedback.formats import export, load
from conjure.feedback.opinions import Candidate, Opinion
from conjure.feedback.rankings import ranked
from conjure.feedback.store import Store


@pytest.fixture
def store(tmp_path):
    made = Store(tmp_path / "votes.db")
    lap = made.open_round("first")
    ids = made.add(lap, "say hello", [Candidate("hello"), Candidate("hi"), Candidate("no"), Candidate("never read")])
    who = made.rater("ann", "a")
    made.judge(lap, who, 1, Opinion(dict(zip(ids, (1.0, 1.0, 2.0))), {"relevance": {ids[0]: 7}}))
    return made


def records(store, tmp_path, form):
    text = export(store, 1, tmp_path / form, form).read_text()
    return json.loads(text) if form == "label-studio" else [json.loads(line) for line in text.splitlines()]


def test_pairs_are_those_told_apart(store, tmp_path):
    found = [(r["chosen"], r["rejected"]) for r in records(store, tmp_path, "pairs")]
    assert found == [("hello", "no"), ("hi", "no")]


def test_rankings_keep_ties_gaps_and_points(store, tmp_path):
    (found,) = records(store, tmp_path, "rankings")
    assert found["ranks"] == [1, 1, 2, None]
    assert found["scores"] == {"relevance": [7, None, None, None]}
    assert found["rater"] == "ann"


def test_other_tools_records(store, tmp_path):
    (record,) = records(store, tmp_path, "argilla")
    assert record["fields"]["completion_3"] == "no"
    assert record["responses"]["ranking"][0]["value"][2] == {"value": "completion_3", "rank": 2}
    (task,) = records(store, tmp_path, "label-studio")
    assert task["annotations"][0]["result"][0]["value"]["ranker"]["rank"] == ["0", "1", "2"]
    assert task["data"]["items"][2]["body"] == "no"


def test_out_and_in_again_is_the_same(store, tmp_path):
    path = export(store, 1, tmp_path / "all.jsonl", "rankings")
    other = Store(tmp_path / "other.db")
    assert load(other, other.open_round("first"), path) == 1
    (a,), (b,) = ranked(store, 1), ranked(other, 1)
    assert (a.prompt, a.completions, a.rater) == (b.prompt, b.completions, b.rater)
    assert str(a.ranks) == str(b.ranks)


def test_pairs_come_in(tmp_path):
    (tmp_path / "pairs.jsonl").write_text('{"prompt": "p", "chosen": "a", "rejected": "b"}\n\n')
    other = Store(tmp_path / "other.db")
    assert load(other, other.open_round("first"), tmp_path / "pairs.jsonl") == 1
    assert [r.ranks for r in ranked(other, 1)] == [(1.0, 2.0)]


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("{", "line 2 is not JSON"),
        ('{"chosen": "a"}', 'line 2 has no "prompt"'),
        ('{"prompt": "p"}', "line 2 needs"),
        ('{"prompt": "p", "completions": ["a", "b"], "ranks": [1]}', "1 ranks for 2 completions"),
        ('{"prompt": "p", "completions": ["a", "a"], "ranks": [1, 2]}', "each another one"),
        ('{"prompt": "p", "completions": ["a", "b"], "ranks": ["x", 2]}', "numbers, 1 for the best"),
    ],
)
def test_a_bad_line_is_named_and_nothing_is_kept(tmp_path, line, sentence):
    (tmp_path / "bad.jsonl").write_text('{"prompt": "p", "chosen": "a", "rejected": "b"}\n' + line + "\n")
    other = Store(tmp_path / "other.db")
    lap = other.open_round("first")
    with pytest.raises(DataError, match=sentence):
        load(other, lap, tmp_path / "bad.jsonl")
    assert list(ranked(other, lap)) == []


def test_unknown_formats_are_refused(store, tmp_path):
    with pytest.raises(ConfigError, match=r"no format is called 'pear'.*pairs"):
        export(store, 1, tmp_path / "x", "pear")
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("form", ["argilla", "label-studio"])
def test_other_tools_records_come_in_as_they_went_out(store, tmp_path, form):
    path = export(store, 1, tmp_path / "out.json", form)
    other = Store(tmp_path / "other.db")
    assert load(other, other.open_round("first"), path) == 1
    (a,), (b,) = ranked(store, 1), ranked(other, 1)
    assert (a.prompt, a.completions, a.rater, str(a.ranks)) == (b.prompt, b.completions, b.rater, str(b.ranks))


def test_label_studios_own_annotations_come_in(tmp_path):
    task = {
        "data": {"prompt": "p", "items": [{"id": "x", "body": "a"}, {"id": "y", "body": "b"}]},
        "annotations": [
            {
                "completed_by": {"email": "ann@home"},
                "result": [{"type": "ranker", "value": {"ranker": {"rank": ["y", "x"]}}}],
            }
        ],
    }
    pair = {
        "data": {"prompt": "q", "answer1": "a", "answer2": "b"},
        "annotations": [{"completed_by": 7, "result": [{"type": "pairwise", "value": {"selected": "right"}}]}],
    }
    (tmp_path / "ls.json").write_text(json.dumps([task, pair]))
    other = Store(tmp_path / "other.db")
    load(other, other.open_round("first"), tmp_path / "ls.json")
    found = {one.prompt: (one.rater, one.ranks) for one in ranked(other, 1)}
    assert found == {"p": ("ann@home", (2.0, 1.0)), "q": ("7", (2.0, 1.0))}
    task["annotations"][0]["result"][0]["value"]["ranker"]["rank"] = ["z"]
    (tmp_path / "bad.json").write_text(json.dumps([task]))
    with pytest.raises(DataError, match="record 1 ranks item 'z', which the task does not have"):
        load(other, 1, tmp_path / "bad.json")


def test_pairs_of_one_rater_are_joined_and_circles_become_ties(tmp_path):
    def line(a, b, prompt="p"):
        return json.dumps({"prompt": prompt, "chosen": a, "rejected": b, "rater": "ann"}) + "\n"

    (tmp_path / "pairs.jsonl").write_text(
        line("a", "b")
        + line("b", "c")
        + line("a", "c")
        + line("a", "b", "q")
        + line("b", "c", "q")
        + line("c", "a", "q")
    )
    other = Store(tmp_path / "other.db")
    assert load(other, other.open_round("first"), tmp_path / "pairs.jsonl") == 2
    found = {one.prompt: dict(zip(one.completions, one.ranks)) for one in ranked(other, 1)}
    assert found == {"p": {"a": 1.0, "b": 2.0, "c": 3.0}, "q": {"a": 1.0, "b": 1.0, "c": 1.0}}


def test_dialogues_that_part_in_their_last_answer_come_in(tmp_path):
    start = "\n\nHuman: hi\n\nAssistant: hello\n\nHuman: why?\n\nAssistant:"
    line = json.dumps({"chosen": start + " because", "rejected": start + " be gone"})
    (tmp_path / "hh.jsonl").write_text(line + "\n")
    other = Store(tmp_path / "other.db")
    load(other, other.open_round("first"), tmp_path / "hh.jsonl")
    (one,) = ranked(other, 1)
    assert one.prompt == start
    assert dict(zip(one.completions, one.ranks)) == {" because": 1.0, " be gone": 2.0}
