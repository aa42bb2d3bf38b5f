"""Declared rules hold in every sampled row, whatever codes a model draws; conditions and gaps go with them."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

from conjure.core.errors import ConfigError, DataError
from conjure.domains.table import checks, view
from conjure.domains.table.codec import TableCodec

RULES = (
    "end >= start",
    "a + b == total",
    "paid <= total",
    "fixed: city, country",
    "0 <= a <= 50",
    "unique: shop, day",
)


def orders(n: int = 2000) -> pd.DataFrame:
    r = np.random.default_rng(0)
    start = pd.Timestamp("2020-01-01") + pd.to_timedelta(r.integers(0, 700, n), "D")
    end = start + pd.to_timedelta(r.geometric(0.05, n) - 1, "D")
    a, b = r.integers(0, 5000, n) / 100, r.exponential(20, n).round(2)
    city = r.choice(["Paris", "Lyon", "Rome", "Oslo"], n)
    frame = pd.DataFrame(
        {
            "start": start.strftime("%Y-%m-%d"),
            "end": end,
            "a": a,
            "b": b,
            "total": (a + b).round(2),
            "paid": ((a + b) * r.random(n)).round(2),
            "city": city,
            "country": pd.Series(city).map({"Paris": "FR", "Lyon": "FR", "Rome": "IT", "Oslo": "NO"}),
            "shop": r.integers(0, 50, n),
        }
    )
    frame["start"] = frame["start"].mask(r.random(n) < 0.05)
    frame["end"] = frame["end"].mask(r.random(n) < 0.05)
    return frame.assign(day=frame.groupby("shop").cumcount())


def learn(frame: pd.DataFrame, *rules: str, numbers: str = "bins") -> TableCodec:
    codec = TableCodec.learn(frame, TableCodec.Config(numbers=numbers, rules=rules))
    return TableCodec.from_state(json.loads(json.dumps(codec.state())))


def drawn(codec: TableCodec, n: int, given: dict | None = None, seed: int = 0) -> pd.DataFrame:
    """Rows of independent codes under the evidence: the worst a model could do."""
    rng = torch.Generator().manual_seed(seed)
    if not given:
        return codec.decode(codec.independent(n, rng), rng)
    parts = codec.condition(given, n)[0].split(list(codec.space.sizes))
    counts = [torch.from_numpy(codec.coders[v.name].counts) for v in codec.plan.variables]
    x = torch.stack([torch.multinomial(p * c, n, True, generator=rng) for p, c in zip(parts, counts)], 1)
    return codec.decode(x, rng, given)


@pytest.mark.parametrize("numbers", ["bins", "values"])
def test_all_rules_hold_in_every_row(numbers):
    frame = orders()
    codec = learn(frame, *RULES, numbers=numbers)
    assert codec.space.contains(codec.encode(frame).x)
    out = drawn(codec, 3000)
    assert checks.rules_hold(out, RULES, codec) == dict.fromkeys(RULES, 1.0)
    assert out["start"].isna().mean() == pytest.approx(0.05, abs=0.02)
    # By hand, apart from the rules' own code:
    both = out["start"].notna() & out["end"].notna()
    assert (out["end"][both] >= pd.to_datetime(out["start"][both])).all()
    cents = (out[["a", "b", "total", "paid"]] * 100).round().astype(int)
    assert (cents["a"] + cents["b"] == cents["total"]).all()
    assert (cents["paid"] <= cents["total"]).all()
    assert set(zip(out["city"], out["country"])) == set(zip(frame["city"], frame["country"]))
    assert not out.duplicated(["shop", "day"]).any()
    assert out["a"].between(0, 50).all()


def test_decoding_what_was_encoded_gives_the_same_codes():
    frame = orders()
    codec = learn(frame, *RULES[:5])
    x = codec.encode(frame).x
    once = codec.decode(x, torch.Generator().manual_seed(0))
    assert (once.isna() == frame.isna()).all().all()
    assert checks.rules_hold(once, RULES[:5], codec) == dict.fromkeys(RULES[:5], 1.0)
    assert (codec.encode(once).x == x).float().mean() > 0.99  # a clipped end may move its gap by a bin


CASES = {
    "strict": ("b > a", pd.DataFrame({"a": np.arange(200) % 17, "b": np.arange(200) % 17 + 1 + np.arange(200) % 5})),
    "chain": ("x <= y <= z", pd.DataFrame(np.sort(np.random.default_rng(0).random((300, 3))), columns=["x", "y", "z"])),
    "minus": ("gross - tax == net", pd.DataFrame({"gross": np.arange(100.0) + 50, "tax": np.arange(100.0) % 7 / 4})),
    "names": ("`net pay` + tax-2 == gross", pd.DataFrame({"net pay": np.arange(90) % 31, "tax-2": np.arange(90) % 7})),
    "floats": ("p + q == r", pd.DataFrame(np.random.default_rng(1).normal(size=(400, 2)), columns=["p", "q"])),
    "other decimals": ("a >= b", pd.DataFrame({"a": np.arange(99) + 7, "b": (np.arange(99) * 1.01).round(2)})),
    "cap": ("a + b <= cap", pd.DataFrame({"a": [3, 5, 8] * 9, "b": [1, 2, 1] * 9, "cap": [9, 9, 10] * 9})),
    "equal": ("a == b", pd.DataFrame({"a": np.arange(60) % 9, "b": np.arange(60) % 9})),
    "dates": (
        "late > soon",
        pd.DataFrame(
            {
                "soon": pd.date_range("2021-01-01", periods=90, freq="37min"),
                "late": pd.date_range("2021-01-05", periods=90, freq="D").strftime("%d.%m.%Y"),
            }
        ),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_rule_holds_in_every_row(name):
    rule, frame = CASES[name]
    if name == "minus":
        frame = frame.assign(net=frame["gross"] - frame["tax"])
    if name == "names":
        frame = frame.assign(gross=frame["net pay"] + frame["tax-2"])
    if name == "floats":
        frame = frame.assign(r=frame["p"] + frame["q"])
    codec = learn(frame, rule)
    out = drawn(codec, 2000)
    assert checks.rules_hold(out, (rule,), codec) == {rule: 1.0}
    assert out.dtypes.equals(frame.dtypes)


def test_an_inequality_that_others_imply_is_no_contradiction():
    frame = CASES["chain"][1]
    rules = ("z >= y", "y >= x", "z >= x")
    assert checks.rules_hold(drawn(learn(frame, *rules), 1000), rules) == dict.fromkeys(rules, 1.0)


def test_a_bound_on_a_total_holds():
    r = np.random.default_rng(0)
    frame = pd.DataFrame({"a": r.integers(0, 60, 900), "b": r.integers(0, 60, 900)})
    frame = frame[frame["a"] + frame["b"] <= 70].assign(total=lambda f: f["a"] + f["b"]).reset_index(drop=True)
    rules = ("a + b == total", "total <= 70")
    out = drawn(learn(frame, *rules), 3000)
    assert checks.rules_hold(out, rules) == dict.fromkeys(rules, 1.0)


def test_a_bound_on_a_derived_column_holds_where_its_base_goes_beyond():
    r = np.random.default_rng(0)
    start = r.integers(0, 100, 2000).astype(float)
    frame = pd.DataFrame({"start": start, "end": np.where(start <= 50, start + r.integers(0, 10, 2000), np.nan)})
    rules = ("end >= start", "end <= 60")
    out = drawn(learn(frame, *rules), 2000)
    assert checks.rules_hold(out, rules) == dict.fromkeys(rules, 1.0)


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        ("a >= b", "the rule 'a >= b' does not hold in row 2 of the data: a = 1, b = 5"),
        ("a < 3", "the rule 'a < 3' does not hold in row 3 of the data: a = 3"),
        ("a + b == c", "the rule 'a \\+ b == c' does not hold in row 1 of the data"),
        ("unique: s", "the rule 'unique: s' does not hold in row 3 of the data: s = x"),
    ],
)
def test_training_data_that_breaks_a_rule_is_named(rule, sentence):
    frame = pd.DataFrame({"a": [2, 1, 3], "b": [1, 5, 1], "c": [9, 9, 8], "s": ["x", "y", "x"]})
    with pytest.raises(DataError, match=sentence):
        learn(frame, rule)


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        ("end >= strat", "'strat' is neither a column nor a value of 'end'; did you mean 'start'"),
        ("end = start", "write == for equal"),
        ("end start", "cannot be read"),
        ("fixed: city, contry", "no learnt column is called 'contry': did you mean 'country'"),
        ("fixed: city", "at least two columns"),
        ("end >= a", "compares what has no common measure: 'end' is a date, 'a' is a number"),
        ("city >= country", "compares what has no common measure"),
        ("a + b * 2 == total", "only \\+ and - join columns"),
    ],
)
def test_a_rule_that_cannot_be_read_is_refused(rule, sentence):
    with pytest.raises(ConfigError, match=sentence):
        learn(orders(200), rule)


def test_rules_in_a_circle_are_refused():
    frame = pd.DataFrame({"a": np.arange(30) % 9, "b": np.arange(30) % 9})
    with pytest.raises(ConfigError, match="together leave no column to derive"):
        learn(frame, "a >= b", "b >= a")


def test_more_rows_than_there_are_keys_are_refused():
    frame = pd.DataFrame({"s": list("abcdef"), "t": list("uvuvuv"), "n": range(6)})
    codec = learn(frame, "unique: s, t")
    assert not drawn(codec, 12).duplicated(["s", "t"]).any()
    with pytest.raises(ConfigError, match="leaves only 12 different keys: ask for at most 12 rows"):
        drawn(codec, 13)


@pytest.mark.parametrize(
    ("given", "met"),
    [
        ({"country": "FR"}, lambda f: f["country"] == "FR"),
        ({"city": "Rome|Oslo"}, lambda f: f["city"].isin(["Rome", "Oslo"])),
        ({"end": "2020-05-01..2020-06-01"}, lambda f: f["end"].between("2020-05-01", "2020-06-01")),
        ({"end": "..2020-03-01", "start": "2020-02-01.."}, lambda f: f["end"] <= "2020-03-01"),
        ({"start": "missing"}, lambda f: f["start"].isna()),
        ({"end": None}, lambda f: f["end"].isna()),
        ({"a": (3, 4.5)}, lambda f: f["a"].between(3, 4.5)),
        ({"shop": [3, "7..9"]}, lambda f: f["shop"].isin([3, 7, 8, 9])),
    ],
)
def test_conditions_and_rules_hold_together(given, met):
    codec = learn(orders(), *RULES)
    out = drawn(codec, 400, given)
    assert met(out).all()
    assert checks.rules_hold(out, RULES, codec) == dict.fromkeys(RULES, 1.0)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"total": "10.."}, "column 'total' follows from the rule 'a \\+ b == total': condition on a and b instead"),
        ({"coutry": "FR"}, "no learnt column is called 'coutry': did you mean 'country'"),
        ({"country": "DE"}, "column 'country' never holds 'DE': it has FR, IT, NO|it has FR, NO, IT"),
        ({"a": "60..70"}, "column 'a' cannot be '60..70': in training it lies between 0.0 and 49"),
        ({"a": "many"}, "column 'a' cannot be 'many': it holds a number"),
        ({"a": "5..2"}, "the range 5..2 is empty"),
        ({"a": "missing"}, "column 'a' cannot be 'missing': in training it lies between"),
        ({"city": "a..b"}, "ask for values"),
        ({"city": "Paris", "country": "IT"}, "no row can meet the conditions on city, country together"),
        ({"end": "2031-01-01.."}, "column 'end' never takes such a value"),
    ],
)
def test_an_impossible_condition_is_refused(given, sentence):
    with pytest.raises(ConfigError, match=sentence):
        learn(orders(), *RULES).condition(given, 1)


def test_conditions_need_codes():
    with pytest.raises(ConfigError, match="cannot be given columns"):
        learn(orders(200), numbers="values").condition({"city": "Rome"}, 1)


def test_gaps_are_filled_and_nothing_else_is_touched():
    frame = orders().drop(columns=["paid", "shop", "day"])
    rules = (RULES[0], RULES[1], RULES[3])
    codec = learn(frame, *rules)
    holes = frame.mask(np.random.default_rng(1).random(frame.shape) < 0.2)
    evidence = codec.evidence(holes)
    assert evidence.shape == (len(frame), sum(codec.space.sizes))
    rng = torch.Generator().manual_seed(0)
    counts = [torch.from_numpy(codec.coders[v.name].counts) for v in codec.plan.variables]
    parts = evidence.split(list(codec.space.sizes), 1)
    x = torch.cat([torch.multinomial(p * c, 1, generator=rng) for p, c in zip(parts, counts)], 1)
    full = codec.complete(holes, x, rng)
    there = holes.notna()
    assert full.notna().all().all()
    assert ((full == holes) | ~there).all().all()
    assert checks.rules_hold(full, rules, codec) == dict.fromkeys(rules, 1.0)


def test_a_table_shows_which_rows_break_which_rule():
    frame = pd.DataFrame({"a": [1, 5], "b": [2, 2], "s": ["<b>", None]})
    assert checks.rules_hold(frame, ("a <= b",)) == {"a <= b": 0.5}
    page = view.to_html(frame, rules=("a <= b",))
    assert page.count('class="broken"') == 1
    assert "&lt;b&gt;" in page
    assert "broken by 1 of 2 rows" in page
    assert "2 more rows" in view.to_html(pd.concat([frame] * 2), limit=2)
    assert "... and 2 more rows" in view.to_text(pd.concat([frame] * 2), limit=2)


def test_valid_cells_are_those_that_training_could_have_held():
    frame = orders()
    codec = learn(frame)
    assert set(checks.valid(frame, codec).values()) == {1.0}
    odd = frame.assign(city=["Bonn"] * 1000 + ["Rome"] * 1000, a=frame["a"] + 1000, b="x").drop(columns="paid")
    found = checks.valid(odd, codec)
    assert {k: found[k] for k in ("city", "a", "b", "paid", "total")} == {
        "city": 0.5,
        "a": 0.0,
        "b": 0.0,
        "paid": 0.0,
        "total": 1.0,
    }


def test_a_fixed_set_may_hold_missing_cells():
    frame = pd.DataFrame({"a": ["x", "x", "y", None] * 20, "b": ["1", None, "2", "3"] * 20, "n": range(0, 160, 2)})
    codec = learn(frame, "fixed: a, b")
    back = codec.decode(codec.encode(frame).x, torch.Generator().manual_seed(0))
    pairs = set(map(tuple, frame[["a", "b"]].fillna("-").to_numpy().tolist()))
    assert set(map(tuple, back[["a", "b"]].fillna("-").to_numpy().tolist())) == pairs
