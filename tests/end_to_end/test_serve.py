"""`conjure serve` as people start and stop it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from conjure import artifact
from conjure.core.errors import ConfigError
from conjure.server.opening import named
from conjure.server.running import listen
from tests.unit.server.talking import HELLO
from tests.unit.server.tiny import tiny


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return artifact.save(tiny(), tmp_path_factory.mktemp("served") / "little")


def started(*words: str, **environment: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "conjure", "serve", *words]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env={**os.environ, **environment}
    )


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_it_says_where_it_is_answers_and_ends_on_a_signal(folder: Path, name: str):
    with started(str(folder), "--port", "0", CONJURE_API_KEY="secret") as process:
        said = process.stdout.readline()
        assert said.startswith("serving little on http://127.0.0.1:")
        url = said.split()[-1]
        for _ in range(200):
            try:
                if httpx.get(f"{url}/health").status_code == 200:
                    break
            except httpx.TransportError:
                time.sleep(0.05)
        body = {"messages": HELLO, "max_tokens": 3}
        assert httpx.post(f"{url}/v1/chat/completions", json=body).status_code == 401
        keyed = httpx.post(f"{url}/v1/chat/completions", json=body, headers={"authorization": "Bearer secret"})
        assert keyed.json()["model"] == "little"
        process.send_signal(getattr(signal, name))
        assert process.wait(20) == 0


def test_a_port_in_use_ends_it_with_one_sentence(folder: Path):
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        command = [sys.executable, "-m", "conjure", "serve", str(folder), "--port", str(port)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: port {port} of 127.0.0.1 is in use by another program: try --port ")
    assert done.stderr.count("\n") == 1


def test_names_are_the_folders_or_what_is_given(folder: Path, tmp_path: Path):
    assert list(named([str(folder), f"other={folder}"])) == ["little", "other"]
    with pytest.raises(ConfigError, match="are both called 'little'"):
        named([str(folder), str(folder)])
    with pytest.raises(Exception, match="holds no artifact"):
        named([str(tmp_path)])
