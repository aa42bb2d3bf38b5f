"""Two styles of picture from a folder to translations and a report; a run that was stopped ends in the same weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

import conjure as package
from conjure import artifact, catalog, verbs
from conjure.core.config import fill
from conjure.training.data import Examples
from conjure.training.settings import Training
from conjure.training.trainer import Trainer
from tests.end_to_end.terminal import Terminal

TINY = ("model.net=resnet", "model.channels=4", "model.blocks=1", "objective.channels=4", "objective.pool=6")
SETTINGS = [*TINY, "training.threads=1", "training.batch=4", "training.steps=12", "training.validate_every=6"]


@pytest.fixture
def conjure(monkeypatch, capsys) -> Terminal:
    return Terminal(monkeypatch, capsys)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """200 pictures of day, 180 of night, and one file that is broken."""
    at, rng = tmp_path_factory.mktemp("styles"), np.random.default_rng(0)
    for name, count, light in (("day", 200, 200), ("night", 180, 40)):
        (at / name).mkdir()
        for k in range(count):
            picture = rng.integers(0, 30, (8, 8), dtype=np.uint8) + light
            Image.fromarray(picture.astype(np.uint8)).save(at / name / f"{k:03d}.png")
    (at / "night" / "broken.png").write_bytes(b"no picture")
    return at


@pytest.fixture(scope="module")
def fitted(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("made") / "m"
    return verbs.fit("restyle", folder, out, settings=SETTINGS), out


def test_both_directions_are_in_what_is_loaded(fitted, folder):
    made, out = fitted
    again = package.load(out)
    both = again.complete(folder)
    assert both.labels.tolist() == ["night"] * 200 + ["day"] * 180
    assert np.array_equal(both.array(), made.complete(folder).array())
    one = folder / "day" / "003.png"
    alone = again.sample(1, given={"picture": one, "to": "night"})
    assert alone.labels.tolist() == ["night"]
    assert np.abs(alone[0].astype(int) - both[3]).max() <= 1
    assert "1 broken picture file left out" in again.card["notes"][0]


def test_by_words(fitted, folder, tmp_path, conjure):
    _, out = fitted
    conjure.works("complete", out, folder / "day", "-o", tmp_path / "turned")
    assert len(list((tmp_path / "turned" / "night").glob("*.png"))) == 200
    conjure.works("sample", out, "-n", 1, "--given", f"picture={folder / 'day' / '000.png'}", "--given", "to=night")
    conjure.refused("sample", out, "-n", 1, naming=("a picture to translate is needed", "--given picture=FILE"))


def test_the_report_judges_both_directions_beside_pictures_left_alone(fitted, folder, tmp_path):
    made, _ = fitted
    report = made.evaluate(folder)
    names = [figure.name for figure in report.figures]
    assert [n for n in names if "into day" in n]
    assert [n for n in names if "into night" in n]
    distance = next(f for f in report.figures if f.name.startswith("FD"))
    assert distance.baseline > distance.ceiling  # day and night differ more than day and day
    cycle = report["cycle error"]
    assert cycle.ours >= 0
    assert cycle.ceiling == 0
    assert report.write(tmp_path / "r.html")[0].stat().st_size > 1000


def test_a_stopped_run_ends_in_the_same_weights_and_the_same_pool(folder, tmp_path):
    corpus = catalog.part("unpaired", "corpus")
    recipe = package.recipe_for("restyle", settings=SETTINGS)
    objects, _ = corpus.read(folder)
    codec_config, _, objective_config = recipe.configs()
    codec = catalog.resolve("domains", "unpaired").learn(objects, codec_config)
    encoded = codec.encode(objects)

    def trainer(at, stop=None):
        at.mkdir(exist_ok=True)
        torch.manual_seed(0)
        model = artifact.build_model(recipe, codec)
        goal = catalog.resolve("objectives", "cycle")(model, objective_config)
        training = fill(Training, recipe.training, "training")
        made = Trainer(goal, training, (Examples(encoded), Examples(encoded)), folder=at)
        if stop:
            told = goal.progress

            def progress(fraction):
                told(fraction)
                if fraction >= stop:
                    made.stop()

            goal.progress = progress
        return made

    whole = trainer(tmp_path / "whole")
    whole.run()
    trainer(tmp_path / "parts", stop=0.5).run()
    rest = trainer(tmp_path / "parts")
    assert rest.resume()
    rest.run()
    one, other = (t.objective.state_dict() for t in (whole, rest))
    assert int(one["critics.pools.0.filled"]) == 6
    assert all(torch.equal(one[k], other[k]) for k in one)


def test_bad_input_gets_a_sentence(folder, fitted, tmp_path, conjure):
    _, out = fitted
    words = ("one style", "a folder with two sub-folders")
    conjure.refused("fit", "restyle", folder / "day", "-o", tmp_path / "x", naming=words)
    (tmp_path / "flat").mkdir()
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "flat" / "a.png")
    turn = ("complete", out, tmp_path / "flat", "-o", tmp_path / "y")
    conjure.refused(*turn, naming=("a.png", "--given to=day or to=night"))
    Image.fromarray(np.zeros((9, 8), np.uint8)).save(tmp_path / "flat" / "a.png")
    conjure.refused(*turn, "--given", "to=day", naming=("a.png", "the model's images are 8 x 8"))
