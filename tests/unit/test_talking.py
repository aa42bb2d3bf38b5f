"""A talk keeps its turns, stops when asked, forgets from the front; bad messages are refused and not kept."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
import torch

pytest.importorskip("tokenizers", reason="tokenizers is in the language extra")
from conjure import talking
from conjure.core.errors import ArtifactError, ConfigError, DataError
from conjure.models.decoding import Choice
from conjure.talking import Manner, Screen, Talk
from tests.unit.pretrained.small import small

MANNER = Manner(Choice(1.0), limit=12, seed=1)


@pytest.fixture
def talk():
    made = Talk(small(), MANNER)
    yield made
    made.close()


def test_turns_follow_each_other_and_a_seed_repeats_them(talk: Talk):
    first, second = "".join(talk.say("hello")), "".join(talk.say("and?"))
    assert first != second
    assert [m["role"] for m in talk.messages] == ["user", "assistant"] * 2
    assert talk.messages[1]["content"] == first.strip()
    talk.reset()
    assert talk.messages == []
    assert "".join(talk.say("hello")) == first
    assert "".join(talk.say("and?")) == second


def test_an_answer_that_is_stopped_stays_in_the_conversation(talk: Talk):
    answer = talk.say("hello")
    begun = next(answer) + next(answer)
    answer.close()
    assert talk.messages == [
        {"role": "user", "content": "hello"},
        {"role": "assistant", "content": begun.strip()},
    ]
    assert list(talk.say("go on"))


def test_the_first_turns_are_left_out_when_they_no_longer_fit(talk: Talk):
    for _ in range(6):
        list(talk.say("abcdefgh"))
    assert talk.left_out >= 2
    assert talk.left_out % 2 == 0
    assert len(talk.messages) == 12
    before = talk.left_out
    with pytest.raises(DataError, match="the model sees 128 at once"):
        list(talk.say("x" * 200))
    assert (len(talk.messages), talk.left_out) == (12, before), "what cannot be answered changes nothing"


def test_a_long_message_still_has_an_answer_where_one_token_fits():
    talk = Talk(small(context=64), Manner(Choice(0), limit=50, seed=0))
    around = len(talk.codec.prompt([{"role": "user", "content": ""}]))
    assert "".join(talk.say("x" * (63 - around)))
    talk.close()


def test_saved_conversations_are_lines_of_json(tmp_path: Path):
    talk = Talk(small(), Manner(Choice(1.0), limit=4, system="be brief", seed=0))
    with pytest.raises(DataError, match="nothing to save"):
        talk.save(tmp_path / "a.jsonl")
    list(talk.say("hello"))
    talk.save(tmp_path / "a.jsonl")
    talk.save(tmp_path / "a.jsonl")
    lines = [json.loads(line)["messages"] for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    assert len(lines) == 2
    assert [m["role"] for m in lines[0]] == ["system", "user", "assistant"]
    talk.close()


def test_a_pipe_holds_a_message_a_line(talk: Talk, tmp_path: Path, capsys: pytest.CaptureFixture):
    out = io.StringIO()
    source = f"hello\n\n/save {tmp_path / 'a.jsonl'}\n/dance\n/reset\nhello\n/quit\nmore\n"
    assert Screen(talk, io.BytesIO(source.encode()), out, live=False).run() == 2
    noted = capsys.readouterr().err
    assert "saved to" in noted
    assert "/reset       forget" in noted, "a command nobody knows shows those there are"
    assert len(json.loads((tmp_path / "a.jsonl").read_text())["messages"]) == 2
    half = out.getvalue()[: len(out.getvalue()) // 2]
    assert out.getvalue() == f"{half}\n{half}", "after a reset the same message has the same answer"
    assert half.endswith("\n")


def test_lines_that_are_no_text_are_refused(talk: Talk):
    with pytest.raises(DataError, match="line 2 of the input is not valid UTF-8"):
        Screen(talk, io.BytesIO(b"hello\na\xff\n"), io.StringIO(), live=False).run()
    with pytest.raises(DataError, match="the message is empty"):
        next(talk.say("  "))


def test_logits_that_are_no_numbers_end_the_answer_in_a_sentence():
    broken = small()
    with torch.no_grad():
        broken.model.trunk.norm.weight.fill_(float("nan"))  # type: ignore[union-attr]
    talk = Talk(broken, MANNER)
    with pytest.raises(ArtifactError, match="logits after token 23 are not numbers"):
        list(talk.say("hello"))
    assert talk.messages == []
    talk.close()


def test_only_conversations_can_be_talked_with():
    from types import SimpleNamespace

    table = SimpleNamespace(codec=object(), recipe=SimpleNamespace(model="vae", domain="table"))
    with pytest.raises(ConfigError, match="a vae of table holds no conversations"):
        Talk(table, MANNER)  # type: ignore[arg-type]


def test_what_a_terminal_shows_first():
    assert "nobody's: 0 M numbers, licence CC0-1.0, 128 tokens at once" in talking.welcome(small(), "here")
