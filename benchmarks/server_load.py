"""Many clients ask one small artifact for samples: what they wait, what comes together, what memory does.

Usage: python benchmarks/server_load.py [--seconds 120] [--clients 200]; on loopback only.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx
import numpy as np
import stage

from conjure import artifact as artifacts
from conjure import sampling
from conjure.fitting import fit
from conjure.verbs import recipe_for

LENGTH = 256  # tokens of a sample, some lines of text
PORT = 8765
SETTINGS = ["training.steps=20", "training.threads=1", "training.batch=16", f"codec.length={LENGTH}"]


def resident(pid: int) -> float:
    """Megabytes of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


async def ask(until: float, body: bytes, found: list[tuple[int, float, str]]) -> None:
    """One client on a connection of its own, one request after another, in as few steps of Python as there can be."""
    reader, writer = await asyncio.open_connection("127.0.0.1", PORT)
    head = f"POST /artifacts/small/sample HTTP/1.1\r\nhost: 127.0.0.1:{PORT}\r\ncontent-type: application/json\r\n"
    request = f"{head}content-length: {len(body)}\r\n\r\n".encode() + body
    while time.monotonic() < until:
        begun = time.monotonic()
        writer.write(request)
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines)}
        await reader.readexactly(int(headers["content-length"]))
        found.append((int(first.split()[1]), time.monotonic() - begun, headers.get("x-conjure-rows", "")))
        if found[-1][0] == 429:
            await asyncio.sleep(1)
    writer.close()


async def watch(pid: int, until: float) -> float:
    """The most megabytes that a process holds until then."""
    most = 0.0
    while time.monotonic() < until:
        most = max(most, resident(pid))
        await asyncio.sleep(1)
    return most


async def crowd(clients: int, seconds: float, body: dict, pid: int) -> tuple[list[tuple], float]:
    """(what all clients at once got, the most megabytes of the server meanwhile)."""
    found: list[tuple[int, float, str]] = []
    until = time.monotonic() + seconds
    told = json.dumps(body).encode()
    most, *_ = await asyncio.gather(watch(pid, until), *(ask(until, told, found) for _ in range(clients)))
    return found, most


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--clients", type=int, default=200)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as spare:
        made = fit(recipe_for("text", settings=SETTINGS), "python-docs")
        artifacts.save(made, Path(spare) / "small")
        command = [
            sys.executable,
            "-m",
            "conjure",
            "serve",
            f"small={spare}/small",
            "--port",
            str(PORT),
            "--waiting",
            "1000",
        ]
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            for _ in range(300):
                try:
                    httpx.get(f"http://127.0.0.1:{PORT}/health")
                    break
                except httpx.HTTPError:
                    time.sleep(0.1)
            short = min(10.0, asked.seconds)
            alone, _ = asyncio.run(crowd(1, short, {"n": 1, "seed": 1}, server.pid))
            asyncio.run(crowd(asked.clients, short, {"n": 1}, server.pid))  # warm
            before = resident(server.pid)
            crowded, most = asyncio.run(crowd(asked.clients, asked.seconds, {"n": 1}, server.pid))
            after = resident(server.pid)
        finally:
            server.terminate()
            server.wait()
    together = float(np.mean([int(rows.split(" of ")[1]) for _, _, rows in crowded if rows]))
    begun, count = time.monotonic(), 0
    while time.monotonic() - begun < short:
        sampling.sample(made, max(1, round(together)), seed=count)
        count += 1
    inside = (time.monotonic() - begun) / count
    waits = np.array([seconds for status, seconds, _ in crowded if status == 200])
    figures = {
        "tokens a sample": LENGTH,
        "clients": asked.clients,
        "seconds": asked.seconds,
        "answers": len(waits),
        "refused with 429": sum(status == 429 for status, _, _ in crowded),
        "other errors": sum(status not in (200, 429) for status, _, _ in crowded),
        "p50": float(np.quantile(waits, 0.5)),
        "p99": float(np.quantile(waits, 0.99)),
        "drawn together, mean": together,
        "seconds in process at that batch": inside,
        "p50 over in process": float(np.quantile(waits, 0.5)) / inside,
        "answers a second": len(waits) / asked.seconds,
        "answers a second, one client": len(alone) / short,
        "batched over unbatched": (len(waits) / asked.seconds) / (len(alone) / short),
        "megabytes before": before,
        "megabytes after": after,
        "megabytes at most": most,
    }
    stage.write("server_load", {"figures": figures})
    for name, value in figures.items():
        print(f"{name:<34} {value:.3f}")


if __name__ == "__main__":
    main()
