"""The store on a real PostgreSQL server: what SQLite does, with many raters at once."""

from __future__ import annotations

import threading

from conjure.feedback.opinions import Candidate, Opinion
from conjure.feedback.rankings import panel, ranked
from conjure.feedback.store import Store
from tests.unit.postgres import postgres  # noqa: F401 (a fixture)


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
