"""Where people's judgements are kept: SQLite in a file by default, PostgreSQL by URL. Nothing is ever overwritten."""

from __future__ import annotations

import hashlib
import hmac
import random
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.util.exc import CommandError
from sqlalchemy.exc import DatabaseError, IntegrityError, OperationalError
from sqlalchemy.orm import Session

from conjure.core.errors import ConfigError, DataError
from conjure.core.rng import derive
from conjure.feedback.opinions import Candidate, Opinion, Task, check
from conjure.feedback.schema import Completion, Draft, Judgement, Prompt, Rater, Round

CRITERIA = ("relevance", "coherence", "informativeness")
WAIT = 30  # seconds that one writer waits for another
ONE_AT_A_TIME = threading.Lock()  # alembic keeps what it does in globals
TRIES = 5  # when two tabs of one rater save at the same moment


class Store:
    """A feedback store at a URL ("sqlite:///votes.db", "postgresql+psycopg://...") or in a file, made on first use.

    ConfigError for a place that cannot be opened, or a store that a newer version made; an older one is brought up.
    """

    def __init__(self, place: str | Path):
        self.place = re.sub(r"://([^:@/]+):[^@/]*@", r"://\1:***@", str(place))
        url = str(place) if "://" in str(place) else f"sqlite:///{place}"
        try:
            self.engine = sa.create_engine(url, connect_args={"timeout": WAIT} if url.startswith("sqlite") else {})
            if url.startswith("sqlite"):
                sa.event.listen(self.engine, "connect", _prepare)
                sa.event.listen(self.engine, "begin", lambda c: c.exec_driver_sql("BEGIN IMMEDIATE"))
            _bring_up(self.engine)
        except CommandError:
            raise ConfigError(f"{self.place} was made by a newer conjure: upgrade") from None
        except (sa.exc.ArgumentError, sa.exc.NoSuchModuleError, ImportError) as error:
            raise ConfigError(f"{self.place} is not a store: {error}") from None
        except (OperationalError, DatabaseError) as error:
            raise ConfigError(f"{self.place} cannot be opened as a store: {error.orig}") from None

    def close(self) -> None:
        """Let go of the connections."""
        self.engine.dispose()

    @contextmanager
    def session(self) -> Iterator[Session]:
        with Session(self.engine, expire_on_commit=False) as session, session.begin():
            yield session

    def open_round(self, name: str, criteria: tuple[str, ...] = CRITERIA, points: int = 7) -> int:
        """The id of the round of this name, made if need be; ConfigError where it has other criteria."""
        with self.session() as session:
            found = session.scalar(sa.select(Round).where(Round.name == name))
            if found is None:
                found = Round(name=name, criteria=list(criteria), points=points)
                session.add(found)
                session.flush()
            elif (found.criteria, found.points) != (list(criteria), points):
                raise ConfigError(
                    f"round {name!r} asks for {', '.join(found.criteria)} in {found.points} points; "
                    "other criteria need a round of another name"
                )
            return found.id

    def asks(self, round_id: int) -> tuple[list[str], int]:
        """The criteria of a round, and its most points."""
        with self.session() as session:
            asked = self._round(session, round_id)
            return asked.criteria, asked.points

    def add(self, round_id: int, prompt: str, completions: list[Candidate]) -> list[int]:
        """A prompt with completions for a round; the completions' ids. What is there already is not added twice."""
        with self.session() as session:
            self._round(session, round_id)
            asked = session.scalar(sa.select(Prompt).where(Prompt.key == _key(prompt)))
            if asked is None:
                asked = Prompt(key=_key(prompt), text=prompt)
                session.add(asked)
                session.flush()
            ids = []
            for c in completions:
                where = (
                    Completion.prompt_id == asked.id,
                    Completion.round_id == round_id,
                    Completion.key == _key(c.text),
                )
                found = session.scalar(sa.select(Completion).where(*where))
                if found is None:
                    found = Completion(
                        prompt_id=asked.id, round_id=round_id, key=_key(c.text), text=c.text,
                        policy=c.policy, temperature=c.temperature, seed=c.seed, planted=c.planted,
                    )  # fmt: skip
                    session.add(found)
                    session.flush()
                ids.append(found.id)
            return ids

    def prompt(self, text: str) -> int:
        """The id of a prompt; DataError for one that is not there."""
        with self.session() as session:
            found = session.scalar(sa.select(Prompt.id).where(Prompt.key == _key(text)))
            if found is None:
                raise DataError(f"the store has no prompt {text[:60]!r}")
            return found

    def rater(self, name: str, token: str) -> int:
        """The id of a rater, made on first sight; ConfigError for a name that another token has taken."""
        hashed = hashlib.sha256(token.encode()).hexdigest()
        for last in _tries():
            try:
                with self.session() as session:
                    found = session.scalar(sa.select(Rater).where(Rater.name == name))
                    if found is None:
                        found = Rater(name=name, token=hashed)
                        session.add(found)
                        session.flush()
                    elif not hmac.compare_digest(found.token, hashed):
                        raise ConfigError(f"the name {name!r} is taken, and this is not its token")
                    return found.id
            except IntegrityError:  # another tab was first
                if last:
                    raise
        raise AssertionError

    def known_rater(self, name: str, token: str) -> int:
        """The id of a rater who has come before; ConfigError for a stranger, or another token."""
        with self.session() as session:
            found = session.scalar(sa.select(Rater).where(Rater.name == name))
            if found is None or not hmac.compare_digest(found.token, hashlib.sha256(token.encode()).hexdigest()):
                raise ConfigError(f"{name!r} is not known here with this token: sign in again")
            return found.id

    def next(self, round_id: int, rater_id: int) -> Task | None:
        """A prompt that this rater has not judged in this round, those with fewest judgements first; None: all done.

        A prompt that was left half-way comes first, as it was left.
        """
        with self.session() as session:
            asked = self._round(session, round_id)
            mine = sa.select(Judgement.prompt_id).where(*_in_force(round_id, rater_id))
            counts = (
                sa.select(Judgement.prompt_id, sa.func.count().label("n"))
                .where(Judgement.round_id == round_id, ~Judgement.withdrawn)
                .group_by(Judgement.prompt_id)
                .subquery()
            )
            draft = sa.select(Draft.prompt_id).where(Draft.round_id == round_id, Draft.rater_id == rater_id)
            rows = session.execute(
                sa.select(Prompt, counts.c.n)
                .where(Prompt.id.in_(sa.select(Completion.prompt_id).where(Completion.round_id == round_id)))
                .where(Prompt.id.not_in(mine))
                .outerjoin(counts, counts.c.prompt_id == Prompt.id)
                .order_by(Prompt.id.in_(draft).desc(), sa.func.coalesce(counts.c.n, 0), Prompt.id)
                .limit(1)
            ).first()
            return None if rows is None else self._task(session, asked, rows[0], rater_id)

    def task(self, round_id: int, rater_id: int, prompt_id: int) -> Task:
        """One prompt, as `next` would give it; DataError for one that the round does not have."""
        with self.session() as session:
            prompt = session.get(Prompt, prompt_id)
            task = prompt and self._task(session, self._round(session, round_id), prompt, rater_id)
            if not task or not task.completions:
                raise DataError(f"round {round_id} has no prompt {prompt_id}")
            return task

    def save_draft(self, round_id: int, rater_id: int, prompt_id: int, page: dict[str, Any]) -> None:
        """Keep what is on a rater's page."""
        where = (Draft.round_id == round_id, Draft.rater_id == rater_id, Draft.prompt_id == prompt_id)
        for last in _tries():
            try:
                with self.session() as session:
                    found = session.scalar(sa.select(Draft).where(*where))
                    if found is None:
                        session.add(Draft(round_id=round_id, rater_id=rater_id, prompt_id=prompt_id, page=page))
                    else:
                        found.page = page
                return
            except IntegrityError:  # another tab was first
                if last:
                    raise

    def judge(self, round_id: int, rater_id: int, prompt_id: int, opinion: Opinion) -> int:
        """Keep a judgement as a new revision; earlier ones stay. The id of the revision's row.

        DataError where it names a completion that the prompt does not have, a criterion that the round does not ask
        for, or points beyond its scale.
        """
        for last in _tries():
            try:
                with self.session() as session:
                    shown = sa.select(Completion.id).where(
                        Completion.prompt_id == prompt_id, Completion.round_id == round_id
                    )
                    asked = self._round(session, round_id)
                    check(opinion, set(session.scalars(shown)), (asked.criteria, asked.points), prompt_id)
                    whose = {"round_id": round_id, "rater_id": rater_id, "prompt_id": prompt_id}
                    latest = session.scalar(sa.select(sa.func.max(Judgement.revision)).filter_by(**whose)) or 0
                    if latest:  # one is in force
                        session.execute(sa.update(Judgement).filter_by(**whose).values(withdrawn=True))
                    row = Judgement(**whose, revision=latest + 1, **opinion.columns())
                    session.add(row)
                    session.execute(sa.delete(Draft).filter_by(**whose))
                    session.flush()
                    return row.id
            except IntegrityError:  # another tab took the revision's number
                if last:
                    raise
        raise AssertionError

    def undo(self, round_id: int, rater_id: int) -> int | None:
        """Withdraw a rater's latest judgement, a draft again; the prompt to judge, None where there is none."""
        with self.session() as session:
            found = session.scalar(
                sa.select(Judgement).where(*_in_force(round_id, rater_id)).order_by(Judgement.id.desc()).limit(1)
            )
            if found is None:
                return None
            found.withdrawn = True
            page = {k: getattr(found, k) for k in ("ranks", "scores", "confidence", "comment", "flagged")}
            where = {"round_id": round_id, "rater_id": rater_id, "prompt_id": found.prompt_id}
            session.execute(sa.delete(Draft).filter_by(**where))
            session.add(Draft(**where, page=page))
            return found.prompt_id

    def progress(self, round_id: int, rater_id: int) -> tuple[int, int]:
        """(prompts judged by a rater, prompts of the round)."""
        with self.session() as session:
            done = session.scalar(
                sa.select(sa.func.count()).select_from(Judgement).where(*_in_force(round_id, rater_id))
            )
            every = sa.select(sa.func.count(sa.distinct(Completion.prompt_id))).where(Completion.round_id == round_id)
            return done or 0, session.scalar(every) or 0

    def _task(self, session: Session, asked: Round, prompt: Prompt, rater_id: int) -> Task:
        rows = session.scalars(
            sa.select(Completion)
            .where(Completion.prompt_id == prompt.id, Completion.round_id == asked.id)
            .order_by(Completion.id)
        ).all()
        shown = [Candidate(r.text, r.policy, r.temperature, r.seed, r.id, r.planted) for r in rows]
        random.Random(derive(asked.id, "order", rater_id, prompt.id)).shuffle(shown)
        draft = session.scalar(
            sa.select(Draft).where(Draft.round_id == asked.id, Draft.rater_id == rater_id, Draft.prompt_id == prompt.id)
        )
        page = {} if draft is None else draft.page
        return Task(prompt.id, prompt.text, shown, asked.criteria, asked.points, page)

    def _round(self, session: Session, round_id: int) -> Round:
        found = session.get(Round, round_id)
        if found is None:
            raise DataError(f"there is no round {round_id} in this store")
        return found


def _prepare(connection: Any, record: Any) -> None:
    """Readers and a writer side by side, and references that hold. A transaction has the right to write from its start:
    one that asks for it half-way may be refused at once.
    """
    connection.isolation_level = None
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA foreign_keys=ON")


def _bring_up(engine: sa.Engine) -> None:
    steps = Config()
    steps.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    with ONE_AT_A_TIME, engine.begin() as connection:
        steps.attributes["connection"] = connection
        command.upgrade(steps, "head")


def _in_force(round_id: int, rater_id: int) -> tuple[Any, ...]:
    return Judgement.round_id == round_id, Judgement.rater_id == rater_id, ~Judgement.withdrawn


def _key(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _tries() -> Iterator[bool]:
    """Whether this is the last try."""
    return (attempt == TRIES - 1 for attempt in range(TRIES))
