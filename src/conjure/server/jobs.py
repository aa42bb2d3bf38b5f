"""Fits as jobs: a row each in a store, a process each; a server that died finds both again."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import signal
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import JSON, Float, String, create_engine, event, select, update
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from conjure.server.errors import Refusal, placeless

QUEUED, RUNNING, FINISHED, FAILED, CANCELLED, INTERRUPTED = (
    "queued",
    "running",
    "finished",
    "failed",
    "cancelled",
    "interrupted",
)
OVER = (FINISHED, FAILED, CANCELLED)
LOCK, SPEC, PROGRESS, OUTCOME, LOG = "lock", "job.json", "progress.jsonl", "outcome.json", "log.txt"
PREVIEW = "preview.json"
LOOK_SECONDS = 0.5


class Rows(DeclarativeBase):
    """The store's tables."""


class Job(Rows):
    """One fit: what was asked for, and how far it is."""

    __tablename__ = "jobs"

    number: Mapped[str] = mapped_column(String(16), primary_key=True)
    name: Mapped[str] = mapped_column(String(64))
    asked: Mapped[dict[str, Any]] = mapped_column(JSON)
    status: Mapped[str] = mapped_column(String(16), index=True)
    message: Mapped[str] = mapped_column(String(2000), default="")
    created: Mapped[float] = mapped_column(Float)
    started: Mapped[float | None] = mapped_column(Float, default=None)
    ended: Mapped[float | None] = mapped_column(Float, default=None)

    def told(self) -> dict[str, Any]:
        """As clients see it."""
        names = ("number", "name", "asked", "status", "message", "created", "started", "ended")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class Order:
    """What a process is to do: an app's recipe by words of `verbs.recipe_for`, data by its path.

    preview: seconds from one look at what is learnt to the next, 0 for none.
    """

    app: str
    data: str
    out: str
    choice: dict[str, Any]
    minutes: float | None
    seed: int | None
    resume: bool = False
    preview: float = 0.0


