"""The store on a real PostgreSQL server: what SQLite does, with many raters at once."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import threading
from pathlib import Path

import pytest

from conjure.feedback.opinions import Candidate, Opinion
from conjure.feedback.rankings import panel, ranked
from conjure.feedback.store import Store
from tests.browser.pages import free_port

PLACES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
NOBODY = "postgres"  # the server refuses to run as root


def run(*words: object, check: bool = True) -> None:
    """A command, as the server's own user where this is root."""
    command = [str(w) for w in words]
    if os.getuid() == 0:
        command = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", *command]
    subprocess.run(command, check=check, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/")


@pytest.fixture(scope="module")
def url(tmp_path_factory):
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


def test_many_raters_judge_at_once_and_nothing_is_lost(url):
    store = Store(url)
    lap = store.open_round("first")
    for k in range(8):
        store.add(lap, f"prompt {k}", [Candidate(f"x{k}"), Candidate(f"y{k}")])
    errors = []

    def work(name):
        try:
            own = Store(url)
            who = own.rater(name, name)
            while task := own.next(lap, who):
                ids = [c.id for c in task.completions]
                own.save_draft(lap, who, task.prompt_id, {"ranks": {}})
                points = {"relevance": dict.fromkeys(ids, 5)}
                own.judge(lap, who, task.prompt_id, Opinion(dict(zip(ids, (1, 2))), points, shown=ids))
            own.close()
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(name,)) for name in ("ann", "bob", "cid", "ann")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    found = list(ranked(store, lap))
    assert len(found) == 3 * 8
    assert all(one.shown for one in found)
    assert panel(store, lap).ratings["relevance"].shape == (3, 16)
    who = store.rater("ann", "ann")
    back = store.undo(lap, who)
    assert store.task(lap, who, back).draft["scores"]
    assert store.progress(lap, who) == (7, 8)
    store.close()
