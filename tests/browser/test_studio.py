"""The whole job in a real browser, by somebody who never sees a terminal; set CONJURE_SHOTS to keep its pictures."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pandas as pd
import pytest

from tests.browser.pages import CHROMIUM, FLAGS, Served, need_browser

need_browser()
pytest.importorskip("gradio", reason="gradio is not installed")
from playwright.sync_api import Page, expect, sync_playwright  # noqa: E402

expect.set_options(timeout=60_000)
SHOTS = os.environ.get("CONJURE_SHOTS")


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as started:
        made = started.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield made
        made.close()


@pytest.fixture
def served(tmp_path):
    started = Served("serve", "--root", str(tmp_path / "root"), "--studio")
    yield started
    started.kill()


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    frame = pd.DataFrame({"age": [20 + k % 50 for k in range(400)], "smokes": ["yes", "no", "no", "no"] * 100})
    frame.to_csv(tmp_path / "patients.csv", index=False)
    return tmp_path / "patients.csv"


def opened(browser, served: Served, width: int = 1100) -> Page:
    page = browser.new_page(viewport={"width": width, "height": 900}, accept_downloads=True)
    page.set_default_timeout(60_000)
    page.goto(served.url)
    expect(page.get_by_role("tab", name="Fit", exact=True)).to_be_visible()
    return page


def tab(page: Page, name: str) -> None:
    page.get_by_role("tab", name=name, exact=True).click()


def shot(page: Page, name: str) -> None:
    if SHOTS:
        page.screenshot(path=f"{SHOTS}/studio-{name}.png", full_page=True)


def begin(page: Page, csv: Path, name: str, minutes: float) -> None:
    tab(page, "Fit")
    bring(page, csv)
    expect(page.get_by_text("What was inferred").first).to_be_visible()
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("Minutes", exact=True).fill(str(minutes))
    page.get_by_role("button", name="Fit", exact=True).click()


def bring(page: Page, path: Path) -> None:
    with page.expect_file_chooser() as asked:
        page.get_by_role("button", name="Click to upload or drop files").locator("visible=true").click()
    asked.value.set_files(str(path))


def chosen(page: Page, value: str) -> None:
    expect(page.get_by_label("Artifact", exact=True).locator("visible=true")).to_have_value(value)


def test_data_in_samples_and_report_out(browser, served: Served, csv: Path):
    page = opened(browser, served)
    begin(page, csv, "patients", 0.1)
    expect(page.get_by_text(re.compile("patients.*finished"))).to_be_visible()
    expect(page.locator("table.rows").first).to_be_visible()  # the first samples
    shot(page, "fit")

    tab(page, "Sample")
    chosen(page, "patients")  # the newest
    page.get_by_label("How many", exact=True).fill("30")
    page.get_by_label("Seed (empty: a new one)").fill("7")
    expect(page.get_by_text("smokes").last).to_be_visible()
    page.get_by_role("button", name="Draw", exact=True).click()
    expect(page.get_by_text("conjure sample patients -n 30 --seed 7")).to_be_visible()
    shot(page, "sample")
    with page.expect_download() as taken:
        page.get_by_role("button", name="Download", exact=True).click()
    made = pd.read_csv(taken.value.path())
    assert len(made) == 30
    assert list(made.columns) == ["age", "smokes"]

    tab(page, "Evaluate")
    chosen(page, "patients")  # the newest
    bring(page, csv)
    expect(page.get_by_text("patients.csv").last).to_be_visible()
    page.get_by_role("button", name="Evaluate", exact=True).click()
    expect(page.locator("iframe[title=report]")).to_be_visible()
    shot(page, "report")

    tab(page, "Gallery")
    page.get_by_role("button", name="Look again").click()
    page.get_by_role("gridcell", name="patients", exact=True).first.click()
    expect(page.get_by_text("Circuit of patients")).to_be_visible()
    shot(page, "gallery")
    page.close()


def test_a_reload_and_a_killed_server_lose_no_fit(browser, served: Served, csv: Path):
    page, other = opened(browser, served), opened(browser, served, width=390)
    begin(page, csv, "long", 5)
    expect(page.get_by_text(re.compile("long.*running"))).to_be_visible()
    page.reload()
    tab(page, "Fit")
    expect(page.get_by_text(re.compile(r"long.*running \d+%"))).to_be_visible()
    begin(other, csv, "second", 0.1)  # another person, on a telephone
    expect(other.get_by_text(re.compile("second.*queued.*1 before it"))).to_be_visible()
    shot(other, "phone")
    for left in (page, other):
        left.goto("about:blank")  # a page that stays would reload itself when its server is back
    served.kill()
    served.start()
    page.goto(f"{served.url}studio/")
    tab(page, "Fit")
    expect(page.get_by_text(re.compile(r"long.*running \d+%"))).to_be_visible()
    page.get_by_role("button", name="Stop, and keep what was learnt").click()
    expect(page.get_by_text(re.compile("long.*cancelled.*kept"))).to_be_visible()
    page.close()
    other.close()


def test_mistakes_are_told_in_one_sentence(browser, served: Served, tmp_path: Path):
    page = opened(browser, served)
    bad = tmp_path / "empty.csv"
    bad.write_text("")
    tab(page, "Fit")
    bring(page, bad)
    expect(page.get_by_text(re.compile("empty")).last).to_be_visible()
    page.get_by_label("Name", exact=True).fill("../up")
    page.get_by_role("button", name="Fit", exact=True).click()
    expect(page.get_by_text("is no name")).to_be_visible()
    page.close()
