"""Sounds from end to end: a codec, a decoder over its tokens, both in one run, and what stops them."""

from __future__ import annotations

import json
import time

import numpy as np
import pytest
import torch

import conjure as package
from conjure import artifact, sampling, verbs
from conjure.beginning import in_two_runs
from conjure.core.errors import ArtifactError, ConfigError
from conjure.domains.audio import corpus, files
from conjure.domains.audio.drums import drum_sounds
from conjure.domains.audio.sounds import sound, sounds
from conjure.fitting import FitOptions, fit
from tests.end_to_end.terminal import Terminal

SMALL = ("model.width=16", "model.layers=1", "training.threads=1", "training.batch=4", "training.validate_every=4")
CODEC = ["training.steps=4", *SMALL, "model.codes=16", "model.levels=2"]
TOKENS = ["training.steps=4", *SMALL, "model.heads=2"]
BOTH = [*TOKENS, *(f"first.{word}" for word in CODEC), "codec.seconds=0.25"]


@pytest.fixture
def conjure(monkeypatch, capsys) -> Terminal:
    return Terminal(monkeypatch, capsys)


@pytest.fixture(scope="module")
def kit(tmp_path_factory):
    """A folder of drum sounds, a class a sub-folder."""
    return corpus.write(drum_sounds(6), tmp_path_factory.mktemp("data") / "kit")


@pytest.fixture(scope="module")
def made(kit, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "both"
    return verbs.fit("audio", kit, folder, settings=BOTH), folder


def alike(a, b) -> bool:
    return all(np.array_equal(x.samples, y.samples) for x, y in zip(a, b, strict=True))


def test_from_a_folder_to_new_sounds_in_one_command(conjure, kit, tmp_path):
    words = [w for s in BOTH for w in ("--set", s)]
    said = conjure.works("fit", "audio", kit, "-o", tmp_path / "a", *words)
    assert "first a vq, then a decoder through it" in said.out + said.err
    assert "of 4 classes, as 34 tokens out of 16 of a VQ" in said.out + said.err
    conjure.works("sample", tmp_path / "a", "-n", 1, "--given", "label=kick", "-o", tmp_path / "one.wav")
    assert corpus.read(tmp_path / "one.wav")[0][0].rate == 16_000
    conjure.works("sample", tmp_path / "a", "-n", 8, "-o", tmp_path / "eight")
    assert len(list((tmp_path / "eight").rglob("*.wav"))) == 8
    assert "exact" in conjure.works("score", tmp_path / "a", kit).out
    conjure.works("evaluate", tmp_path / "a", kit, "-o", tmp_path / "report.html", "-n", 12)
    found = json.loads((tmp_path / "report.json").read_text("utf-8"))
    names = {figure["name"] for figure in found["figures"]}
    assert {"reconstruction SI-SDR (dB)", "class accuracy", "near copies", "log-probability (nats)"} <= names
    assert "<audio" in (tmp_path / "report.html").read_text("utf-8")


def test_loaded_it_samples_the_same_and_the_codec_is_inside(made):
    model, folder = made
    loaded = package.load(folder)
    assert alike(model.sample(4, seed=3), loaded.sample(4, seed=3))
    assert [one.label for one in loaded.sample(3, given={"label": "hat"})] == ["hat"] * 3
    assert loaded.artifact.first.recipe.model == "vq"
    assert package.load(folder / artifact.FIRST).artifact.recipe.codec == {"labels": False, "seconds": 0.25}


def test_a_codec_alone_and_a_decoder_through_it(kit, tmp_path):
    first = verbs.fit("audio", kit, tmp_path / "codec", recipe="codec", settings=CODEC)
    codes = first.encode(kit)
    assert codes.z.dtype == np.int64
    assert codes.z.shape == (24, 33, 2)
    assert len(first.decode(codes)) == 24
    with pytest.raises(ConfigError, match="tokens, between which there is no way"):
        first.interpolate(kit, (0, 1))
    report = first.evaluate(kit, n=12)
    assert report["reconstruction SI-SDR (dB)"].baseline is not None
    second = verbs.fit("audio", kit, recipe="tokens", through=tmp_path / "codec", settings=TOKENS)
    assert len(second.sample(2)) == 2
    assert np.isfinite(second.score(kit)).all()


def test_a_sound_goes_on_from_its_beginning(conjure, made, kit, tmp_path):
    wav = sorted(kit.rglob("*.wav"))[0]
    words = ("audio", "continue", made[1], wav, "--keep", "0.1", "--given", "label=kick")
    conjure.works(*words, "-n", 2, "-o", tmp_path / "two")
    assert len(list((tmp_path / "two" / "kick").glob("*.wav"))) == 2
    artifact_, one = made[0].artifact, corpus.read(wav)[0]
    drawn = sampling.go_on(artifact_, one, 0.1, n=3, given={"label": "hat"}, seed=1)
    again = sampling.go_on(artifact_, one, 0.1, n=3, given={"label": "hat"}, seed=1)
    assert alike(drawn, again)
    begun = artifact_.codec.reconstruct(corpus.sounds([one[0].wave], labels=["hat"]))[0]
    kept = int(0.05 * 16_000)  # frames overlap: what is near the seam hears the next one
    heard = [x.samples[:kept].astype(int) for x in (*drawn, begun) if len(x) >= kept]
    assert all(np.abs(h - heard[0]).max() < 3_000 for h in heard[1:])
    with pytest.raises(ConfigError, match=r"9 s cannot be kept of clips of 0\.26 s"):
        sampling.go_on(artifact_, one, 9.0)
    with pytest.raises(ConfigError, match="only a decoder of a neural codec's tokens goes on"):
        sampling.go_on(artifact_.first, one, 0.1)


def test_in_memory_both_runs_leave_nothing_behind(tmp_path):
    model = verbs.fit("audio", drum_sounds(3), settings=BOTH)
    assert alike(model.sample(2), package.load(model.save(tmp_path / "kept")).sample(2))


def test_a_folder_that_is_taken_is_refused_before_the_minutes(made, kit, tmp_path):
    with pytest.raises(ArtifactError, match="already holds an artifact"):
        verbs.fit("audio", kit, made[1], settings=BOTH)
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "dear.txt").write_text("mine")
    with pytest.raises(ArtifactError, match="is not empty and holds no run"):
        verbs.fit("audio", kit, tmp_path / "letters", settings=BOTH)
    (tmp_path / "half" / artifact.FIRST).mkdir(parents=True)
    with pytest.raises(ArtifactError, match="holds an unfinished run: add --resume"):
        verbs.fit("audio", kit, tmp_path / "half", settings=BOTH)


