"""The whole job in a real browser, by somebody who never sees a terminal; set CONJURE_SHOTS to keep its pictures."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import pandas as pd
import pytest

from conjure.feedback.opinions import Candidate
from conjure.feedback.store import Store
from tests.browser.pages import Served, need_browser

need_browser()
pytest.importorskip("gradio", reason="gradio is not installed")
from playwright.sync_api import Page, expect  # noqa: E402

from tests.browser.studio import bring, chosen, opened, shot, tab, taken, wish  # noqa: E402


@pytest.fixture
def served(tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    rated = Store(root / "feedback.db")
    rated.add(rated.open_round("first", (), 7), "Which is a river?", [Candidate("Rhine"), Candidate("Etna")])
    rated.close()
    started = Served("serve", "--root", str(root), "--studio", "--preview", "0.5")
    yield started
    started.kill()


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    frame = pd.DataFrame({"age": [20 + k % 50 for k in range(400)], "smokes": ["yes", "no", "no", "no"] * 100})
    frame.to_csv(tmp_path / "patients.csv", index=False)
    return tmp_path / "patients.csv"


def begin(page: Page, csv: Path, name: str, minutes: float) -> None:
    tab(page, "Fit")
    bring(page, csv)
    expect(page.get_by_text("What was inferred").first).to_be_visible()
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("Minutes", exact=True).fill(str(minutes))
    page.get_by_role("button", name="Fit", exact=True).click()


def test_data_in_samples_and_report_out(browser, served: Served, csv: Path):
    page = opened(browser, served)
    begin(page, csv, "patients", 0.15)
    expect(page.get_by_text(re.compile("What the model makes after step"))).to_be_visible()  # while it learns
    expect(page.locator("table.rows").first).to_be_visible()
    expect(page.get_by_text(re.compile("patients.*finished"))).to_be_visible()
    expect(page.get_by_text("What the model makes now")).to_be_visible()
    expect(page.get_by_role("img", name="Loss").locator("polyline").first).to_be_visible()
    shot(page, "fit")

    tab(page, "Sample")
    chosen(page, "patients")  # the newest
    page.get_by_label("How many", exact=True).fill("30")
    page.get_by_label("Seed (empty: a new one)").fill("7")
    wish(page, "smokes", "yes")
    page.get_by_role("button", name="Draw", exact=True).click()
    expect(
        page.get_by_text("conjure sample patients --given smokes=yes -n 30 --seed 7 -o patients-7.csv")
    ).to_be_visible()
    shot(page, "sample")
    made = pd.read_csv(taken(page, "Download"))
    assert len(made) == 30
    assert list(made.columns) == ["age", "smokes"]
    assert set(made["smokes"]) == {"yes"}
    with zipfile.ZipFile(taken(page, "Download with its command line (.zip)")) as archive:
        assert archive.namelist() == ["command.txt", "patients-7.csv"]
        assert "--given smokes=yes -n 30 --seed 7 -o patients-7.csv" in archive.read("command.txt").decode()

    tab(page, "Evaluate")
    chosen(page, "patients")  # the newest
    bring(page, csv)
    expect(page.get_by_text("patients.csv").last).to_be_visible()
    page.get_by_role("button", name="Evaluate", exact=True).click()
    report = page.frame_locator("iframe[title=report]")
    expect(report.get_by_role("heading", name="Samples")).to_be_visible()
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


def test_it_fits_a_telephone_by_night_and_needs_no_mouse(browser, served: Served):
    page = opened(browser, served, width=390, color_scheme="dark")
    for name in ("Fit", "Sample", "Evaluate", "Score", "Complete", "Compose", "Rate", "Gallery"):
        tab(page, name)
        page.wait_for_timeout(300)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, name
    shade = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert sum(map(int, re.findall(r"\d+", shade)[:3])) < 200  # dark
    page.close()
    page = opened(browser, served, color_scheme="light")
    shade = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert sum(map(int, re.findall(r"\d+", shade)[:3])) > 600
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent.trim()") == "Fit":
            break
    page.keyboard.press("Enter")
    expect(page.get_by_label("Minutes", exact=True)).to_be_visible()
    page.close()


def test_people_rate_beside_all_else(browser, served: Served):
    page = opened(browser, served)
    tab(page, "Rate")
    rating = page.frame_locator("iframe[title=rating]")
    rating.locator("#name").fill("ann")
    rating.locator("#sign-in button").click()
    expect(rating.locator("#prompt")).to_have_text("Which is a river?")
    shot(page, "rate")
    rating.locator('article:has-text("Rhine") button[data-place="1"]').click()
    rating.locator('article:has-text("Etna") button[data-place="2"]').click()
    rating.locator("#submit").click()
    expect(rating.locator("#done")).to_be_visible()
    page.close()


def test_gaps_are_filled_and_rows_scored(browser, served: Served, csv: Path, tmp_path: Path):
    page = opened(browser, served)
    begin(page, csv, "patients", 0.05)
    expect(page.get_by_text(re.compile("patients.*finished"))).to_be_visible()
    gaps = tmp_path / "gaps.csv"
    gaps.write_text("age,smokes\n30,\n,yes\n")
    tab(page, "Complete")
    chosen(page, "patients")
    bring(page, gaps)
    expect(page.get_by_text("gaps.csv").last).to_be_visible()
    page.get_by_role("button", name="Complete", exact=True).click()
    expect(page.get_by_text("conjure complete patients gaps.csv")).to_be_visible()
    made = pd.read_csv(taken(page, "Download"))
    assert not made.isna().any().any()
    assert made["age"][0] == 30
    assert made["smokes"][1] == "yes"
    tab(page, "Score")
    chosen(page, "patients")
    bring(page, csv)
    expect(page.get_by_text("patients.csv").last).to_be_visible()
    page.get_by_role("button", name="Score", exact=True).click()
    expect(page.get_by_label("log P in nats: higher is more typical")).to_have_value(re.compile("400 scored"))
    assert len(pd.read_csv(taken(page, "Download a number for each"))) == 400
    page.close()
