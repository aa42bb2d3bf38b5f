"""What tests do on the studio's pages: open, go to a tab, bring a file, fill in, listen, take home."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Page, expect
from playwright.sync_api import TimeoutError as Impatient

from tests.browser.pages import STRANGERS, Served

SHOTS = os.environ.get("CONJURE_SHOTS")


def opened(browser, served: Served, width: int = 1100, **manner) -> Page:
    page = browser.new_page(viewport={"width": width, "height": 900}, accept_downloads=True, **manner)
    page.set_default_timeout(60_000)
    page.on("request", lambda asked: STRANGERS.append(asked.url) if foreign(asked.url) else None)
    page.on("console", lambda said: STRANGERS.append(said.text) if "Content Security Policy" in said.text else None)
    page.goto(served.url)
    expect(page.get_by_role("tab", name="Fit", exact=True)).to_be_visible()
    return page


def foreign(url: str) -> bool:
    return urlsplit(url).scheme not in ("data", "blob", "about") and urlsplit(url).hostname != "127.0.0.1"


def tab(page: Page, name: str) -> None:
    """Go to a tab; those that a telephone has no room for are behind a button with three dots."""
    wanted = page.get_by_role("tab", name=name, exact=True).locator("visible=true")
    more = page.locator(".overflow-menu > button").locator("visible=true")
    for _ in range(100):  # after a reload neither is there at once, and the button may go while tabs find their place
        if wanted.count():
            wanted.first.click()
            return
        if more.count():
            with suppress(Impatient):
                more.click(timeout=1_000)
                page.locator(".overflow-dropdown").get_by_text(name, exact=True).click(timeout=1_000)
                return
        page.wait_for_timeout(200)
    raise AssertionError(f"there is no tab {name}")


def taken(page: Page, button: str) -> Path:
    """What a button downloads."""
    with page.expect_download() as taking:
        named = page.get_by_role("button", name=button, exact=True).locator("visible=true")
        named.filter(has_text=button).click()  # a player's own button shows a sign
    return Path(taking.value.path())


def shot(page: Page, name: str) -> None:
    if SHOTS:
        page.screenshot(path=f"{SHOTS}/studio-{name}.png", full_page=True)


def bring(page: Page, path: Path) -> None:
    with page.expect_file_chooser() as asked:
        page.get_by_role("button", name="Click to upload or drop files").locator("visible=true").click()
    asked.value.set_files(str(path))


def chosen(page: Page, value: str) -> None:
    expect(page.get_by_label("Artifact", exact=True).locator("visible=true")).to_have_value(value)


def wish(page: Page, word: str, value: str) -> None:
    """Fill in a condition."""
    row = (
        page.get_by_role("row").filter(has=page.get_by_role("gridcell", name=word, exact=True)).locator("visible=true")
    )
    cell = row.first.get_by_role("gridcell").nth(1)
    for _ in range(10):  # a table that is still being drawn may not hear, or lose what it was given
        with suppress(Impatient, AssertionError):
            cell.dblclick(timeout=3_000)
            cell.locator("input, textarea").fill(value, timeout=3_000)
            page.keyboard.press("Enter")
            expect(cell.locator("[data-editable]").last).to_have_text(value, timeout=3_000)
            return
    raise AssertionError(f"{word} does not take {value}")


def heard(page: Page) -> float:
    """How long the first player on the page plays, in seconds, once it has begun to."""
    player = page.locator("audio").locator("visible=true").first
    expect(player).to_be_visible()
    player.evaluate("player => { player.muted = true; return player.play() }")
    page.wait_for_function("[...document.querySelectorAll('audio')].some(p => p.currentTime > 0)")
    return player.evaluate("player => player.duration")
