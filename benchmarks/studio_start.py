"""How long until the studio answers, and how much its first page brings beyond gradio's own files.

Usage: python benchmarks/studio_start.py [--times 5]; the page's bytes want Debian's chromium and playwright.
"""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections import defaultdict
from importlib import metadata
from pathlib import Path
from urllib.parse import urlsplit

import stage

OWN = ("/assets/", "/static/", "/svelte/", "/_app/", "/manifest.json", "/favicon.ico")  # what gradio's package ships
PATIENCE = 120


def worked(pid: int) -> float:
    """CPU-seconds that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def begun(root: str) -> tuple[subprocess.Popen[bytes], str, float]:
    """(a server of an empty house, its studio's address, seconds until that page came whole)."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}/studio/"
    command = [sys.executable, "-m", "conjure", "serve", "--root", root, "--studio", "--port", str(port)]
    started = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while time.monotonic() - started < PATIENCE:
        try:
            with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
                if b"gradio_config" in answer.read():
                    return process, url, time.monotonic() - started
        except (urllib.error.URLError, OSError):
            if process.poll() is not None:
                break
            time.sleep(0.01)
    process.kill()
    raise SystemExit("the studio does not start")


def ended(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait()


def page_bytes(url: str) -> dict[str, int]:
    """Bytes before compression of all that a browser loads for the first page, by path."""
    from playwright.sync_api import sync_playwright

    sizes: dict[str, int] = defaultdict(int)
    where: dict[str, str] = {}
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=["--headless", "--no-sandbox"])
        page = browser.new_page()
        line = page.context.new_cdp_session(page)
        line.send("Network.enable")
        line.on("Network.requestWillBeSent", lambda e: where.update({e["requestId"]: e["request"]["url"]}))

        def received(event: dict) -> None:
            sizes[urlsplit(where[event["requestId"]]).path] += event["dataLength"]

        line.on("Network.dataReceived", received)
        page.goto(url)
        page.get_by_role("tab", name="Fit", exact=True).wait_for(timeout=PATIENCE * 1000)
        page.wait_for_timeout(3000)
        browser.close()
    return dict(sizes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=5)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as root:
        process, _, cold = begun(root)  # reads the files of gradio and torch for the first time
        ended(process)
        seconds, cpu = [], []
        for time_ in range(asked.times):
            process, url, took = begun(root)
            seconds.append(took)
            cpu.append(worked(process.pid))
            if time_ < asked.times - 1:
                ended(process)
        sizes = page_bytes(url)
        ended(process)
    ours = {path: size for path, size in sizes.items() if not any(own in path for own in OWN)}
    figures = {
        "seconds": seconds,
        "median seconds": statistics.median(seconds),
        "median CPU-seconds": statistics.median(cpu),
        "seconds, first start of all": cold,
        "bytes beyond gradio's own": sum(ours.values()),
        "bytes of gradio's own": sum(sizes.values()) - sum(ours.values()),
        "parts": dict(sorted(ours.items(), key=lambda part: -part[1])[:8]),
        "gradio": metadata.version("gradio"),
    }
    stage.write("studio_start", {"figures": figures})
    for name, value in figures.items():
        print(f"{name:<34} {value}")


if __name__ == "__main__":
    main()
