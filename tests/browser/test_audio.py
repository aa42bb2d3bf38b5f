"""Sounds in a real browser: some are drawn by class, played, and taken home as they were heard."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conjure import verbs
from tests.browser.pages import Served, need_browser

need_browser()
pytest.importorskip("gradio", reason="gradio is not installed")
from playwright.sync_api import expect  # noqa: E402

from conjure.domains.audio import corpus, files  # noqa: E402
from conjure.domains.audio.drums import drum_sounds  # noqa: E402
from tests.browser.studio import chosen, heard, opened, shot, tab, taken, wish  # noqa: E402
from tests.end_to_end.test_audio import BOTH  # noqa: E402


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    root = tmp_path_factory.mktemp("studio") / "root"
    verbs.fit("audio", drum_sounds(6), root / "artifacts" / "kit", settings=BOTH)
    started = Served("serve", "--root", str(root), "--studio")
    yield started
    started.kill()


def wanting(browser: Any, served: Served, n: int, seed: int) -> Any:
    """The Sample page with so many sounds asked for."""
    page = opened(browser, served)
    tab(page, "Sample")
    chosen(page, "kit")
    page.get_by_label("How many", exact=True).fill(str(n))
    page.get_by_label("Seed (empty: a new one)").fill(str(seed))
    return page


def test_a_sound_is_drawn_played_and_taken_home(browser: Any, served: Served, tmp_path: Path):
    page = wanting(browser, served, n=1, seed=3)
    wish(page, "label", "snare")
    page.get_by_role("button", name="Draw", exact=True).click()
    expect(page.get_by_text("conjure sample kit --given label=snare -n 1 --seed 3 -o kit-3.wav")).to_be_visible()
    lasts = heard(page)
    (tmp_path / "one.wav").write_bytes(taken(page, "Download").read_bytes())
    one = files.load(tmp_path / "one.wav")
    assert lasts == pytest.approx(one.seconds, abs=0.002)
    assert one.seconds > 0.02
    shot(page, "sound")
    page.close()


def test_several_sounds_have_a_player_each_and_come_home_in_turn(browser: Any, served: Served, tmp_path: Path):
    page = wanting(browser, served, n=3, seed=5)
    page.get_by_role("button", name="Draw", exact=True).click()
    expect(page.get_by_text("conjure sample kit -n 3 --seed 5 -o kit-5.wav")).to_be_visible()
    expect(page.locator("audio[src^='data:']")).to_have_count(3)
    lengths = page.evaluate(
        """() => Promise.all([...document.querySelectorAll("audio[src^='data:']")].map(player => new Promise(done => {
            player.onloadedmetadata = () => done(player.duration); player.preload = "auto"; player.load() })))"""
    )
    (tmp_path / "all.wav").write_bytes(taken(page, "Download").read_bytes())
    whole = files.load(tmp_path / "all.wav")
    assert sum(lengths) + 2 * corpus.GAP == pytest.approx(whole.seconds, abs=0.005)
    page.close()
