"""A musician in a real browser: a composer's pieces are read and heard, and a melody comes home with its harmony."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conjure import artifact as artifacts
from tests.browser.pages import Served, need_browser

need_browser()
pytest.importorskip("gradio", reason="gradio is not installed")
pytest.importorskip("symusic", reason="scores are read by symusic")
pytest.importorskip("verovio", reason="scores are engraved by verovio")
from playwright.sync_api import expect  # noqa: E402

from conjure.domains.music import corpus  # noqa: E402
from conjure.domains.music.piece import LENGTH, START  # noqa: E402
from conjure.domains.music.sound import seconds  # noqa: E402
from conjure.fitting import fit  # noqa: E402
from conjure.verbs import recipe_for  # noqa: E402
from tests.browser.studio import bring, chosen, heard, opened, shot, tab, taken, wish  # noqa: E402
from tests.unit.domains.music.pieces import chorale, chorales  # noqa: E402

TINY = ["training.threads=1", "training.steps=10", "model.width=16", "model.hidden=16", "model.layers=1"]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    root = tmp_path_factory.mktemp("studio") / "root"
    made = fit(recipe_for("music", settings=[*TINY, "held_out=0.2"]), chorales(8))
    artifacts.save(made, root / "artifacts" / "composer")
    started = Served("serve", "--root", str(root), "--studio")
    yield started
    started.kill()


def ends(one: Any) -> Any:
    """Where the notes of a piece end, in ticks."""
    return one.notes[:, START] + one.notes[:, LENGTH]


def test_samples_are_engraved_played_certified_and_taken_home(browser: Any, served: Served, tmp_path: Path):
    page = opened(browser, served)
    tab(page, "Sample")
    chosen(page, "composer")
    page.get_by_label("How many", exact=True).fill("1")
    wish(page, "bars", "2")
    wish(page, "end", "tonic")
    page.get_by_role("button", name="Draw", exact=True).click()
    expect(page.locator("ul.certificate li", has_text="bars: holds")).to_be_visible()
    lasts = heard(page)
    assert page.locator("svg g.note").count() > 4
    for button, suffix in (("Download", "mid"), ("Download MusicXML", "mxl")):
        (tmp_path / f"one.{suffix}").write_bytes(taken(page, button).read_bytes())
        one = corpus.read(tmp_path / f"one.{suffix}")[0][0]
        assert lasts == pytest.approx(float(seconds(one, ends(one)).max()), abs=0.2)  # to the end of its last note
    assert taken(page, "Download sound").read_bytes()[:4] == b"RIFF"
    assert b"<svg" in taken(page, "Download score").read_bytes()[:200]
    with page.expect_download() as taking:
        page.get_by_role("link", name="MIDI").click()
    assert Path(taking.value.path()).read_bytes()[:4] == b"MThd"
    page.close()


def test_a_melody_is_brought_harmonised_and_taken_home(browser: Any, served: Served, tmp_path: Path):
    whole = chorale(77)
    corpus.write(type(whole)(whole.voice(0), whole.parts[:1]), tmp_path / "tune.mid")
    page = opened(browser, served)
    tab(page, "Compose")
    chosen(page, "composer")
    bring(page, tmp_path / "tune.mid")
    expect(page.get_by_text("tune.mid").last).to_be_visible()
    wish(page, "parallels", "no")
    page.get_by_role("button", name="Compose", exact=True).click()
    expect(
        page.get_by_text("conjure music harmonize composer tune.mid --given parallels=no --as voices --seed 0")
    ).to_be_visible()
    assert heard(page) > 5
    shot(page, "compose")
    (tmp_path / "four.mid").write_bytes(taken(page, "Download").read_bytes())
    made = corpus.read(tmp_path / "four.mid")[0][0]
    assert len(made.parts) == 4
    assert np.array_equal(made.voice(0)[:, :3], whole.voice(0)[:, :3])
    page.close()


def test_each_verb_asks_for_what_it_needs(browser: Any, served: Served, tmp_path: Path):
    corpus.write(chorale(5, bars=1), tmp_path / "bar.mid")
    page = opened(browser, served)
    tab(page, "Compose")
    page.set_viewport_size({"width": 390, "height": 800})  # a telephone; there tabs may hide in a menu
    chosen(page, "composer")
    bring(page, tmp_path / "bar.mid")
    expect(page.get_by_text("bar.mid").last).to_be_visible()
    page.get_by_label("Fill in voices").check()
    page.get_by_role("button", name="Compose", exact=True).click()
    expect(page.get_by_text("choose the voices that are to be written")).to_be_visible()
    page.get_by_label("Alto", exact=True).check()
    page.get_by_role("button", name="Compose", exact=True).click()
    expect(page.get_by_text("conjure music fill composer bar.mid --voice Alto --seed 0")).to_be_visible()
    page.get_by_label("Continue", exact=True).check()
    page.get_by_label("How many bars").fill("2")
    page.get_by_role("button", name="Compose", exact=True).click()
    expect(page.get_by_text("conjure music continue composer bar.mid --bars 2 --seed 0")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.close()
