"""Each attack finds the leak it is made for, and nothing where there is none."""

from __future__ import annotations

import numpy as np
import pytest

from conjure.metrics.attacks import copying, inference, linkage, membership, singling
from conjure.metrics.attacks.likeness import surprise
from conjure.metrics.attacks.outcome import Outcome, Rate
from conjure.metrics.attacks.tables import Tables
from conjure.metrics.frames import Grid
from tests.unit.attacks.people import tables

CLEAR, CHANCE = 0.002, 0.01


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_rates_and_risk_by_hand():
    outcome = Outcome("", "", Rate(60, 100), Rate(20, 100))
    assert outcome.risk == pytest.approx(0.5)  # (0.6 - 0.2) / 0.8
    low, high = outcome.interval
    assert 0.3 < low < 0.5 < high < 0.7
    assert outcome.p < 1e-8
    assert Rate(0, 50).interval[0] == 0
    assert Rate(0, 50).interval[1] == pytest.approx(0.0713, abs=1e-4)  # z^2 / (n + z^2)
    assert Outcome("", "", Rate(3, 3), Rate(0, 3)).p == pytest.approx(1 / 20)  # 1 of the 20 ways to deal them


@pytest.mark.parametrize("attack", [copying.exact, copying.near, copying.nearer_share])
def test_other_people_are_no_copies(attack):
    assert attack(tables("none")).p > CHANCE


def test_copies_and_near_copies_are_found_where_the_nearer_share_is_blind():
    assert copying.exact(tables("copies")).p < CLEAR
    assert copying.exact(tables("near copies")).members.hits < 5
    assert copying.near(tables("copies")).p < CLEAR
    assert copying.near(tables("near copies")).p < CLEAR
    assert copying.nearer_share(tables("near copies", seed=1)).p > CHANCE


def test_agreement_in_what_is_rare_surprises_more():
    def grid(numbers, codes):
        return Grid(np.array(numbers, float)[:, None], np.array(codes)[:, None], (("n",), ("c",)), (("a", "b"),))

    found = surprise(
        Tables(grid([1, 2, 3, 4], [0, 0, 0, 1]), grid([5, 6, 7, np.nan], [0, 0, 0, 0]), grid([2, np.nan], [1, 0])),
        np.array([[0, 3, 1], [7, 0, 4]]),
    )
    # As near as 1 is to 2: three of eight; as near as 4: four, and its word is one of eight; equal: one of eight.
    assert found[0] == pytest.approx(-np.log([3 / 8, 4 / 8 * 1 / 8, 1 / 8]))
    # A gap is like one gap of eight; a number beside a gap says nothing; seven of eight have the word.
    assert found[1] == pytest.approx(-np.log([1 / 8 * 7 / 8, 7 / 8, 7 / 8]))


def test_a_row_beside_common_rows_of_both_sides_is_no_near_copy():
    def grid(rows):
        return Grid(np.asarray(rows, float), np.zeros((len(rows), 0), int), (("a", "b", "c"), ()), ())

    rng = np.random.default_rng(0)
    members, controls = rng.random((400, 3)), rng.random((400, 3))
    near = np.concatenate([members[:10], controls[:5]]) + 1e-4
    found = copying.near(Tables(grid(members), grid(controls), grid(near)))
    assert (found.members.hits, found.controls.hits) == (10, 5)
    # Five values a column: made rows lie far nearer to a training row, but so many rows lie about there.
    members, controls, made = (rng.integers(0, 5, (400, 3)) + far for far in (0.001, 0.02, 0.0))
    found = copying.near(Tables(grid(members), grid(controls), grid(made)))
    assert (found.members.hits, found.controls.hits) == (0, 0)


def test_members_of_an_overfitted_model_are_told_by_distance():
    leaky, sound = (tables(leak) for leak in ("overfitted", "none"))
    found = membership.judge(membership.by_distance(leaky), 1000, "distance", "")
    assert found.low > 0.6
    assert found.start.p < CLEAR
    safe = membership.judge(membership.by_distance(sound), 1000, "distance", "")
    assert safe.low < 0.5 < safe.high


def test_the_area_is_that_of_a_second_source_and_ties_count_half():
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(1)
    scores = np.concatenate([rng.normal(0.5, 1, 300), rng.normal(0, 1, 200)]).round(1)
    found = membership.judge(scores, 300, "", "")
    assert found.auc == pytest.approx(roc_auc_score(np.arange(500) < 300, scores), abs=1e-12)
    drawn = [
        roc_auc_score(np.arange(500) < 300, np.concatenate([rng.normal(0.5, 1, 300), rng.normal(0, 1, 200)]))
        for _ in range(300)
    ]
    assert (found.high - found.low) / (2 * 1.96) == pytest.approx(np.std(drawn), rel=0.2)
    assert membership.judge(np.zeros(10), 5, "", "").auc == 0.5


def test_a_ratio_ignores_what_is_probable_anyway():
    common = np.array([0.0, -5.0, 0.0, -5.0])  # under models of other people
    target = common + np.array([1.0, 1.0, 0.0, 0.0])
    assert membership.by_ratio(target, [common, common]).tolist() == [1, 1, 0, 0]


def test_an_overfitted_model_lets_people_be_singled_out_linked_and_inferred(rng):
    leaky, sound = (tables(leak) for leak in ("overfitted", "none"))
    for attack in (
        lambda t: singling.multivariate(t, 800, rng, attributes=3),
        lambda t: linkage.link(t, 500, rng),
        lambda t: inference.infer(t, "income", 500),
    ):
        found, chance = attack(leaky), attack(sound)
        assert found.p < CLEAR, found
        assert found.interval[0] > 0
        assert chance.p > CHANCE, chance


def test_descriptions_fit_one_made_row_alone(rng):
    found = singling.univariate(tables("none"), 100, rng)
    assert 2 <= found.members.trials <= 4  # the extremes of two numbers, where they are unique
    condition = singling.Condition(0, "at most", 20.0)
    grid = tables("none").made
    assert condition.holds(grid).tolist() == (grid.numbers[:, 0] <= 20).tolist()


def test_a_missing_value_describes_nobody(rng):
    made = tables("none").made
    made.numbers[:, 0] = np.nan
    assert not singling.Condition(0, "at least", 0.0).holds(made).any()
