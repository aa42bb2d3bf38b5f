"""Whoever comes, and whatever they send, gets one sentence or an answer; never a trace, a hang or the memory."""

from __future__ import annotations

import asyncio
import json
import resource
import socket
import threading
import time

import httpx
import pytest
from fastapi import FastAPI, Request

from conjure.core.errors import ConfigError, DataError
from conjure.server import events
from conjure.server.app import create
from conjure.server.events import Events, begun, event, unless_left
from conjure.server.gate import Gate
from conjure.server.guard import Buckets
from conjure.server.running import listen
from conjure.server.settings import Limits, Settings
from tests.unit.server.live import live


def made(**settings) -> FastAPI:
    app = create(Settings(**settings))

    @app.post("/size")
    async def size(request: Request) -> int:
        return len(await request.body())

    @app.post("/double")
    async def double(body: dict[str, int]) -> dict[str, int]:
        return {k: 2 * v for k, v in body.items()}

    @app.get("/fault")
    async def fault() -> None:
        raise RuntimeError("secret of the house")

    @app.get("/data")
    async def data() -> None:
        raise DataError("row 3 of wine.csv has no column 'age'")

    @app.get("/slow")
    async def slow(seconds: float = 0.6) -> str:
        await asyncio.sleep(seconds)
        return "done"

    return app


def test_a_key_opens_and_its_lack_does_not():
    with live(made(keys=("first", "zweiter-ß"))) as server, httpx.Client(base_url=server.url) as client:
        assert client.get("/health").status_code == 200
        for headers in ({}, {"authorization": "Bearer first2"}, {"authorization": "Basic !"}, {"x-api-key": "f"}):
            refused = client.get("/metrics", headers=headers)
            assert refused.status_code == 401
            assert refused.json()["error"]["code"] == "invalid_api_key"
            assert refused.headers["www-authenticate"] == "Bearer"
        opening = [
            {"authorization": "Bearer first"},
            {"authorization": "bearer zweiter-ß".encode()},
            {"x-api-key": "first"},
        ]
        for headers in opening:
            assert client.get("/metrics", headers=headers).status_code == 200
        assert client.get("/metrics", auth=("any", "first")).status_code == 200
        assert "Basic" in client.get("/metrics", headers={"accept": "text/html"}).headers["www-authenticate"]


def test_guessing_keys_is_slowed_down():
    app = made(keys=("right",), limits=Limits(failures=3))
    with live(app) as server, httpx.Client(base_url=server.url) as client:
        codes = [client.get("/metrics", headers={"x-api-key": str(n)}).status_code for n in range(5)]
        assert codes == [401, 401, 401, 429, 429]
        late = client.get("/metrics", headers={"x-api-key": "right"})
        assert late.status_code == 429  # else the answer would tell a right guess
        assert int(late.headers["retry-after"]) >= 1


def test_rates_hold_for_each_client_and_recover(monkeypatch):
    now = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    buckets = Buckets(60)
    assert not any(buckets.wait("a") for _ in range(60))
    assert buckets.wait("a") == pytest.approx(1.0)
    assert not buckets.wait("b")
    now = 1.01
    assert not buckets.wait("a")
    assert buckets.wait("a")
    assert not Buckets(0).wait("a")


def test_rate_limit_is_told():
    with live(made(limits=Limits(rate=2))) as server, httpx.Client(base_url=server.url) as client:
        answers = [client.post("/size", content=b"abc") for _ in range(3)]
        assert [a.status_code for a in answers] == [200, 200, 429]
        assert int(answers[-1].headers["retry-after"]) >= 1


def test_a_hundred_megabytes_are_refused_without_being_kept():
    def pieces():
        for _ in range(1600):
            yield bytes(1 << 16)

    with live(made(limits=Limits(body=1 << 20))) as server, httpx.Client(base_url=server.url) as client:
        assert client.post("/size", content=bytes(1 << 20)).json() == 1 << 20
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        refused = client.post("/size", content=pieces(), headers={"content-length": str(100 << 20)})
        assert refused.status_code == 413
        assert "1,048,576 bytes" in refused.json()["error"]["message"]
        assert client.post("/size", content=pieces()).status_code == 413  # chunked: no length is told beforehand
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20 << 10  # KiB


