"""The command line called in this process: its words in; exit code, output and complaints out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from conjure import cli


class Said(NamedTuple):
    code: int
    out: str
    err: str


class Terminal:
    """`conjure ...` without the start of a process; errors pass through the same `main`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture):
        self.monkeypatch, self.capsys = monkeypatch, capsys

    def __call__(self, *words: object) -> Said:
        self.monkeypatch.setattr(sys, "argv", ["conjure", *map(str, words)])
        self.capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            cli.main()
        out, err = self.capsys.readouterr()
        return Said(int(stop.value.code or 0), out, err)

    def works(self, *words: object) -> Said:
        said = self(*words)
        assert said.code == 0, said.err
        return said

    def refused(self, *words: object, naming: tuple[object, ...], remarks: bool = False) -> str:
        """The one line of complaint, which names each of `naming`; `remarks` may stand above it."""
        said = self(*words)
        lines = said.err.splitlines()
        assert said.code == 2, said
        assert lines[-1].startswith("error: "), said.err
        assert remarks or len(lines) == 1, said.err
        assert "Traceback" not in said.err
        missing = [str(n) for n in naming if str(n).lower() not in lines[-1].lower()]
        assert not missing, f"{lines[-1]!r} does not name {missing}"
        return lines[-1]


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, hidden ones too."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}
