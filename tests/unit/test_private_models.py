"""Families that learn by noisy gradients under a privacy budget, from the table to the certificate."""

from __future__ import annotations

import json

import pytest

import conjure
from conjure import private
from conjure.auditing import audit
from conjure.core.errors import ConfigError
from conjure.fitting import FitOptions
from conjure.verbs import recipe_for
from tests.unit.domains.test_private_table import people

pytest.importorskip("opacus", reason="needs conjure[privacy]")

FEW = ["training.steps=3", "training.batch=256"]
BUDGET = {"epsilon": 3.0, "delta": 1e-5}


def table(n: int = 3000):
    return people(n).drop(columns=["name", "day"])


@pytest.mark.parametrize("model", ["columns", "vae", "gan"])
def test_a_private_family_keeps_to_its_budget_and_says_how(model, tmp_path):
    made = conjure.fit("tables", table(), tmp_path / "run", model=model, budget=BUDGET, settings=FEW)
    claim = json.loads((tmp_path / "run" / "artifact.json").read_text())["card"]["privacy"]
    assert 2.9 < claim["epsilon_spent"] <= 3.0
    assert claim["descent"]["steps"] == made.card["metrics"]["steps"] == 3
    assert claim["descent"]["batch"] == 256
    assert made.card["source"]["rows"] != 3000  # the noisy number
    assert "number of rows" in [e["what"] for e in claim["entries"]]
    assert len(made.sample(20)) == 20
    left = {p.name for p in (tmp_path / "run").iterdir()}
    assert not left & {private.KEPT, "journal.jsonl", "checkpoint"}


def test_a_stopped_run_goes_on_with_what_it_measured(tmp_path):
    """Bit for bit what the run would have been: same codec, same batches, same noise."""
    settings = ["training.steps=6", "training.batch=256", "training.checkpoint_seconds=0.0"]
    recipe = recipe_for("tables", model="columns", settings=[*settings, "privacy.epsilon=3.0"])
    from conjure import fitting

    class Killed(Exception):
        pass

    shots: dict[int, int] = {}

    def kill(progress):
        shots[progress.step] = 1
        if progress.step >= 1:
            raise Killed

    frame, folder = table(), tmp_path / "run"
    with pytest.raises(Killed):
        fitting.fit(recipe, frame, folder, FitOptions(watch=kill))
    held = json.loads((folder / private.KEPT).read_text())
    assert (folder / private.KEPT).stat().st_mode & 0o077 == 0
    with pytest.raises(ConfigError, match="holds a run of other data"):
        fitting.fit(recipe, table(2000), folder, FitOptions(resume=True))
    done = fitting.fit(recipe, frame, folder, FitOptions(resume=True))
    assert done.card["privacy"]["entries"] == held["entries"]
    assert done.card["metrics"]["steps"] == 6
    assert not (folder / private.KEPT).exists()


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("training.minutes=1.0", "number of steps is part of the promise"),
        ("training.patience=3", "stopping early would look at held-out rows"),
        ("held_out=0.1", "holds nothing out"),
        ("training.precision=bf16", "full precision"),
        ("training.batch=16", "draws 64 rows a step at least"),
        ("training.compile=true", "example by example"),
    ],
)
def test_what_would_break_the_promise_is_refused(word, said):
    with pytest.raises(ConfigError, match=said):
        conjure.fit("tables", table(300), model="columns", budget=BUDGET, settings=[word])


def test_families_and_games_that_cannot_keep_to_a_budget_say_so():
    with pytest.raises(ConfigError, match=r"Expectation cannot keep to a privacy budget.*columns, vae or gan"):
        conjure.fit("tables", table(300), model="circuit", budget=BUDGET)
    with pytest.raises(ConfigError, match=r"leave out objective\.spectral"):
        conjure.fit("tables", table(), model="gan", budget=BUDGET, settings=[*FEW, "objective.spectral=true"])


@pytest.mark.parametrize("model", ["columns", "vae", "gan"])
def test_an_audit_puts_a_bound_beside_the_claim(model):
    words = [*FEW, "privacy.epsilon=3.0", "privacy.delta=1e-5"]
    found = audit(recipe_for("tables", model=model, settings=words), table(1500), canaries=60)
    assert not found.broken
    assert "claimed epsilon 3 (delta 1e-05); audited: at least 0." in found.describe()
