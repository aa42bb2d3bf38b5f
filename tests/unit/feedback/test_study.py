"""A panel with known habits: agreement equals second sources, the careless are found, disputes come first."""

from __future__ import annotations

import itertools
import time

import numpy as np
import pytest

from conjure.core.errors import DataError
from conjure.feedback import pairwise, shown, study
from conjure.feedback.opinions import Candidate, Opinion
from conjure.feedback.rankings import Panel
from conjure.feedback.simulation import Person, ceiling, panel_of, rate
from conjure.feedback.store import Store


def panel_by(prompts: int, size: int, raters: int, share: float = 1.0, seed: int = 0) -> Panel:
    """Rankings of random things by raters with noise, each of a share of the prompts."""
    rng = np.random.default_rng(seed)
    worth = rng.normal(size=(prompts, size))
    ratings = np.full((raters, prompts * size), np.nan)
    for rater in range(raters):
        seen = rng.random(prompts) < share
        ranks = (-(worth + 0.7 * rng.normal(size=worth.shape))).argsort(1).argsort(1) + 1.0
        ratings[rater, np.repeat(seen, size)] = ranks[seen].ravel()
    names = np.repeat([f"p{k}" for k in range(prompts)], size).astype(object)
    return Panel(tuple(f"r{k}" for k in range(raters)), np.arange(prompts * size), names, {"rank": ratings})


def test_alpha_equals_the_reference_implementation():
    krippendorff = pytest.importorskip("krippendorff", reason="the reference implementation is not installed")
    found = panel_by(20, 4, 5, 0.6)
    for level in ("nominal", "ordinal", "interval", "ratio"):
        expected = krippendorff.alpha(found.ratings["rank"], level_of_measurement=level)
        assert pairwise.alpha(found, "rank", level).value == pytest.approx(expected, abs=1e-9)


def test_tau_is_scipys_where_there_is_one_prompt():
    from scipy.stats import kendalltau

    found = panel_by(1, 9, 3)
    found.ratings["rank"][0, :3] = 2.0  # ties
    rows = found.ratings["rank"]
    expected = [kendalltau(rows[a], rows[b], variant="b").statistic for a, b in itertools.combinations(range(3), 2)]
    mean, each = pairwise.tau(pairwise.pairs(found, "rank"))
    assert mean.value == pytest.approx(np.mean(expected), abs=1e-9)
    assert each[0] == pytest.approx(np.mean(expected[:2]), abs=1e-9)


def test_kappa_is_sklearns_mean_over_raters_and_w_that_of_each_prompt():
    from sklearn.metrics import cohen_kappa_score

    from conjure.feedback.agreement import kendall_w

    found = panel_by(30, 4, 3)
    rows = found.ratings["rank"]
    expected = [
        cohen_kappa_score(rows[a], rows[b], weights="quadratic") for a, b in itertools.combinations(range(3), 2)
    ]
    assert pairwise.kappa(found, "rank").value == pytest.approx(np.mean(expected), abs=1e-6)
    by_prompt = [kendall_w(rows[:, found.prompts == name]) for name in np.unique(found.prompts)]
    assert pairwise.concordance(found, "rank").value == pytest.approx(np.mean(by_prompt), abs=1e-9)


def test_pairs_are_only_of_one_prompt():
    found = panel_by(7, 3, 2)
    told = pairwise.pairs(found, "rank")
    assert told.columns.shape == (7 * 3, 2)
    assert (found.prompts[told.columns[:, 0]] == found.prompts[told.columns[:, 1]]).all()


def test_a_hundred_thousand_ratings_by_every_statistic():
    found = panel_by(6250, 4, 50, 0.08)
    assert 95_000 < (~np.isnan(found.ratings["rank"])).sum() < 105_000
    study.agree(panel_by(10, 4, 3), "rank")  # imports
    for measure in (pairwise.alpha, pairwise.kappa, pairwise.concordance):
        start = time.process_time()
        measure(found, "rank")
        assert time.process_time() - start < 1
    start = time.process_time()
    told = pairwise.pairs(found, "rank")
    pairwise.agreement(told)
    pairwise.tau(told)
    assert time.process_time() - start < 1


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    """Forty prompts by eight people, two of them careless, who all favour what stands first a little."""
    store = Store(tmp_path_factory.mktemp("study") / "votes.db")
    lap = store.open_round("first", ())
    rng = np.random.default_rng(0)
    for k in range(40):
        some = [Candidate(f"{k}{c} {'good ' * int(rng.integers(6))}") for c in "abcd"]
        store.add(lap, f"prompt {k}", some + [Candidate("last, please", planted=True)] * (k % 8 == 0))
    rate(store, panel_of(position=0.5), lambda prompts, texts: [0.8 * t.count("good") for t in texts])
    return store


def test_who_is_careless_and_what_position_does(judged):
    found = study.study(judged, 1)
    careless = sorted(w.name for w in found.raters if w.careless)
    assert careless == ["rater 7", "rater 8"]
    trust = found.trust()
    assert trust["rater 7"] == trust["rater 8"] == 0
    assert min(v for name, v in trust.items() if name not in careless) > 0.3
    assert max(trust.values()) == 1
    assert np.mean([w.position.value for w in found.raters]) > 0.3  # the last of the page fare worse
    assert all(w.checks[0] > 3 for w in found.raters if not w.careless)
    assert {"alpha", "pairs", "tau", "w", "kappa"} <= set(found.criteria["rank"])
    text = "\n".join(shown.study_lines(found))
    assert "careless? tells little" in text
    assert "Krippendorff" in text


def test_the_most_disputed_come_first():
    ratings = np.array([[1.0, 2, 1, 2, 1, 2], [1, 2, 2, 1, 1, 2], [1, 2, 1, 2, 1, 2]])
    names = np.array(["a", "a", "b", "b", "c", "c"], object)
    found = Panel(("x", "y", "z"), np.arange(6), names, {"rank": ratings})
    assert study.disputed_prompts(found) == ["b"]


def test_one_rater_and_one_who_ranks_all_equal_and_nobody(tmp_path):
    store = Store(tmp_path / "votes.db")
    lap = store.open_round("first", ())
    for k in range(4):
        store.add(lap, f"p{k}", [Candidate("x"), Candidate("y")])
    with pytest.raises(DataError, match="nobody has judged anything"):
        study.study(store, lap)
    who = store.rater("ann", "a")
    while task := store.next(lap, who):
        store.judge(lap, who, task.prompt_id, Opinion({c.id: 1.0 for c in task.completions}))
    found = study.study(store, lap)
    assert any("agreement is undefined" in note for note in found.notes)
    assert any("ann ranked all equal" in note for note in found.notes)
    assert found.trust() == {"ann": 1.0}
    assert "undefined" in "\n".join(shown.study_lines(found))


def test_the_ceiling_of_simulated_people_is_bradley_and_terrys():
    assert ceiling(np.array([[0.0, 0.0]])) == 0.5
    assert ceiling(np.array([[0.0, np.log(3)]])) == pytest.approx(0.75)
    assert Person("x").noise == 1.0
