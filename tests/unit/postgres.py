"""A PostgreSQL server of the tests' own, where Debian's package is installed."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.browser.pages import free_port

PLACES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
NOBODY = "postgres"  # the server refuses to run as root


def run(*words: object, check: bool = True) -> None:
    """A command, as the server's own user where this is root."""
    command = [str(w) for w in words]
    if os.getuid() == 0:
        command = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", *command]
    subprocess.run(command, check=check, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/")


@pytest.fixture(scope="module", name="url")
def postgres(tmp_path_factory):
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    tools = PLACES[-1] if PLACES else Path(shutil.which("initdb") or "/nowhere/initdb").parent
    if not (tools / "initdb").exists():
        pytest.skip("PostgreSQL is not installed")
    if os.getuid() == 0 and (NOBODY not in {u.pw_name for u in pwd.getpwall()} or not shutil.which("setpriv")):
        pytest.skip("PostgreSQL does not run as root, and there is no user postgres")
    home = Path(f"/tmp/conjure-postgres-{os.getpid()}")
    home.mkdir()
    if os.getuid() == 0:
        shutil.chown(home, NOBODY, NOBODY)
    port = free_port()
    try:
        run(tools / "initdb", "-D", home / "data", "-U", "conjure", "-A", "trust", "--no-sync")
        run(tools / "pg_ctl", "-D", home / "data", "-w", "-o", f"-p {port} -k {home} -F", "-l", home / "log", "start")
        yield f"postgresql+psycopg://conjure@127.0.0.1:{port}/postgres"
    finally:
        run(tools / "pg_ctl", "-D", home / "data", "-m", "immediate", "stop", check=False)
        shutil.rmtree(home, ignore_errors=True)
