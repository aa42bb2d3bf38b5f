"""A score brought to a model of events in a real browser: the page offers what such a model can do, and does it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conjure import verbs
from tests.browser.pages import Served, need_browser

need_browser()
pytest.importorskip("gradio", reason="gradio is not installed")
pytest.importorskip("symusic", reason="scores are read by symusic")
pytest.importorskip("miditok", reason="events are made by miditok")
pytest.importorskip("verovio", reason="scores are engraved by verovio")
from playwright.sync_api import expect  # noqa: E402

from conjure.domains.music import corpus  # noqa: E402
from tests.browser.studio import bring, chosen, heard, opened, tab, taken  # noqa: E402
from tests.end_to_end.test_events import RECIPES, SMALL, rows  # noqa: E402
from tests.unit.domains.music.pieces import chorale, chorales  # noqa: E402


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    root = tmp_path_factory.mktemp("studio") / "root"
    verbs.fit(
        "music", chorales(12), root / "artifacts" / "band", recipe="events", settings=[*SMALL, *RECIPES["events"]]
    )
    started = Served("serve", "--root", str(root), "--studio")
    yield started
    started.kill()


def test_the_page_offers_what_events_can_do(browser: Any, served: Served, tmp_path: Path):
    whole = chorale(5, bars=2)
    corpus.write(whole, tmp_path / "two.mid")
    page = opened(browser, served)
    tab(page, "Compose")
    chosen(page, "band")
    expect(page.get_by_label("Continue", exact=True)).to_be_checked()
    assert page.get_by_label("Harmonize a melody").count() == 0
    bring(page, tmp_path / "two.mid")
    expect(page.get_by_text("two.mid").last).to_be_visible()
    page.get_by_label("How many bars").fill("2")
    page.get_by_role("button", name="Compose", exact=True).click()
    expect(page.get_by_text("conjure music continue band two.mid --bars 2 --seed 0")).to_be_visible()
    expect(page.locator("ul.certificate li", has_text="bars: holds: 2 more")).to_be_visible()
    assert heard(page) > 5
    (tmp_path / "four.mid").write_bytes(taken(page, "Download").read_bytes())
    made = corpus.read(tmp_path / "four.mid")[0][0]
    assert rows(whole) < rows(made)
    page.get_by_label("Vary", exact=True).check()
    page.get_by_role("button", name="Compose", exact=True).click()
    expect(page.get_by_text("conjure music vary band two.mid --share 0.5 --seed 0")).to_be_visible()
    page.close()