def test_bad_sounds_are_refused_in_one_sentence_and_leave_nothing(conjure, made, tmp_path):
    (tmp_path / "empty.wav").write_bytes(b"")
    (tmp_path / "words.wav").write_text("these are words")
    (tmp_path / "cut.wav").write_bytes(files.to_wav(drum_sounds(1)[0])[:40])
    (tmp_path / "silent.wav").write_bytes(files.to_wav(sound(np.zeros(9000))))
    (tmp_path / "tune.mid").write_bytes(b"MThd")
    (tmp_path / "hollow").mkdir()
    corpus.write(sounds([np.full(90, 0.5)] * 12), tmp_path / "clicks")
    words, out = [w for s in BOTH[:-1] for w in ("--set", s)], tmp_path / "out"
    for name, says in (
        ("empty.wav", "is empty"),
        ("words.wav", "no WAV file, whatever its name says"),
        ("cut.wav", "cut short"),
        ("silent.wav", "is silent"),
        ("tune.mid", "no sound file: WAV, FLAC"),
        ("hollow", "holds no sound file"),
        ("gone.wav", "there is no file"),
    ):
        conjure.refused(
            "fit", "audio", tmp_path / name, "-o", out, *words, naming=(tmp_path / name, says), remarks=True
        )
        assert not list(out.rglob("*.safetensors"))
        if name != "hollow":
            conjure.refused("audio", "continue", made[1], tmp_path / name, "-o", out / "a.wav", naming=(says,))
    short = ("at least 4 frames of model.hop 256, 1,024 numbers, not of 256", "longer ones or set a smaller model.hop")
    conjure.refused("fit", "audio", tmp_path / "clicks", "-o", tmp_path / "o", *words, naming=short, remarks=True)


def test_stopped_in_the_first_run_it_goes_on_to_the_same_weights(made, kit, tmp_path):
    """What Ctrl-C does: the first run ends after its step, and the second is not begun."""
    recipe = verbs.recipe_for("audio", settings=BOTH)
    begun = []

    def stopping(part, data, place, options):
        begun.append(part.model)
        done = fit(part, data, place, options)
        done.card["metrics"]["stopped_by"] = "interrupt"
        artifact.save(done, place)
        return done

    with pytest.raises(KeyboardInterrupt):
        in_two_runs(recipe, kit, tmp_path / "a", FitOptions(), stopping)
    assert begun == ["vq"]
    done = artifact.load(tmp_path / "a" / artifact.FIRST)
    done.card["metrics"]["stopped_by"] = "limit"
    artifact.save(done, tmp_path / "a" / artifact.FIRST)
    again = fit(recipe, kit, tmp_path / "a", FitOptions(resume=True))
    assert alike(verbs.Generative(again).sample(4), made[0].sample(4))


def test_a_slow_machine_takes_the_same_steps_to_the_same_weights(monkeypatch):
    """Complaint: of runs of so many steps one on a busy machine ended elsewhere: the recipe's minutes counted too."""
    clock = time.monotonic
    words, kit, ends = [*CODEC, "codec.seconds=0.25"], drum_sounds(2), []
    for speed in (1, 10_000):
        monkeypatch.setattr(time, "monotonic", lambda speed=speed: speed * clock())
        made = verbs.fit("audio", kit, recipe="codec", settings=words).artifact
        assert made.card["metrics"]["steps"] == 4
        ends.append(made.model.state_dict())
    assert all(torch.equal(value, ends[1][name]) for name, value in ends[0].items())


def test_steps_or_epochs_that_are_asked_for_stand_in_the_place_of_a_recipes_minutes():
    recipe = verbs.recipe_for("audio", settings=["training.steps=5", "first.training.epochs=2"])
    assert (recipe.training["steps"], recipe.first["training"]["epochs"]) == (5, 2)
    assert "minutes" not in recipe.training | recipe.first["training"]
    recipe = verbs.recipe_for("audio", settings=["training.steps=5", "training.minutes=1"])
    assert (recipe.training["minutes"], recipe.first["training"]["minutes"]) == (1, 6.0)


def test_minutes_are_shared_and_settings_find_their_run():
    recipe = verbs.recipe_for("audio", settings=["codec.rate=8000", "training.batch=3"])
    assert recipe.first["codec"] == {"labels": False, "rate": 8000}
    assert recipe.codec == {}
    asked = []

    class Enough(Exception):
        pass

    def noting(part, data, place, options):
        asked.append((part.model, options.minutes))
        raise Enough

    with pytest.raises(Enough):
        in_two_runs(recipe, "drums", None, FitOptions(minutes=5.0), noting)
    assert asked == [("vq", 3.0)]
