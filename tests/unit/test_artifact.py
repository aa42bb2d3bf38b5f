"""An artifact's folder: what was saved is what is opened, and others may read it."""

from __future__ import annotations

import json

import pandas as pd
import pytest
import torch

from conjure import artifact, sampling, verbs
from conjure.core.errors import ArtifactError


@pytest.fixture(scope="module")
def made() -> artifact.Artifact:
    return verbs.fit("tables", "wine", recipe="independent", settings=["training.threads=1"], seed=7).artifact


def test_what_is_opened_is_what_was_saved(made, tmp_path):
    artifact.save(made, tmp_path / "a")
    opened = artifact.load(tmp_path / "a")
    assert opened.recipe == made.recipe
    assert opened.codec.state() == made.codec.state()
    assert opened.card == made.card
    assert opened.path == tmp_path / "a"
    assert not opened.model.training
    for name, weight in made.model.state_dict().items():
        assert torch.equal(weight, opened.model.state_dict()[name]), name
    pd.testing.assert_frame_equal(sampling.sample(opened, 20, seed=3), sampling.sample(made, 20, seed=3))


def test_saving_twice_gives_the_same_files(made, tmp_path):
    for name in ("a", "b"):
        artifact.save(made, tmp_path / name)
    for file in (artifact.MANIFEST, artifact.CODEC, artifact.WEIGHTS, artifact.CARD):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes(), file


def test_digest_covers_the_recipe_and_the_card(made, tmp_path):
    artifact.save(made, tmp_path)
    at = tmp_path / artifact.MANIFEST
    whole = json.loads(at.read_text())
    for group, key, value in (("recipe", "seed", 8), ("card", "made", "2001-01-01"), ("files", artifact.CARD, "0")):
        at.write_text(json.dumps(whole | {group: {**whole[group], key: value}}))
        with pytest.raises(ArtifactError, match="digest differs"):
            artifact.load(tmp_path)


def test_every_file_may_be_read_by_whom_the_umask_lets(made, tmp_path):
    plain = tmp_path / "plain"
    plain.touch()
    artifact.save(made, tmp_path / "a")
    files = sorted((tmp_path / "a").iterdir())
    assert [f.name for f in files] == sorted([artifact.MANIFEST, artifact.CODEC, artifact.WEIGHTS, artifact.CARD])
    assert {f.stat().st_mode for f in files} == {plain.stat().st_mode}


def test_card_says_data_licence_seed_and_versions(made, tmp_path):
    artifact.save(made, tmp_path)
    text = (tmp_path / artifact.CARD).read_text("utf-8")
    assert text.startswith("# Independent of wine\n")
    for row in (
        f"| data | wine (sha256 {made.card['source']['sha256'][:16]}) |",
        "| licence of the data | CC BY 4.0",
        "| seed | 7 |",
        f"| torch | {torch.__version__.split('+')[0]}",
        f"| pandas | {pd.__version__} |",
        "| python | 3.",
    ):
        assert row in text, row
