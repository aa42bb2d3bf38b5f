"""Ten requests to a server with three slots: what each waits, and what it is written, a tick a token."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
from matplotlib import pyplot as plt

import conjure
from conjure.server.app import create
from conjure.server.running import Server, listen
from conjure.server.settings import Settings

BLUE, RED, GREY = "#2b6cb0", "#c05621", "#a0aec0"
LEAVES = 4  # the request whose client leaves in mid-answer


def draw() -> plt.Figure:
    """From the request to its first token in grey, from there in blue; red where the client left."""
    small = ["model.width=64", "training.steps=20", "training.threads=1"]
    writer = conjure.fit("text", "python-docs", settings=small).artifact
    place = listen("127.0.0.1", 0)
    server = Server(create(Settings({"writer": writer}, slots=3)), log="error")
    thread = threading.Thread(target=server.run, kwargs={"sockets": [place]})
    thread.start()
    url, begun = f"http://127.0.0.1:{place.getsockname()[1]}", time.perf_counter()
    while not server.started:
        time.sleep(0.01)

    def one(number: int) -> list[float]:
        time.sleep(0.04 * number)
        times = [time.perf_counter() - begun]
        body = {"prompt": "The ", "max_tokens": 60 + 12 * (number * 7 % 5), "stream": True, "ignore_eos": True}
        with httpx.stream("POST", f"{url}/v1/completions", json=body, timeout=60) as answer:
            for line in answer.iter_lines():
                if line.startswith("data: {") and json.loads(line[6:])["choices"][0]["text"]:
                    times.append(time.perf_counter() - begun)
                if number == LEAVES and len(times) > 25:
                    break
        return times

    one(0)  # what is made on first use is not what is shown
    begun = time.perf_counter()
    with ThreadPoolExecutor(10) as threads:
        rows = list(threads.map(one, range(10)))
    server.drain()
    thread.join()
    place.close()
    figure, axis = plt.subplots(figsize=(9, 3))
    for number, times in enumerate(rows):
        axis.hlines(number, times[0], times[1], color=GREY, lw=2)
        axis.vlines(times[1:], number - 0.3, number + 0.3, color=RED if number == LEAVES else BLUE, lw=0.6)
    axis.set(xlabel="seconds", ylabel="request", yticks=range(10))
    axis.invert_yaxis()
    return figure