def test_slow_headers_and_slow_bodies_are_not_waited_for():
    app = made(limits=Limits(header_seconds=0.4, idle_seconds=0.3, body_seconds=0.6))
    with live(app) as server:
        begun = time.monotonic()
        assert server.raw() == b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
        dripped = server.raw(b"GET /health HTTP/1.1\r\n", *[b"X-A: b\r\n"] * 12, pause=0.1)
        assert dripped.startswith(b"HTTP/1.1 408")
        start = b"POST /size HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n"
        assert b"the body took too long" in server.raw(start, b"abc")
        assert b"the body took too long" in server.raw(start, *[b"abc"] * 8, pause=0.1)
        assert time.monotonic() - begun < 6
        assert httpx.get(f"{server.url}/health").status_code == 200


def test_many_slow_clients_do_not_keep_others_out():
    with live(made(limits=Limits(header_seconds=2))) as server:
        lines = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(200)]
        for line in lines:
            line.sendall(b"GET /health HTTP/1.1\r\nX-A: ")
        begun = time.monotonic()
        assert httpx.get(f"{server.url}/health").status_code == 200
        assert time.monotonic() - begun < 1
        for line in lines:
            line.close()


def test_one_address_cannot_hold_every_connection():
    with live(made(limits=Limits(connections=20))) as server:
        lines = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(10)]
        assert server.raw(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n", wait=1) == b""
        for line in lines:
            line.close()
        time.sleep(0.1)
        assert httpx.get(f"{server.url}/health").status_code == 200


def test_a_kept_connection_outlives_the_limit_on_headers():
    with live(made(limits=Limits(header_seconds=0.2))) as server, httpx.Client(base_url=server.url) as client:
        for _ in range(3):
            assert client.get("/slow").text == '"done"'


@pytest.mark.parametrize(
    ("content", "kind", "sentence"),
    [
        (b'{"a": 1', "application/json", "the body is not valid JSON"),
        (b'{"a": "\xff"}', "application/json", "JSON in UTF-8"),
        (b"[" * 100_000, "application/json", "JSON"),
        (b'{"a": "x"}', "application/json", "a: input should be a valid integer"),
        (b'{"a": 1}', "text/plain", "Content-Type: application/json"),
        (b"", "application/json", "should be a JSON object"),
    ],
)
def test_what_is_no_json_gets_a_sentence(content: bytes, kind: str, sentence: str):
    with live(made()) as server:
        refused = httpx.post(f"{server.url}/double", content=content, headers={"content-type": kind})
        assert refused.status_code == 400
        assert sentence in refused.json()["error"]["message"]
        assert refused.json()["error"]["type"] == "invalid_request_error"


def test_errors_tell_clients_nothing_of_the_house():
    with live(made()) as server, httpx.Client(base_url=server.url) as client:
        fault = client.get("/fault")
        assert fault.status_code == 500
        assert "secret" not in fault.text
        assert "Traceback" not in fault.text
        assert fault.json()["error"]["code"] == "internal_error"
        assert client.get("/data").json()["error"]["message"] == "row 3 of wine.csv has no column 'age'"
        assert client.get("/nowhere").json()["error"]["message"] == "there is nothing at GET /nowhere"
        assert client.get("/size").status_code == 405
        for answer in (fault, client.get("/health"), client.get("/nowhere")):
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert "default-src 'none'" in answer.headers["content-security-policy"]
            assert "server" not in answer.headers


def test_pages_of_other_sites_cannot_call():
    with live(made()) as server, httpx.Client(base_url=server.url) as client:
        assert client.post("/size", headers={"origin": "https://evil.example"}).status_code == 403
        assert client.post("/size", headers={"origin": server.url}).status_code == 200
        assert client.post("/size", headers={"host": "evil.example"}).status_code == 403
    with live(made(origins=("https://good.example",))) as server, httpx.Client(base_url=server.url) as client:
        answer = client.post("/size", headers={"origin": "https://good.example"})
        assert answer.headers["access-control-allow-origin"] == "https://good.example"


def test_a_client_that_does_not_read_is_let_go():
    app = made(limits=Limits(stall_seconds=0.3))
    ended = threading.Event()

    @app.get("/long")
    async def long():
        async def pieces():
            try:
                for _ in range(2000):
                    yield bytes(1 << 16)
            finally:
                ended.set()

        return Events(pieces())

    with live(app) as server, socket.create_connection(("127.0.0.1", server.port)) as line:
        line.sendall(b"GET /long HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert ended.wait(5)


def test_work_ends_when_its_client_leaves():
    app, ended = made(), threading.Event()

    @app.get("/endless")
    async def endless(stream: bool, request: Request):
        async def pieces():
            try:
                while True:
                    yield event("x")
                    await asyncio.sleep(0.01)
            finally:
                ended.set()

        async def whole():
            return [piece async for piece in pieces()]

        return Events(pieces()) if stream else await unless_left(request.receive, whole())

    with live(app) as server:
        for stream in (b"true", b"false"):
            ended.clear()
            with socket.create_connection(("127.0.0.1", server.port)) as line:
                line.sendall(b"GET /endless?stream=" + stream + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
                time.sleep(0.2)
            assert ended.wait(2)
            time.sleep(0.05)
            assert not server.server.service.running


def test_a_stream_that_is_silent_says_that_it_lives_and_one_that_fails_says_so(monkeypatch):
    app = made()
    monkeypatch.setattr(events, "PING_SECONDS", 0.05)

    @app.get("/silent")
    async def silent(request: Request):
        async def pieces():
            yield event(1)
            await asyncio.sleep(0.3)
            yield event(2)
            raise DataError("row 3 is torn")

        return await begun(request.receive, pieces(), {})

    with live(app) as server:
        text = httpx.get(f"{server.url}/silent").text
        assert text.startswith("data: 1\n\n: still here\n\n")
        assert "data: 2\n\n" in text
        assert json.loads(text.strip().split("data: ")[-1])["error"]["message"] == "row 3 is torn"


def test_an_event_is_one_line_to_every_client():
    text = "".join(map(chr, [*range(0x300), 0x2028, 0x2029, 0xFEFF]))
    found = event({"text": text})
    assert len(found.decode().splitlines()) == 2  # the event, and the empty line that ends it
    assert json.loads(found[6:])["text"] == text


def test_a_server_that_stops_finishes_what_runs_and_refuses_the_rest():
    with live(made(limits=Limits(drain_seconds=5))) as server, httpx.Client(base_url=server.url) as client:
        found = []
        running = threading.Thread(target=lambda: found.append(httpx.get(f"{server.url}/slow?seconds=2.5").text))
        running.start()
        time.sleep(0.2)
        server.server.drain()
        refused = client.post("/size", content=b"abc")
        assert refused.status_code == 503
        assert refused.headers["retry-after"]
        assert client.get("/health").status_code == 503
        assert client.get("/health/live").status_code == 200
        running.join()
        assert found == ['"done"']


def test_a_port_in_use_is_answered_with_another():
    with live(made()) as server:
        with pytest.raises(ConfigError, match=rf"port {server.port} of 127.0.0.1 is in use.*--port \d+") as caught:
            listen("127.0.0.1", server.port)
        listen("127.0.0.1", int(str(caught.value).split()[-1])).close()


def test_a_gate_queues_so_many_and_refuses_the_next():
    async def run() -> list[int]:
        gate, order = Gate(2, 3), []

        async def one(number: int) -> None:
            with gate.entered():
                async with gate.turn():
                    assert gate.busy <= 2
                    await asyncio.sleep(0.01)
                    order.append(number)

        tasks = [asyncio.create_task(one(n)) for n in range(5)]
        await asyncio.sleep(0)
        assert (gate.busy, gate.queued) == (2, 3)
        with pytest.raises(Exception, match="all 2 slots are busy and 3 requests wait"), gate.entered():
            pass
        tasks[3].cancel()  # a waiting client leaves
        await asyncio.gather(*tasks, return_exceptions=True)
        assert (gate.inside, gate.busy) == (0, 0)
        return order

    assert asyncio.run(run()) == [0, 1, 2, 4]


def test_metrics_count_by_pattern_and_not_by_what_clients_type():
    with live(made()) as server, httpx.Client(base_url=server.url) as client:
        client.post("/size", content=b"abc")
        for n in range(3):
            client.get(f"/nowhere/{n}")
        client.request("BREW", "/nowhere")
        text = client.get("/metrics").text
        assert 'conjure_requests_total{method="POST",route="/size",status="200"} 1.0' in text
        assert 'conjure_requests_total{method="GET",route="none",status="404"} 3.0' in text
        assert 'method="OTHER"' in text
        assert "nowhere" not in text
        assert "process_resident_memory_bytes" in text


def test_the_openapi_page_tells_of_our_errors():
    with live(made()) as server:
        page = httpx.get(f"{server.url}/openapi.json").json()
        assert "/health" in page["paths"]
        assert "HTTPValidationError" not in str(page)
