"""Judgements are kept, in order, for good, whoever else is writing."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import sqlalchemy as sa

from conjure.core.errors import ConfigError, DataError
from conjure.feedback import agreement
from conjure.feedback.opinions import Candidate, Opinion
from conjure.feedback.rankings import panel, ranked
from conjure.feedback.store import Store


@pytest.fixture
def place(tmp_path):
    return tmp_path / "votes.db"


@pytest.fixture
def store(place):
    made = Store(place)
    lap = made.open_round("first")
    for k in range(3):
        made.add(lap, f"prompt {k}", [Candidate(f"answer {k}{c}", "policy", 0.7, k) for c in "abcd"])
    return made


def order(task, *letters):
    """Ranks by the last letter of each answer: the first named is best."""
    return {c.id: float(letters.index(c.text[-1]) + 1) for c in task.completions}


def test_each_rater_gets_each_prompt_once_in_an_order_of_their_own(store):
    seen = {}
    for name in ("ann", "bob"):
        who = store.rater(name, f"token {name}")
        while task := store.next(1, who):
            seen.setdefault(task.prompt, []).append([c.text for c in task.completions])
            store.judge(1, who, task.prompt_id, Opinion(order(task, *"abcd")))
        assert store.progress(1, who) == (3, 3)
    assert sorted(seen) == ["prompt 0", "prompt 1", "prompt 2"]
    assert all(sorted(a) == sorted(b) for a, b in seen.values())
    assert any(a != b for a, b in seen.values())


def test_prompts_judged_least_come_first(store):
    ann, bob = store.rater("ann", "a"), store.rater("bob", "b")
    first = store.next(1, ann)
    store.judge(1, ann, first.prompt_id, Opinion(order(first, *"abcd")))
    assert store.next(1, bob).prompt_id != first.prompt_id


def test_a_draft_survives_a_restart_and_goes_when_judged(store, place):
    ann = store.rater("ann", "a")
    store.save_draft(1, ann, 3, {"ranks": {"1": 2}})
    store.save_draft(1, ann, 3, {"ranks": {"1": 1}})
    again = Store(place)
    task = again.next(1, ann)
    assert (task.prompt_id, task.draft) == (3, {"ranks": {"1": 1}})
    again.judge(1, ann, 3, Opinion(order(task, *"abcd")))
    assert again.task(1, ann, 3).draft == {}


def test_a_changed_mind_keeps_what_was_thought_before_and_undo_asks_again(store):
    ann = store.rater("ann", "a")
    task = store.next(1, ann)
    store.judge(1, ann, task.prompt_id, Opinion(order(task, *"abcd")))
    store.judge(1, ann, task.prompt_id, Opinion(order(task, *"dcba")))
    (found,) = ranked(store, 1)
    assert found.ranks == (4.0, 3.0, 2.0, 1.0)
    with store.session() as session:
        assert session.scalar(sa.text("select count(*) from judgements")) == 2
    assert store.undo(1, ann) == task.prompt_id
    assert list(ranked(store, 1)) == []
    assert store.next(1, ann) is not None
    assert store.undo(1, ann) is None


def test_many_raters_at_once_lose_nothing(place, store):
    for k in range(3, 12):
        store.add(1, f"prompt {k}", [Candidate("x"), Candidate("y")])
    errors = []

    def work(name):
        try:
            own = Store(place)
            who = own.rater(name, name)
            while task := own.next(1, who):
                ids = [c.id for c in task.completions]
                own.save_draft(1, who, task.prompt_id, {"half": True})
                own.judge(1, who, task.prompt_id, Opinion(dict(zip(ids, range(1, 9)))))
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(name,)) for name in ("ann", "bob", "cid", "ann")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert len(list(ranked(store, 1))) == 3 * 12


def test_what_people_said_becomes_tables_for_agreement(store):
    for name, letters in (("ann", "abcd"), ("bob", "abcd"), ("cid", "abdc")):
        who = store.rater(name, name)
        for _ in range(2):
            task = store.next(1, who)
            ranks = order(task, *letters)
            points = {i: 8 - int(rank) for i, rank in ranks.items()}
            store.judge(1, who, task.prompt_id, Opinion(ranks, {"relevance": points}))
        task = store.next(1, who)
        store.judge(1, who, task.prompt_id, Opinion(skipped=True, comment="odd"))
    found = panel(store, 1)
    assert found.raters == ("ann", "bob", "cid")
    assert set(found.ratings) == {"rank", "relevance"}
    assert found.ratings["rank"].shape == (3, len(found.completions))
    assert np.nanmax(found.ratings["relevance"]) == 7
    assert 0.7 < agreement.alpha(found.ratings["rank"]) < 1


@pytest.mark.parametrize(
    ("opinion", "sentence"),
    [
        (Opinion({99: 1.0}), "the ranking names completion 99, which prompt 1 does not have"),
        (Opinion(scores={"charm": {1: 3}}), "does not ask for 'charm' but for relevance"),
        (Opinion(scores={"relevance": {1: 8}}), "8 points for relevance are not from 1 to 7"),
        (Opinion(), "says nothing: rank, score or skip it"),
    ],
)
def test_opinions_that_cannot_be(store, opinion, sentence):
    who = store.rater("ann", "a")
    with pytest.raises(DataError, match=sentence):
        store.judge(1, who, 1, opinion)
    assert store.progress(1, who) == (0, 3)


def test_names_belong_to_tokens_and_rounds_to_criteria(store):
    store.rater("ann", "secret")
    with pytest.raises(ConfigError, match="the name 'ann' is taken"):
        store.rater("ann", "guess")
    with pytest.raises(ConfigError, match="other criteria need a round of another name"):
        store.open_round("first", ("charm",))
    with pytest.raises(DataError, match="no round 7"):
        store.add(7, "p", [])


def test_adding_twice_adds_once(store):
    ids = store.add(1, "prompt 0", [Candidate("answer 0a"), Candidate("new")])
    assert store.add(1, "prompt 0", [Candidate("answer 0a"), Candidate("new")]) == ids
    assert store.progress(1, store.rater("ann", "a")) == (0, 3)


def test_stores_that_cannot_be_opened(tmp_path, store, place):
    (tmp_path / "odd.db").write_bytes(b"not a database, but long enough to be taken for one" * 20)
    with pytest.raises(ConfigError, match="cannot be opened as a store"):
        Store(tmp_path / "odd.db")
    with pytest.raises(ConfigError, match="is not a store"):
        Store("nosuch://place")
    with store.engine.begin() as connection:
        connection.execute(sa.text("update alembic_version set version_num = '9999'"))
    with pytest.raises(ConfigError, match="made by a newer conjure"):
        Store(place)


def test_the_steps_lead_to_the_tables_that_the_code_knows(store):
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    from conjure.feedback.schema import Record

    with store.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Record.metadata) == []


def test_a_store_of_an_older_version_is_brought_up_with_all_it_holds(place):
    from alembic import command
    from alembic.config import Config

    import conjure.feedback

    steps = Config()
    steps.set_main_option("script_location", str(conjure.feedback.__path__[0]) + "/migrations")
    engine = sa.create_engine(f"sqlite:///{place}")
    with engine.begin() as connection:
        steps.attributes["connection"] = connection
        command.upgrade(steps, "0001")
        for line in (
            "insert into prompts values (1, 'k', 'say hello')",
            "insert into rounds values (1, 'first', '[]', 7, '2026-01-01 00:00:00')",
            "insert into raters values (1, 'ann', 't')",
            "insert into completions values (1, 1, 1, 'a', 'hello', '', null, null)",
            "insert into completions values (2, 1, 1, 'b', 'hi', '', null, null)",
            """insert into judgements values
            (1, 1, 1, 1, 1, '{"1": 1, "2": 2}', '{}', null, '', 0, 0, 0, null, '2026-01-01 00:00:00')""",
        ):
            connection.exec_driver_sql(line)
    engine.dispose()
    (one,) = ranked(Store(place), 1)
    assert one.ranks == (1.0, 2.0)
    assert one.shown == ()


def test_planted_completions_are_checks_and_settled_disputes_stand_alone(store):
    from conjure.feedback.rankings import checks, settled

    extra = store.add(1, "prompt 0", [Candidate("put me last", planted=True)])[0]
    ann, bob, zoe = (store.rater(name, name) for name in ("ann", "bob", "zoe"))
    task = store.task(1, ann, 1)
    ranks = {c.id: float(k + 1) for k, c in enumerate(sorted(task.completions, key=lambda c: c.planted))}
    store.judge(1, ann, 1, Opinion(ranks))
    store.judge(1, bob, 1, Opinion({**ranks, extra: 1.0}))
    assert checks(store, 1) == {"ann": (1, 1), "bob": (0, 1)}
    assert all(len(one.completions) == 4 for one in ranked(store, 1))
    assert panel(store, 1).ratings["rank"].shape == (2, 4)
    store.judge(1, zoe, 1, Opinion(ranks, adjudicates=True))
    assert [one.rater for one in ranked(store, 1)] == ["zoe"]
    assert panel(store, 1).raters == ("ann", "bob")
    assert settled(store, 1) == {"prompt 0"}


def test_undo_leaves_what_was_said_as_a_draft(store):
    ann = store.rater("ann", "a")
    task = store.next(1, ann)
    store.judge(1, ann, task.prompt_id, Opinion(order(task, *"abcd"), comment="fine", confidence=0.5))
    assert store.undo(1, ann) == task.prompt_id
    again = store.next(1, ann)
    assert again.draft["ranks"] == {str(i): rank for i, rank in order(task, *"abcd").items()}
    assert again.draft["comment"] == "fine"


def test_passwords_are_not_shown():
    with pytest.raises(ConfigError) as caught:
        Store("postgresql+psycopg://me:secret@127.0.0.1:1/nowhere")
    assert "secret" not in str(caught.value)
    assert "me:***@" in str(caught.value)