class Jobs:
    """A queue of fits, `at_once` of them running, each in a process that outlives the server."""

    def __init__(self, root: Path, url: str = "", at_once: int = 1):
        self.folder, self.at_once = root / "runs", at_once
        self.folder.mkdir(parents=True, exist_ok=True)
        self.store = create_engine(url or f"sqlite:///{root / 'jobs.db'}", connect_args=_patience(url))
        if not url:
            event.listen(self.store, "connect", lambda c, _: c.execute("PRAGMA journal_mode=WAL"))
        Rows.metadata.create_all(self.store)
        self._wake, self._over = threading.Event(), threading.Event()
        self._children: dict[str, int] = {}  # process ids, until they are waited for
        self._watcher = threading.Thread(target=self._watch, name="jobs", daemon=True)
        self._watcher.start()

    def submit(self, name: str, order: Order, asked: dict[str, Any]) -> dict[str, Any]:
        """Queue a fit under a new number."""
        number = secrets.token_hex(8)
        (self.folder / number).mkdir()
        self._write(number, order)
        with Session(self.store) as session, session.begin():
            session.add(Job(number=number, name=name, asked=asked, status=QUEUED, message="", created=time.time()))
        self._wake.set()
        return self.get(number)

    def get(self, number: str) -> dict[str, Any]:
        """A job with its latest progress; Refusal 404 where there is none."""
        with Session(self.store) as session:
            job = session.get(Job, number)
            if job is None:
                raise Refusal(404, f"there is no fit {number[:20]!r}: GET /fits lists them", param="number")
            told = job.told()
        lines = self.progress(number)
        return told | {"progress": lines[-1] if lines else None, "place": self._place(number, told["status"])}

    def all(self) -> list[dict[str, Any]]:
        """Every job, the newest first."""
        with Session(self.store) as session:
            return [job.told() for job in session.scalars(select(Job).order_by(Job.created.desc()))]

    def progress(self, number: str) -> list[dict[str, Any]]:
        """What the run said of itself, line by line."""
        return _lines(self.folder / number / PROGRESS)

    def preview(self, number: str) -> dict[str, Any] | None:
        """The last samples of a run with their step, None before there are some."""
        self.get(number)
        place = self.folder / number / PREVIEW
        return json.loads(place.read_text("utf-8")) if place.exists() else None

    def log(self, number: str, most: int = 20_000) -> str:
        """The end of what the process wrote."""
        self.get(number)
        path = self.folder / number / LOG
        return path.read_bytes()[-most:].decode("utf-8", "replace") if path.exists() else ""

    def cancel(self, number: str) -> dict[str, Any]:
        """End a job: a queued one at once, a running one after its step; what it learnt is kept."""
        status = self.get(number)["status"]
        if status in OVER:
            raise Refusal(409, f"this fit is {status} already")
        if status == RUNNING:
            self._signal(number, signal.SIGINT)
        else:
            self._set(number, CANCELLED, "cancelled before it ran")
        return self.get(number)

    def resume(self, number: str) -> dict[str, Any]:
        """Queue an interrupted, failed or cancelled job again: it goes on from its checkpoint."""
        told = self.get(number)
        if told["status"] not in (INTERRUPTED, FAILED, CANCELLED):
            raise Refusal(409, f"this fit is {told['status']}; only one that was cut short is resumed")
        order = json.loads((self.folder / number / SPEC).read_text("utf-8"))
        (self.folder / number / OUTCOME).unlink(missing_ok=True)
        self._write(number, Order(**{**order, "resume": True}))
        self._set(number, QUEUED, "")
        self._wake.set()
        return self.get(number)

    def close(self) -> None:
        """Stop watching; processes go on by themselves."""
        self._over.set()
        self._wake.set()
        self._watcher.join(5)
        self.store.dispose()

    # ---- the watcher's thread

    def _watch(self) -> None:
        while not self._over.is_set():
            self._wake.clear()
            running = [job["number"] for job in self.all() if job["status"] == RUNNING]
            for number in running:
                if not self._alive(number):
                    self._conclude(number)
            running = [number for number in running if self._alive(number)]
            queued = [job["number"] for job in reversed(self.all()) if job["status"] == QUEUED]
            for number in queued[: max(0, self.at_once - len(running))]:
                self._start(number)
            self._wake.wait(LOOK_SECONDS)

    def _start(self, number: str) -> None:
        folder, command = self.folder / number, [sys.executable, "-m", "conjure.server.child"]
        log = (os.POSIX_SPAWN_OPEN, 1, str(folder / LOG), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        actions = [(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0), log, (os.POSIX_SPAWN_DUP2, 1, 2)]
        # in a session of its own: a server that is killed leaves its fits running
        started = os.posix_spawn(sys.executable, [*command, str(folder)], os.environ, file_actions=actions, setsid=True)
        self._children[number] = started
        until = time.monotonic() + 30
        while not self._alive(number) and number in self._children and time.monotonic() < until:
            time.sleep(0.02)
        self._set(number, RUNNING, "")

    def _alive(self, number: str) -> bool:
        """Whether the job's process holds its lock: true of one that an earlier server started, too."""
        if number in self._children:
            with contextlib.suppress(ChildProcessError):
                if os.waitpid(self._children[number], os.WNOHANG) != (0, 0):
                    del self._children[number]
                    return False
        try:
            with (self.folder / number / LOCK).open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False

    def _conclude(self, number: str) -> None:
        """Note how a process ended; one that left no word was killed, and can be resumed."""
        path = self.folder / number / OUTCOME
        try:
            told = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError):
            told = {"status": INTERRUPTED, "message": "its process was ended from outside: resume it to go on"}
        self._set(number, told["status"], placeless(told["message"], self.folder.parent))

    def _set(self, number: str, status: str, message: str) -> None:
        when = {RUNNING: {"started": time.time()}, QUEUED: {}}.get(status, {"ended": time.time()})
        with Session(self.store) as session, session.begin():
            session.execute(
                update(Job).where(Job.number == number).values(status=status, message=message[:2000], **when)
            )

    def _signal(self, number: str, which: int) -> None:
        with contextlib.suppress(OSError, ValueError):  # it has ended by itself, or not begun
            os.kill(int((self.folder / number / LOCK).read_text("utf-8")), which)

    def _place(self, number: str, status: str) -> int:
        """How many running or queued jobs come before a queued one."""
        if status != QUEUED:
            return 0
        before = [job["number"] for job in reversed(self.all()) if job["status"] in (RUNNING, QUEUED)]
        return before.index(number) if number in before else 0

    def _write(self, number: str, order: Order) -> None:
        beside = self.folder / number / f".{SPEC}"
        beside.write_text(json.dumps(vars(order)), "utf-8")
        beside.replace(self.folder / number / SPEC)


def _patience(url: str) -> dict[str, Any]:
    return {} if url else {"timeout": 30}


def _lines(path: Path) -> list[dict[str, Any]]:
    """Whole lines of JSON; one that is being written is left for the next look."""
    if not path.exists():
        return []
    found = []
    for line in path.read_text("utf-8").splitlines(keepends=True):
        if line.endswith("\n"):
            found.append(json.loads(line))
    return found
