"""Many texts written at once are those that each alone would be, piece by piece or whole."""

from __future__ import annotations

import threading

import pytest
import torch

from conjure.core.errors import ArtifactError, ConfigError, DataError
from conjure.generation import Answer, Request, Writer
from conjure.generation.writer import PART
from conjure.models.decoding import Choice
from tests.unit.generation.tiny import tiny_artifact

GREEDY = Choice(temperature=0)


def requests(count: int, **words: object) -> list[Request]:
    """Prompts of unequal length, half of them greedy."""
    rng = torch.Generator().manual_seed(3)
    made = []
    for at in range(count):
        prompt = torch.randint(256, (int(torch.randint(1, 60, (), generator=rng)),), generator=rng).tolist()
        choice = GREEDY if at % 2 else Choice(temperature=0.8, top_p=0.9)
        made.append(Request(prompt, choice, limit=5 + at % 17, seed=at, **words))  # type: ignore[arg-type]
    return made


def test_side_by_side_equals_one_at_a_time():
    asked = requests(14)
    with Writer(tiny_artifact(), slots=1) as alone:
        wanted = [alone.answer(request) for request in asked]
    with Writer(tiny_artifact(), slots=4) as writer:
        found: dict[int, Answer] = {}
        threads = [
            threading.Thread(target=lambda at=at: found.update({at: writer.answer(asked[at])}))
            for at in range(len(asked))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [found[at].tokens for at in range(len(asked))] == [answer.tokens for answer in wanted]
    assert [found[at].text for at in range(len(asked))] == [answer.text for answer in wanted]


def test_greedy_is_the_likeliest_token_again_and_again():
    artifact = tiny_artifact()
    tokens = [1, 2, 3]
    with torch.no_grad():
        for _ in range(12):
            tokens.append(
                int(artifact.model.logits(artifact.model._hidden(torch.tensor([tokens]), None))[0, -1].argmax())
            )
    with Writer(artifact) as writer:
        answer = writer.answer(Request([1, 2, 3], GREEDY, limit=12))
    assert answer.tokens == tokens[3:]
    assert answer.finish == "length"
    assert answer.prompt_tokens == 3


def test_streamed_is_unstreamed():
    with Writer(tiny_artifact()) as writer:
        for request in requests(6, logprobs=2):
            pieces, answer = list(writer.stream(request)), writer.answer(request)
            assert "".join(piece.text for piece in pieces) == answer.text
            assert [t for piece in pieces for t in piece.tokens] == answer.tokens
            assert [piece.finish for piece in pieces[:-1]] == [None] * (len(pieces) - 1)
            assert [found.token for found in answer.logprobs] == answer.tokens


def test_a_second_turn_reads_only_what_is_new():
    with Writer(tiny_artifact(), slots=3) as writer:
        first = writer.answer(Request(list(range(40)), GREEDY, limit=6))
        turn = [*range(40), *first.tokens, 7, 8, 9]
        second = writer.answer(Request(turn, GREEDY, limit=6))
        assert second.cached_tokens == 45  # the last token written was never read
        other = writer.answer(Request([*range(20), 99, 98], GREEDY, limit=6))
        assert other.cached_tokens == 20
        again = writer.answer(Request(turn, GREEDY, limit=6))
        assert again.cached_tokens == len(turn) - 1  # what the other took was a copy
    with Writer(tiny_artifact()) as cold:
        assert cold.answer(Request(turn, GREEDY, limit=6)).tokens == second.tokens == again.tokens
        assert cold.answer(Request([*range(20), 99, 98], GREEDY, limit=6)).tokens == other.tokens


def test_closing_a_stream_frees_its_slot():
    with Writer(tiny_artifact(context=4000), slots=1) as writer:
        stream = writer.stream(Request([1], limit=3900, ends=()))
        next(stream)
        stream.close()
        assert list(stream) == []
        lost = writer.stream(Request([1], limit=3900, ends=()))
        del lost
        assert len(writer.answer(Request([2], limit=3, ends=())).tokens) == 3


def test_closing_a_stream_wakes_who_waits_for_it():
    with Writer(tiny_artifact(context=4000), slots=1) as writer:
        busy = writer.stream(Request([1], limit=3900, ends=()))
        next(busy)
        waiting, found = writer.stream(Request([2], limit=3)), []
        thread = threading.Thread(target=lambda: found.extend(waiting))
        thread.start()
        waiting.close()
        thread.join(timeout=10)
        busy.close()
        assert not thread.is_alive()
        assert found == []


def test_an_unforeseen_failure_is_told_and_others_are_still_served():
    with Writer(tiny_artifact()) as writer:
        read = writer._slots.read
        writer._slots.read = lambda parts: [][0]  # type: ignore[method-assign]
        with pytest.raises(DataError, match="could not be written: IndexError"):
            writer.answer(Request([1], limit=3))
        writer._slots.read = read  # type: ignore[method-assign]
        assert len(writer.answer(Request([1], limit=3, ends=())).tokens) == 3


def test_a_prompt_beyond_the_context_is_refused_or_cut():
    with Writer(tiny_artifact(context=32)) as writer:
        with pytest.raises(DataError, match=r"40 tokens.*31"):
            writer.stream(Request(list(range(40)), limit=4))
        answer = writer.answer(Request(list(range(40)), GREEDY, limit=4, truncate=True))
        assert (answer.cut_tokens, answer.prompt_tokens) == (12, 28)
        assert answer.tokens == writer.answer(Request(list(range(12, 40)), GREEDY, limit=4)).tokens
        full = writer.answer(Request(list(range(30)), GREEDY, limit=50, ends=()))
        assert (len(full.tokens), full.finish) == (2, "length")
        with pytest.raises(DataError, match="empty"):
            writer.stream(Request([], limit=4))
        with pytest.raises(ConfigError, match="token 9999"):
            writer.stream(Request([9999], limit=4))
        with pytest.raises(ConfigError, match="ends holds token 9999"):
            writer.stream(Request([1], limit=4, ends=(9999,)))
        with pytest.raises(ConfigError, match="logit bias holds token -1"):
            writer.stream(Request([1], Choice(bias=((-1, 1.0),))))


def test_logits_that_are_no_numbers_are_one_error():
    artifact = tiny_artifact()
    with torch.no_grad():
        artifact.model.embed.weight[7] = torch.nan
        artifact.model.head = torch.nn.Linear(32, artifact.model.space.vocab, bias=False)
    with Writer(artifact) as writer:
        with pytest.raises(ArtifactError, match="not numbers"):
            writer.answer(Request([1, 7], limit=4))
        found = writer.answer(Request([1, 2], Choice(bias=((7, -1e9),)), limit=4, ends=()))
        assert len(found.tokens) == 4


def test_a_closed_writer_says_so():
    writer = Writer(tiny_artifact(context=4000))
    stream = writer.stream(Request([1], limit=3900, ends=()))
    next(stream)
    writer.close()
    with pytest.raises(ConfigError, match="closed"):
        list(stream)
    with pytest.raises(ConfigError, match="closed"):
        writer.stream(Request([1], limit=3))


def test_log_probabilities_are_the_model_s_own():
    artifact = tiny_artifact()
    choice = Choice(0.5, top_k=3, repetition=1.5)  # none of which shows in them
    with Writer(artifact) as writer:
        answer = writer.answer(Request([1, 2, 3], choice, limit=6, seed=2, logprobs=4, ends=()))
    with torch.no_grad():
        whole = artifact.model.logits(artifact.model._hidden(torch.tensor([[1, 2, 3, *answer.tokens]]), None))
    wanted = whole[0, 2:-1].log_softmax(-1)
    for found, row in zip(answer.logprobs, wanted):
        assert found.logprob == pytest.approx(row[found.token].item(), abs=1e-4)
        best = row.topk(4)
        assert [other.token for other in found.others] == best.indices.tolist()
        assert [other.logprob for other in found.others] == pytest.approx(best.values.tolist(), abs=1e-4)


def test_a_long_prompt_is_read_in_parts_between_the_steps_of_others():
    artifact = tiny_artifact(context=2000)
    with Writer(artifact) as writer:
        read, sizes = writer._slots.read, []

        def watched(parts: list) -> list:
            sizes.append([len(part.tokens) for part in parts])
            return read(parts)

        writer._slots.read = watched  # type: ignore[method-assign]
        first = writer.stream(Request([1], GREEDY, limit=400, ends=()))
        next(first)
        second = writer.stream(Request([*range(200)] * 5, GREEDY, limit=3, ends=()))
        next(second)
        first.close()
        assert sum(sizes[-1]) < 1000
        beside = [size for size in sizes if len(size) == 2]
        assert len(beside) >= 1000 // PART
        assert all(size[0] == 1 and size[1] <= PART for size in beside)


def test_stop_strings_end_answers_and_stay_out_of_them():
    artifact = tiny_artifact()
    with Writer(artifact) as writer:
        whole = writer.answer(Request([5, 6], Choice(), limit=60, seed=1, ends=())).text
        stop = whole[7:10]
        request = Request([5, 6], Choice(), limit=60, seed=1, ends=(), stops=("never in it", stop))
        answer = writer.answer(request)
        assert answer.finish == "stop"
        assert answer.text == whole[: whole.index(stop)]
        assert "".join(piece.text for piece in writer.stream(request)) == answer.text
        ended = writer.answer(Request([5, 6], Choice(), limit=60, seed=1, ends=(answer.tokens[2],)))
        assert (ended.tokens, ended.finish) == (answer.tokens[: answer.tokens.index(answer.tokens[2])], "stop")


def test_the_rounded_weights_write_too():
    for weights in ("bf16", "int8"):
        with Writer(tiny_artifact(), weights=weights) as writer:
            assert len(writer.answer(Request([1, 2], GREEDY, limit=5, ends=())).tokens) == 5
    with pytest.raises(ConfigError, match="weights can be"):
        Writer(tiny_artifact(), weights="int7")


WRONG = [("limit", 0), ("logprobs", -1), ("stops", ("",)), ("seed", -1), ("lookup", 99)]


@pytest.mark.parametrize(("word", "value"), WRONG)
def test_impossible_requests_are_refused(word: str, value: object):
    with pytest.raises(ConfigError, match=word.rstrip("s")):
        Request([1], **{word: value})  # type: ignore[arg-type]
