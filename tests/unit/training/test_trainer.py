"""The loop: it learns, resumes bit for bit, stops when told, and survives losses that are no numbers."""

from __future__ import annotations

import json

import pytest
import torch

from conjure.core.errors import ConfigError, TrainingError
from conjure.training import checkpoint
from conjure.training.settings import Training
from tests.unit.training.toys import same, trainer


def test_loss_falls():
    run = trainer(steps=200, rate=0.01)
    with torch.no_grad():
        before = run._held_out_means()["loss"]
    assert run.run()["held_out_loss"] < 0.5 * before


def stop_at(run, step):
    take = run._step

    def step_and_stop():
        take()
        if run.counters.step == step:
            run.stop()

    run._step = step_and_stop
    return run


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
@pytest.mark.parametrize("kind", ["likely", "game"])
def test_a_stopped_run_resumes_bit_for_bit(kind, optimizer, tmp_path):
    settings = {"optimizer": optimizer, "average": 0.9}
    whole = trainer(kind, **settings)
    whole.run()
    stop_at(trainer(kind, tmp_path, **settings), 23).run()
    again = trainer(kind, tmp_path, **settings)
    assert again.resume()
    assert again.counters.step == 23
    again.run()
    assert same(whole.objective.state_dict(), again.objective.state_dict())


def test_without_a_checkpoint_there_is_nothing_to_resume(tmp_path):
    assert not trainer(folder=tmp_path).resume()


def test_a_kill_between_the_two_renames_loses_nothing(tmp_path):
    stop_at(trainer(folder=tmp_path), 7).run()
    (tmp_path / "checkpoint").rename(tmp_path / "checkpoint.old")
    assert checkpoint.find(tmp_path) == tmp_path / "checkpoint.old"


def test_accumulation_equals_the_large_batch():
    parts, whole = trainer(accumulate=4, batch=16, clip=0.0), trainer(batch=64, clip=0.0)
    for run in (parts, whole):
        run.objective.loss = lambda batch, run=run: (-run.objective.model.log_prob(batch.x).mean(), {})
        run.run()
    for a, b in zip(parts.objective.model.parameters(), whole.objective.model.parameters()):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-5)


def test_accumulation_is_refused_for_games():
    with pytest.raises(ConfigError, match="one loss"):
        trainer("game", accumulate=2).run()


def test_a_loss_that_is_no_number_is_dropped_and_counted():
    run = trainer()
    kept = run.objective.loss

    def sometimes(batch):
        loss, metrics = kept(batch)
        return (loss * float("nan") if run.counters.step == 3 else loss), metrics

    run.objective.loss = sometimes
    assert run.run()["dropped_moves"] == 1
    assert all(torch.isfinite(p).all() for p in run.objective.model.parameters())


def test_a_run_that_only_yields_nan_stops_with_advice():
    run = trainer()
    run.objective.loss = lambda batch: (run.objective.model.log_prob(batch.x).mean() * float("nan"), {})
    with pytest.raises(TrainingError, match=r"training\.rate"):
        run.run()


def test_patience_stops_and_the_best_weights_stay():
    run = trainer(steps=5000, patience=2, validate_every=5, rate=0.5, schedule="constant", clip=0.0)
    summary = run.run()
    assert summary["stopped_by"] == "patience"
    assert summary["steps"] == summary["best_step"] + 10
    with torch.no_grad():
        assert run._held_out_means()["loss"] == pytest.approx(summary["held_out_loss"], rel=1e-5)


def test_minutes_bound_the_run_and_the_schedule_reaches_its_end():
    run = trainer(steps=None, minutes=0.01)
    summary = run.run()
    assert 0.5 < summary["seconds"] < 3
    assert run.optimizers["model"].param_groups[0]["lr"] < 0.1 * run.optimizers["model"].param_groups[0]["initial"]


def test_the_journal_tells_the_run(tmp_path):
    trainer(folder=tmp_path).run()
    lines = [json.loads(line) for line in (tmp_path / "journal.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [10, 20, 30, 40]
    assert lines[-1]["held_out_loss"] < lines[0]["held_out_loss"]


def test_a_full_disk_is_one_sentence_and_keeps_the_last_checkpoint(tmp_path, monkeypatch):
    run = stop_at(trainer(folder=tmp_path), 5)
    run.run()

    def full(*args, **named):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("torch.distributed.checkpoint.save", full)
    with pytest.raises(TrainingError, match="No space left"):
        run.save()
    assert checkpoint.find(tmp_path) is not None


def test_a_checkpoint_of_another_model_is_refused(tmp_path):
    stop_at(trainer(folder=tmp_path), 5).run()
    with pytest.raises(Exception, match="another model"):
        trainer("game", folder=tmp_path).resume()


def test_same_seed_same_weights_other_seed_other_weights():
    a, b = trainer(), trainer()
    c = trainer()
    c.examples.seed = 6
    for run in (a, b, c):
        run.run()
    states = [r.objective.state_dict() for r in (a, b, c)]
    assert same(states[0], states[1])
    assert not same(states[0], states[2])


@pytest.mark.parametrize("settings", [{}, {"steps": 0}, {"minutes": -1.0}, {"steps": 1, "batch": 0}])
def test_a_run_without_a_limit_is_refused(settings):
    with pytest.raises(ConfigError):
        Training(**settings)


def test_the_probe_leaves_the_weights_alone():
    from conjure.training.threads import choose_threads

    run = trainer(threads=0)
    before = {k: v.clone() for k, v in run.objective.state_dict().items()}
    assert choose_threads(run.objective, run.examples, run.training) >= 1
    assert same(before, run.objective.state_dict())
