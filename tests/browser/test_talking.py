"""A conversation in a real browser: it streams, it can be stopped, and a reload finds it again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from conjure import artifact as artifacts
from tests.browser.pages import Served, need_browser

need_browser()
pytest.importorskip("gradio", reason="gradio is not installed")
pytest.importorskip("tokenizers", reason="tokenizers is in the language extra")
from playwright.sync_api import Locator, Page, expect  # noqa: E402

from tests.browser.studio import opened, tab  # noqa: E402
from tests.unit.server.tiny import tiny  # noqa: E402

LONG = "2048"  # tokens, which take longer than any of these tests


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    found = tiny(context=4096)  # of the likeliest token each, it goes round in circles and comes to no end
    recipe = replace(found.recipe, model_settings={"layers": 12, "width": 256, "heads": 4})
    slow = replace(found, recipe=recipe, model=artifacts.build_model(recipe, found.codec).eval())
    folder = artifacts.save(slow, tmp_path_factory.mktemp("talking") / "little")
    started = Served("serve", str(folder), "--studio")
    yield started
    started.kill()


def ask(page: Page, words: str, tokens: str) -> None:
    for label, value in (("Temperature", "0"), ("Tokens at most", tokens)):
        page.get_by_label(f"number input for {label}").fill(value)
        page.keyboard.press("Tab")
    page.get_by_placeholder("Type a message...").fill(words)
    page.keyboard.press("Enter")
    expect(page.locator(".user.message", has_text=words)).to_be_visible()


def answers(page: Page) -> Locator:
    return page.locator(".bot.message")


def longer(page: Page, than: int) -> int:
    """The length of the last answer, once it is longer."""
    page.wait_for_function(
        "than => [...document.querySelectorAll('.bot.message')].at(-1)?.textContent.length > than", arg=than
    )
    return len(answers(page).last.text_content() or "")


def test_an_answer_streams_is_stopped_and_found_again(browser: Any, served: Served):
    page = opened(browser, served)
    tab(page, "Chat")
    ask(page, "what time is it?", LONG)
    first = longer(page, 0)
    assert longer(page, first) > first  # it grows while it is written
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(page.get_by_role("button", name="Stop", exact=True)).to_be_hidden()
    page.wait_for_timeout(500)
    stopped = answers(page).last.text_content()
    page.wait_for_timeout(1_000)
    assert answers(page).last.text_content() == stopped
    page.reload()
    tab(page, "Chat")
    expect(page.locator(".user.message", has_text="what time is it?")).to_be_visible()
    assert answers(page).last.text_content() == stopped
    ask(page, "and in Paris?", "16")
    expect(answers(page)).to_have_count(2)
    longer(page, 0)
    expect(page.get_by_role("button", name="Stop", exact=True)).to_be_hidden()
    other = opened(browser, served)  # a stranger's browser knows nothing of it
    tab(other, "Chat")
    expect(other.get_by_placeholder("Type a message...")).to_be_visible()
    expect(other.locator(".user.message")).to_have_count(0)
    for one in (page, other):
        one.close()
