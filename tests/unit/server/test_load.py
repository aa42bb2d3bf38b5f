"""Many at once, those who leave, those who come too late: slots are freed, queues are bounded, ends are clean."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import openai
import pytest

from tests.unit.server.talking import HELLO, talking, told, whole
from tests.unit.server.tiny import tiny

LONG = {"max_tokens": 3000, "extra_body": {"ignore_eos": True}}


def until(true, seconds: float = 5.0) -> bool:
    """Whether something becomes true in time."""
    end = time.monotonic() + seconds
    while not true() and time.monotonic() < end:
        time.sleep(0.01)
    return bool(true())


def long_lived(**settings):
    return talking(artifacts={"tiny": tiny(context=4096)}, **settings)


def talker_in(server):
    return server.server.config.app.state.talkers.known["tiny"]


def test_clients_beside_each_other_get_what_each_gets_alone():
    with talking(slots=4) as (_, client), ThreadPoolExecutor(12) as threads:
        alone = [whole(client, seed=seed) for seed in range(12)]
        beside = list(threads.map(lambda seed: whole(client, seed=seed), range(12)))
        assert alone == beside


def test_a_client_that_leaves_frees_its_slot_and_its_place():
    with long_lived(slots=1) as (server, client):
        talker = talker_in(server)
        stream = told(client, stream=True, **LONG)
        next(iter(stream))
        assert talker.gate.busy == 1
        with ThreadPoolExecutor(1) as threads:
            late = threads.submit(told, client, timeout=0.3)
            assert until(lambda: talker.gate.queued == 1)
            assert isinstance(late.exception(), openai.APITimeoutError)
        assert until(lambda: talker.gate.queued == 0)  # it left before its turn
        assert talker.gate.busy == 1
        stream.close()
        assert until(lambda: talker.gate.busy == 0)
        begun = time.monotonic()
        assert told(client, max_tokens=5).choices
        assert time.monotonic() - begun < 2
        with pytest.raises(openai.APITimeoutError):
            told(client, timeout=0.3, **LONG)  # not a stream, and left all the same
        assert until(lambda: talker.gate.busy == 0)
        assert 'conjure_answers_cancelled_total{model="tiny"} 3.0' in httpx.get(f"{server.url}/metrics").text


def test_beyond_the_queue_there_is_429_with_a_time_to_come_back():
    with long_lived(slots=1, limits={"waiting": 2}) as (server, client):
        stream = told(client, stream=True, **LONG)
        next(iter(stream))
        with ThreadPoolExecutor(2) as threads:
            late = [threads.submit(told, client, max_tokens=2) for _ in range(2)]
            assert until(lambda: talker_in(server).gate.queued == 2)
            for stream_too in (False, True):
                with pytest.raises(openai.RateLimitError) as caught:
                    told(client, stream=stream_too)
                assert int(caught.value.response.headers["retry-after"]) >= 1
            with pytest.raises(openai.RateLimitError):
                told(client, n=2)
            stream.close()
            assert all(answer.result().choices for answer in late)


def test_a_server_that_stops_finishes_answers_and_says_503():
    with long_lived(limits={"drain_seconds": 20}) as (server, client):
        stream = iter(told(client, stream=True, max_tokens=150, extra_body={"ignore_eos": True}))
        next(stream)
        server.server.drain()
        with pytest.raises(openai.InternalServerError) as caught:
            told(client)
        assert caught.value.status_code == 503
        chunks = list(stream)
        assert chunks[-1].choices[0].finish_reason == "length"


def test_an_answer_longer_than_the_drain_is_cut_off():
    endless = {**LONG, "max_tokens": 100_000}  # many times what the fastest machine writes before the end
    with talking(artifacts={"tiny": tiny(context=1 << 17)}, limits={"drain_seconds": 0.3}) as (server, client):
        stream = iter(told(client, stream=True, **endless))
        next(stream)
        server.server.drain()
        begun = time.monotonic()
        with pytest.raises((openai.APIError, httpx.HTTPError)):
            list(stream)
        assert time.monotonic() - begun < 6


def test_weights_that_are_not_numbers_are_a_fault_of_the_server():
    broken = tiny(seed=1)
    broken.model.trunk.norm.weight.data.fill_(float("nan"))
    with talking(artifacts={"tiny": broken}) as (_, client):
        for stream in (False, True):
            with pytest.raises(openai.InternalServerError, match="not numbers"):
                told(client, stream=stream)


def test_two_models_are_told_apart():
    both = {"one": tiny(), "two": tiny(seed=1)}
    with talking(artifacts=both) as (server, client):
        vectors = [client.embeddings.create(model=name, input="rain").data[0].embedding for name in both]
        assert vectors[0] != vectors[1]
        said = [client.chat.completions.create(model=name, messages=HELLO, max_tokens=2) for name in both]
        assert [answer.model for answer in said] == list(both)
        assert said[0].system_fingerprint != said[1].system_fingerprint
        body = {"messages": HELLO}
        assert "one, two" in httpx.post(f"{server.url}/v1/chat/completions", json=body).json()["error"]["message"]
