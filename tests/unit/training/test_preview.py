"""Looking at a run leaves no trace in it, takes a bounded part of its time, and never ends it."""

from __future__ import annotations

import time

import pytest
import torch

import conjure
from conjure.core.errors import ConfigError
from conjure.fitting import FitOptions
from conjure.training.preview import Looks, Preview, at_rest
from tests.unit.training.toys import same, trainer


def looking(draw, every=1e-9, share=1.0):
    """Looks at a run, what they show, and what is said of them."""
    shown, said = [], []
    looks = Looks(Preview(lambda objects, step: shown.append((objects, step)), every, 2, share), draw, said.append)
    return looks, shown, said


def always(run, watch):
    """Have the watch called after every step, not after the fifth of a second."""
    take = run._step

    def step():
        take()
        watch(run._progress())

    run._step = step


@pytest.mark.parametrize("kind", ["likely", "game"])
@pytest.mark.parametrize("average", [0.0, 0.9])
def test_a_run_that_is_looked_at_is_bit_for_bit_the_same(kind, average):
    whole, watched = (trainer(kind, average=average) for _ in range(2))
    whole.run()
    modes = []

    def draw(n):
        modes.append(watched.players["model"].training)
        torch.randn(7)  # even what draws from torch's global generator
        return watched.players["model"].generate(torch.zeros(n, 6))

    looks, shown, _ = looking(draw)
    always(watched, looks.beside(watched, lambda progress: None))
    watched.run()
    assert len(shown) > 10
    assert modes == [False] * len(modes)
    assert same(whole.objective.state_dict(), watched.objective.state_dict())


def test_what_is_shown_is_the_average_that_would_be_shipped():
    run = trainer(average=0.9)
    run.run()
    model = run.players["model"]
    with torch.no_grad():
        for p in model.parameters():
            p.add_(1.0)
    trained = {name: p.clone() for name, p in model.state_dict().items()}
    with at_rest(run):
        assert same(dict(model.state_dict()), run.average.shadow)
    assert same(dict(model.state_dict()), trained)


def test_slow_looks_are_few():
    looks, shown, _ = looking(lambda n: time.sleep(0.05), share=0.1)
    begun = time.monotonic()
    looks.look(1)
    assert looks.due - begun > 0.45  # nine times what the look took, and the look
    assert len(shown) == 1


def test_a_look_that_fails_is_told_once_and_the_run_goes_on():
    run = trainer()

    def broken(n):
        raise RuntimeError("no room")

    looks, shown, said = looking(broken)
    always(run, looks.beside(run, lambda progress: None))
    assert run.run()["steps"] == 40
    assert shown == []
    assert said == ["no preview, and the run goes on: no room"]


@pytest.mark.parametrize("words", [{"every": 0}, {"n": 0}, {"share": 0}, {"every": float("nan")}])
def test_what_makes_no_sense_is_refused(words):
    with pytest.raises(ConfigError, match="preview"):
        Preview(lambda objects, step: None, **words)


def test_a_fit_shows_samples_on_the_way_and_at_its_end_and_learns_the_same(tmp_path):
    settings = ["training.epochs=20", "training.patience=0", "training.threads=1", "training.batch=64"]
    shown = []
    preview = Preview(lambda objects, step: shown.append((objects, step)), every=0.01, n=3, share=1.0)
    plain = conjure.fit("tables", "wine", model="vae", settings=settings)
    watched = conjure.fit("tables", "wine", model="vae", settings=settings, options=FitOptions(preview=preview))
    steps = [step for _, step in shown]
    assert len(shown) >= 2
    assert steps == sorted(steps)
    assert steps[-1] == plain.card["metrics"]["steps"]
    assert {len(objects) for objects, _ in shown} == {3}
    assert not shown[0][0].equals(shown[-1][0])
    assert same(plain.artifact.model.state_dict(), watched.artifact.model.state_dict())


def test_answers_are_shown_where_the_data_is_questions_and_nothing_of_a_private_run():
    shown = []
    preview = Preview(lambda objects, step: shown.append(objects), every=100.0, n=2)
    few = ["training.steps=2", "training.threads=1", "training.batch=8"]
    conjure.fit("forecasting", "hourly", settings=few, options=FitOptions(preview=preview))
    assert len(shown) == 1
    assert shown[0][0].forecast is not None
    with pytest.raises(ConfigError, match="private run"):
        conjure.fit("tables", "wine", budget={"epsilon": 1.0}, options=FitOptions(preview=preview))
