"""An artifact attacked as a whole: the report, the gate, and rows that cannot serve."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import conjure
from conjure.attacking import Attempts, Policy, attack, gate, read_policy
from conjure.core.errors import ConfigError, DataError, PrivacyError
from tests.unit.attacks.people import planted, population

FEW = Attempts(targets=200, descriptions=50, references=0)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    place = tmp_path_factory.mktemp("people")
    population(600, 0).to_csv(place / "train.csv", index=False)
    population(600, 1).to_csv(place / "control.csv", index=False)
    return place


@pytest.fixture(scope="module")
def made(files):
    settings = ["model.states=4", "training.threads=1", "training.epochs=3"]
    return conjure.fit("tables", files / "train.csv", settings=settings).artifact


def test_a_report_names_every_attack_and_samples_of_a_sound_model_pass(made, files):
    report = attack(made, control=files / "control.csv", attempts=Attempts(200, 50, 1))
    rows = {row[0]: row for row in report.tables[0].rows}
    assert list(rows)[:3] == [
        "membership by distance",
        "membership by likelihood ratio, from made rows",
        "membership by likelihood ratio, from the model itself",
    ]
    assert "attribute inference: income" in rows
    assert [name for name, row in rows.items() if row[-1] == "yes" and "model itself" not in name] == []
    assert "Attacks on samples of circuit" in report.to_html()


def test_what_was_set_aside_is_too_little_here_and_says_so(made):
    with pytest.raises(DataError, match="control table has 30 rows; attacks need at least 100"):
        attack(made, attempts=FEW)


def test_the_gate_opens_for_sound_rows_and_shuts_for_leaks(made, files):
    _, _, leaky = planted("overfitted", n=600)
    policy = Policy(control=str(files / "control.csv"))
    assert gate(made, made_rows := made_sample(made), policy)
    assert len(made_rows) == 500
    with pytest.raises(PrivacyError, match=r"not released.*membership by distance: AUC 0\.\d+ \(at least"):
        gate(made, leaky, policy)


def test_the_gate_shuts_for_a_few_copies_that_a_limit_on_gain_would_let_through(made, files):
    """One row in twenty is a training row: no attack gains more than the policy's risk, copies do."""
    policy = Policy(control=str(files / "control.csv"), risk=0.5, auc=0.9)
    train = pd.read_csv(files / "train.csv").iloc[made_members(made)]
    fresh = population(950, 7)
    leaky = pd.concat([train.iloc[:50], fresh], ignore_index=True)
    with pytest.raises(PrivacyError, match=r"exact copies: risk 0\.\d+ \(at least 0\.\d+, allowed 0\.002\)"):
        gate(made, leaky, policy)
    assert gate(made, fresh, policy)


def made_members(made):
    """Rows of the training file that the fit learnt from, not those it set aside."""
    from conjure.evaluation import training_data

    return training_data(made, None, []).index[:50]


def test_the_report_draws_intervals_and_says_that_nothing_is_proved(made, files):
    report = attack(made, control=files / "control.csv", attempts=FEW)
    assert [p.title for p in report.plots] == ["Membership", "Risk by attack"]
    assert "without a privacy budget" in report.to_html()
    from conjure.core.privacy import Budget, Ledger
    from conjure.metrics import certificate

    ledger = Ledger(Budget(1.0))
    ledger.counts("rows", np.zeros(1), ledger.part(0.5))
    claim = ledger.certificate()
    said = certificate.tables(claim)
    assert said[0].rows[0] == ("epsilon, claimed", "1")
    assert said[1].rows[0][0] == "rows"
    assert "2.72-fold" in certificate.notes(claim)[0]


def made_sample(made):
    from conjure.sampling import sample

    return sample(made, 500, seed=3)


def test_control_rows_that_are_training_rows_are_refused(made, files):
    with pytest.raises(DataError, match=r"570 of 600 control rows are training rows too \(the first: row \d+\)"):
        attack(made, control=files / "train.csv", attempts=FEW)


def test_a_secret_must_be_a_column(made, files):
    with pytest.raises(ConfigError, match=r"no column 'incme' can be attacked.*income"):
        attack(made, control=files / "control.csv", attempts=Attempts(50, 20, 0, secret="incme"))


def test_policies_are_read_and_refused_by_key(tmp_path):
    path = tmp_path / "policy.toml"
    path.write_text("auc = 0.6\n")
    assert read_policy(path) == Policy(auc=0.6)
    path.write_text("acu = 0.6\n")
    with pytest.raises(ConfigError, match="auc"):
        read_policy(path)
    path.write_text("auc = ")
    with pytest.raises(ConfigError, match="not a policy in TOML"):
        read_policy(path)
