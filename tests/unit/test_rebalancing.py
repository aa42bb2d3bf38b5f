"""Groups brought to their shares, questions of what if, advice: on a table whose law is known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import conjure
from conjure import advising, rebalancing
from conjure.advising import Trials
from conjure.core.errors import ConfigError, DataError
from conjure.rebalancing import Plan, rebalance, weigh
from conjure.supposing import Question, what_if

TINY = ["model.states=8", "training.threads=1", "training.epochs=6"]


def people(n: int, seed: int = 0) -> pd.DataFrame:
    """Income goes with hours and sex; a tenth are rich, of men more than of women; jobs are kinds of income."""
    rng = np.random.default_rng(seed)
    sex = rng.choice(["f", "m"], n)
    rich = rng.random(n) < np.where(sex == "m", 0.15, 0.05)
    hours = np.where(rich, rng.normal(55, 5, n), rng.normal(35, 5, n)).round()
    job = np.where(rich, rng.choice(["owner", "broker"], n, p=[0.8, 0.2]), rng.choice(["clerk", "cook"], n))
    return pd.DataFrame({"sex": sex, "hours": hours.astype(int), "job": job, "income": np.where(rich, "high", "low")})


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return people(800)


@pytest.fixture(scope="module")
def model(table: pd.DataFrame) -> conjure.Generative:
    return conjure.fit("tables", table, settings=TINY)


def test_groups_become_equal_and_no_real_row_is_lost(model, table):
    rows, groups = rebalance(model.artifact, table, Plan(("income",)))
    pd.testing.assert_frame_equal(rows.iloc[: len(table)], table)
    assert rows["income"].value_counts().nunique() == 1
    made = rows.iloc[len(table) :]
    assert set(made["income"]) == {"high"}
    assert made["hours"].mean() > 48  # those of the rich, whose mean is 55, not of all, 37
    assert rows.dtypes.equals(table.dtypes)
    assert {g.named(): g.lacks for g in groups}["low"] == 0


def test_two_columns_become_independent(model, table):
    rows, _ = rebalance(model.artifact, table, Plan(("income", "sex"), to="independent"))
    rates = rows.groupby("sex")["income"].apply(lambda s: (s == "high").mean())
    assert abs(rates["f"] - rates["m"]) < 0.005
    before = table.groupby("sex")["income"].apply(lambda s: (s == "high").mean())
    assert abs(before["f"] - before["m"]) > 0.05


def test_shares_out_of_a_file(model, table, tmp_path):
    (tmp_path / "shares.toml").write_text("high = 1\nlow = 3\n")
    shares = rebalancing.read_shares(tmp_path / "shares.toml", ("income",))
    made, _ = rebalance(model.artifact, table, Plan(("income",), to=shares, only_made=True))
    assert (made["income"] == "high").mean() == pytest.approx(0.25, abs=0.01)
    (tmp_path / "shares.csv").write_text("income,share\nhigh,0\nlow,1\n")
    with pytest.raises(ConfigError, match="share of high"):
        rebalancing.read_shares(tmp_path / "shares.csv", ("income",))
    with pytest.raises(DataError, match="no column 'sex'"):
        rebalancing.read_shares(tmp_path / "shares.csv", ("sex",))
    with pytest.raises(ConfigError, match="no share is given for low"):
        rebalance(model.artifact, table, Plan(("income",), to={("high",): 1.0}))


def test_rows_near_real_ones_keep_their_share_of_cells(model, table):
    few = table[table["income"] == "high"].reset_index(drop=True)
    near = rebalancing.vary(model.artifact, few, 0.75, fixed=("income",))
    same = (near[["sex", "hours", "job"]].to_numpy() == few[["sex", "hours", "job"]].to_numpy()).mean()
    assert 0.7 < same < 0.95  # three quarters are kept, and some of the others come out as they were
    assert (near["income"] == "high").all()


def test_kinds_of_a_group_are_made_equally_often_and_weighed_so(model, table):
    for keep in (0.0, 0.5):
        plan = Plan(("income",), keep=keep, within="job", most=101)
        rows, _ = rebalance(model.artifact, table, plan)
        made = rows.iloc[len(table) :]
        assert made["job"].value_counts().to_dict() == {"broker": 51, "owner": 50}
    weights = pd.Series(weigh(rows, plan, len(table)))
    assert weights.mean() == pytest.approx(1)
    by = weights.groupby(rows["income"].to_numpy()).sum()
    assert by["high"] == pytest.approx(by["low"])
    side = weights.groupby([rows["income"].to_numpy(), np.arange(len(rows)) < len(table), rows["job"].to_numpy()]).sum()
    assert side["high"].nunique() == 1 or np.allclose(side["high"], side["high"].iloc[0])


@pytest.mark.parametrize(
    ("plan", "says"),
    [
        (lambda: Plan(()), "at least one column"),
        (lambda: Plan(("a", "a")), "one twice"),
        (lambda: Plan(("income",), keep=1.0), "from 0 to below 1"),
        (lambda: Plan(("income",), to="independent"), "two columns"),
        (lambda: Plan(("income",), within="income"), "balanced already"),
        (lambda: Plan(("income",), most=0), "at least 1"),
    ],
)
def test_plans_that_cannot_be(plan, says):
    with pytest.raises(ConfigError, match=says):
        plan()


def test_columns_that_cannot_be_balanced(model, table):
    with pytest.raises(ConfigError, match="did you mean 'income'"):
        rebalance(model.artifact, table, Plan(("incom",)))
    wide = table.assign(number=np.arange(len(table)))
    with pytest.raises(ConfigError, match="too many for groups"):
        rebalance(model.artifact, wide, Plan(("number",)))
    with pytest.raises(ConfigError, match="--train FILE"):
        rebalancing.real_rows(model.artifact)  # fitted from a frame that is not found again


def test_what_if_follows_what_the_table_says(model, table):
    poor = table[table["income"] == "low"].head(40)
    loose = ("job",)  # a clerk is poor whatever the hours
    found = what_if(model.artifact, poor, Question("income", {"hours": "58"}, loose, 50))
    high = next(c for c in found.changes if "high" in c.of)
    assert high.low > 0.5
    assert len(found.rows) == 40
    number = what_if(model.artifact, poor, Question("hours", {"income": "high"}, loose, 50))
    assert 10 < number.changes[0].difference < 25  # 20 by the law
    assert "not what causes what" in number.describe()
    same = what_if(model.artifact, poor, Question("income", {"sex": "f"}, (), 50)).changes[0]
    assert same.low <= 0.02 <= 0.1 + same.high  # a change that says next to nothing has an interval about nothing


@pytest.mark.parametrize(
    ("question", "says"),
    [
        (Question("incom", {"hours": "1"}), "did you mean 'income'"),
        (Question("income", {}), "name what to change"),
        (Question("income", {"income": "low"}), "is the target"),
        (Question("income", {"hours": "50"}, ("hours",)), "both set and left free"),
        (Question("income", {"hours": "missing"}), "leave it free"),
        (Question("income", {"job": "pilot"}), "never holds 'pilot'"),
        (Question("income", {"hours": "50"}, (), 3), "too few"),
    ],
)
def test_questions_that_cannot_be_answered(model, table, question, says):
    with pytest.raises(ConfigError, match=says):
        what_if(model.artifact, table.head(3), question)


def test_advice_tries_every_remedy_and_says_what_to_do(model, table, tmp_path):
    said: list[str] = []
    report = advising.advise(
        model.artifact, table, "income", test=people(200, 1), trials=Trials(folds=2, unseen="job"), say=said.append
    )
    names = {row[0] for row in report.tables[0].rows}
    assert names == {"class weights", "random oversampling", "SMOTE", "made rows", "made rows near real ones"}
    assert len(said) == 2
    assert any(word in report.summary[0] for word in ("help", "better"))
    assert report["macro-F1, nothing"].ours > 0.8  # hours tell, and kinds of job left out take nothing from that
    assert "200 rows of the test table" in report.tables[1].title
    assert any("test rows equal rows of the training table" in note for note in report.notes)  # so few values there are
    assert all(path.exists() for path in report.write(tmp_path / "advice.html"))


def test_advice_on_a_number_and_what_cannot_be_advised(model, table):
    report = advising.advise(model.artifact, table.head(200), "hours", trials=Trials(folds=2))
    assert [row[0] for row in report.tables[0].rows] == ["as many made rows again"]
    with pytest.raises(DataError, match="at least 60"):
        advising.advise(model.artifact, table.head(30), "income")
    with pytest.raises(ConfigError, match="did you mean 'income'"):
        advising.advise(model.artifact, table, "incme")
    with pytest.raises(ConfigError, match="is the target"):
        advising.advise(model.artifact, table, "income", trials=Trials(unseen="income"))
    with pytest.raises(DataError, match="folds need as many"):
        advising.advise(
            model.artifact,
            table[table["income"] == "low"].assign(sex=["x"] + ["y"] * (len(table[table["income"] == "low"]) - 1)),
            "sex",
        )
    with pytest.raises(ConfigError, match="at least 2 folds"):
        Trials(folds=1)
