"""`conjure serve` under many clients at once: errors, leaks, waiting times, and what batching brings.

The server is a process of its own on loopback. (1) Clients ask in turn, then eight at once, alternating: tokens a
second. (2) 64 clients for three minutes, a tenth of them leaving in mid-answer: every status, p50 and p99 of the time
to the first token and of whole answers, resident memory before and after (before: at rest, when as many clients have
been served for --warm seconds). The queue is shorter than the crowd, so that 429 is met; clients wait as it tells them.

Usage: python benchmarks/serving_load.py [--seconds 180] [--warm 30] [--rounds 3] [--clients 64] [--model smollm2]
       [--weights fp32] (about 6 minutes)
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import stage

PORT = 8765
URL = f"http://127.0.0.1:{PORT}"
WORDS = ("rain", "sun", "wind", "snow", "river", "mountain", "city", "night", "music", "bread", "train", "garden")
SLOTS, WAITING = 8, 40


def body(rng: random.Random, tokens: int, stream: bool) -> dict[str, Any]:
    text = " ".join(rng.choices(WORDS, k=12))
    ask = {"messages": [{"role": "user", "content": f"Say something about {text}."}], "max_tokens": tokens}
    return {**ask, "stream": stream, "ignore_eos": True, "seed": rng.randrange(1 << 30)}


def resident(pid: int) -> int:
    """Resident memory in bytes."""
    line = next(x for x in Path(f"/proc/{pid}/status").read_text().splitlines() if x.startswith("VmRSS"))
    return int(line.split()[1]) << 10


def seconds_of(pid: int) -> float:
    """CPU-seconds of a process."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / 100


async def rate(client: httpx.AsyncClient, beside: int, tokens: int) -> float:
    """Tokens a second of eight answers, so many at once."""
    rng, gate = random.Random(beside), asyncio.Semaphore(beside)

    async def one() -> int:
        async with gate:
            found = await client.post(f"{URL}/v1/chat/completions", json=body(rng, tokens, False))
            return found.json()["usage"]["completion_tokens"]

    begun = time.perf_counter()
    written = await asyncio.gather(*(one() for _ in range(8)))
    return sum(written) / (time.perf_counter() - begun)


class Crowd:
    """Clients that ask again and again; `statuses` counts what became of each request."""

    def __init__(self, client: httpx.AsyncClient, seed: int):
        self.client, self.rng = client, random.Random(seed)
        self.statuses: Counter[str] = Counter()
        self.first: list[float] = []
        self.whole: list[float] = []
        self.tokens = 0

    async def run(self, clients: int, seconds: float) -> None:
        end = time.monotonic() + seconds
        await asyncio.gather(*(self._client(end) for _ in range(clients)))

    async def _client(self, end: float) -> None:
        while time.monotonic() < end:
            leaves = self.rng.randint(1, 12) if self.rng.random() < 0.1 else None
            try:
                wait = await self._ask(leaves)
            except Exception as error:
                self.statuses[f"error {type(error).__name__}"] += 1
                wait = 0.5
            await asyncio.sleep(wait)

    async def _ask(self, leaves: int | None) -> float:
        begun, count = time.perf_counter(), 0
        asked = body(self.rng, self.rng.randint(8, 32), True)
        async with self.client.stream("POST", f"{URL}/v1/chat/completions", json=asked) as answer:
            if answer.status_code != 200:
                self.statuses[str(answer.status_code)] += 1
                await answer.aread()
                return float(answer.headers.get("retry-after", 0.5))
            finish = None
            async for line in answer.aiter_lines():
                if not line.startswith("data: {"):
                    continue
                found = json.loads(line.removeprefix("data: "))
                if "error" in found:
                    self.statuses["error in stream"] += 1
                    return 0.5
                if count == 0:
                    self.first.append(time.perf_counter() - begun)
                count += 1
                finish = found["choices"][0]["finish_reason"] or finish
                if leaves is not None and count > leaves:
                    self.statuses["left"] += 1
                    return 0.0
        self.statuses["200" if finish else "cut"] += 1
        self.tokens += count
        self.whole.append(time.perf_counter() - begun)
        return 0.0


def shares(values: list[float]) -> dict[str, float]:
    ordered = sorted(values)
    return {f"p{p}": ordered[min(len(ordered) - 1, len(ordered) * p // 100)] for p in (50, 90, 99)} if ordered else {}


async def measured(options: argparse.Namespace, pid: int) -> dict[str, Any]:
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
    async with httpx.AsyncClient(timeout=300, limits=limits) as client:
        while True:
            try:
                await client.get(f"{URL}/health")
                break
            except httpx.TransportError:
                await asyncio.sleep(0.3)
        await rate(client, 8, 8)
        serial, beside = [], []
        for _ in range(options.rounds):
            serial.append(await rate(client, 1, options.tokens))
            beside.append(await rate(client, 8, options.tokens))
        await Crowd(client, 1).run(options.clients, options.warm)
        await asyncio.sleep(3)
        before, used, begun = resident(pid), seconds_of(pid), time.perf_counter()
        crowd = Crowd(client, 2)
        await crowd.run(options.clients, options.seconds)
        took, used = time.perf_counter() - begun, seconds_of(pid) - used
        await asyncio.sleep(3)
        text = (await client.get(f"{URL}/metrics")).text
        busy = next(x for x in text.splitlines() if x.startswith("conjure_slots_busy{")).split()[-1]
        after = resident(pid)
    errors = {k: n for k, n in crowd.statuses.items() if k not in ("200", "429", "left")}
    return {
        "model": options.model,
        "weights": options.weights,
        "serial": stage.interval(serial),
        "eight": stage.interval(beside),
        "ratio": stage.interval([b / a for a, b in zip(serial, beside)]),
        "clients": options.clients,
        "seconds": took,
        "cpu_seconds": used,
        "statuses": dict(crowd.statuses),
        "errors": errors,
        "tokens": crowd.tokens,
        "first_token": shares(crowd.first),
        "answer": shares(crowd.whole),
        "memory": {"before": before, "after": after, "change": after / before - 1},
        "slots_busy_after": float(busy),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=180.0)
    parser.add_argument("--warm", type=float, default=30.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tokens", type=int, default=48)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--model", default="smollm2")
    parser.add_argument("--weights", default="fp32")
    options = parser.parse_args()
    command = [sys.executable, "-m", "conjure", "serve", options.model, "--port", str(PORT)]
    command += ["--slots", str(SLOTS), "--waiting", str(WAITING), "--weights", options.weights]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        result = asyncio.run(measured(options, server.pid))
    finally:
        server.terminate()
        code = server.wait(60)
    result["exit"] = code
    print(json.dumps(result, indent=2))
    print(f"wrote {stage.write('serving_load', result)}")


if __name__ == "__main__":
    main()
