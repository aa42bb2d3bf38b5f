"""People rank completions in a real browser: nothing they did is lost, whatever dies, and no mouse is needed."""

from __future__ import annotations

import pytest

from conjure.feedback import overview
from conjure.feedback.comparing import PLANTED
from conjure.feedback.opinions import Candidate
from conjure.feedback.rankings import checks, ranked
from conjure.feedback.store import Store
from tests.browser.pages import Served, need_browser

need_browser()
from playwright.sync_api import expect  # noqa: E402


def filled(folder):
    made = Store(folder / "votes.db")
    lap = made.open_round("first", ("relevance", "coherence"), 7)
    for k in range(3):
        made.add(lap, f"prompt {k}", [Candidate(f"answer {k}{c}", "digest", 0.7, k) for c in "pqr"])
    return made


@pytest.fixture(scope="module")
def common(tmp_path_factory):
    """A store and its server for all tests that leave both as they are; each has raters of its own."""
    store = filled(tmp_path_factory.mktemp("common"))
    started = Served("assistant", "rank", "--store", store.place)
    yield store, started
    started.kill()


@pytest.fixture
def store(common):
    return common[0]


@pytest.fixture
def served(common):
    return common[1]


@pytest.fixture
def mortal(tmp_path):
    """A server that a test may kill."""
    started = Served("assistant", "rank", "--store", filled(tmp_path).place)
    yield started
    started.kill()


def tab(browser, served, name, **options):
    """A rater's own browser, signed in."""
    context = browser.new_context(**options)
    page = context.new_page()
    page.goto(f"{served.url}?name={name}&token={name}1")
    expect(page.locator("#prompt")).not_to_be_empty()
    return page


def card(page, text):
    return page.locator("article", has_text=text)


def place(page, text, where):
    card(page, text).locator(f'button[data-place="{where}"]').click()


def answers(page):
    """The completions of the page, from top to bottom."""
    return [one.strip() for one in page.locator("article .text").all_inner_texts()]


def said(store, name):
    """The one judgement of a rater."""
    (one,) = [one for one in ranked(store, overview.choose(store).id) if one.rater == name]
    return one


def judged(store, name):
    return {
        one.prompt: dict(zip(one.completions, one.ranks)) for one in ranked(store, overview.choose(store).id)
        if one.rater == name
    }  # fmt: skip


def test_a_rater_ranks_with_ties_scores_and_comments(browser, store, served):
    page = tab(browser, served, "ann")
    first = page.locator("#prompt").inner_text()
    shown = answers(page)
    assert "digest" not in page.content()  # where a completion comes from stays hidden
    for text, where in zip(shown, (1, 2, 2)):
        place(page, text, where)
    card(page, shown[0]).locator('fieldset[data-criterion="relevance"] input[value="7"]').check()
    page.locator("#confidence input").nth(3).check()
    page.fill("#comment", "the first is right")
    page.click("#submit")
    expect(page.locator("#count")).to_have_text("1 of 3")
    assert judged(store, "ann") == {first: dict(zip(shown, (1.0, 2.0, 2.0)))}
    one = said(store, "ann")
    assert one.scores["relevance"][one.completions.index(shown[0])] == 7
    assert [one.completions[one.shown.index(k)] for k in range(3)] == shown


def test_no_full_order_is_asked_and_nothing_is_compared_by_accident(browser, store, served):
    page = tab(browser, served, "bea")
    page.click("#submit")
    expect(page.locator("#said")).to_contain_text("Place or score something")
    shown = answers(page)
    place(page, shown[0], 1)
    page.click("#submit")
    expect(page.locator("#said")).to_contain_text("Only one is placed")
    place(page, shown[1], 2)
    page.click("#submit")
    expect(page.locator("#count")).to_have_text("1 of 3")
    (found,) = judged(store, "bea").values()
    assert str(found[shown[2]]) == "nan"


def test_the_keyboard_is_enough(browser, store, served):
    page = tab(browser, served, "cyd")
    shown = answers(page)
    page.keyboard.type("b1")  # then on to the next that has no place
    page.keyboard.type("2")
    page.keyboard.type("a2")
    page.keyboard.press("b")
    for _ in range(4):  # past the buttons of places, to the first points
        page.keyboard.press("Tab")
    page.keyboard.type("5")
    page.keyboard.press("Enter")
    expect(page.locator("#count")).to_have_text("1 of 3")
    (found,) = judged(store, "cyd").values()
    assert found == {shown[1]: 1.0, shown[2]: 2.0, shown[0]: 2.0}
    one = said(store, "cyd")
    assert one.scores["relevance"][one.completions.index(shown[1])] == 5
    page.keyboard.press("-")
    expect(page.locator("#count")).to_have_text("2 of 3")
    page.keyboard.press("z")
    expect(page.locator("#count")).to_have_text("1 of 3")
    page.keyboard.press("?")
    expect(page.locator("dialog")).to_be_visible()


def test_a_letter_is_dragged_to_its_place_and_onto_another(browser, store, served):
    page = tab(browser, served, "dan")
    shown = answers(page)
    for letter, where in (("A", 2), ("B", 1), ("C", 1)):
        chip = page.locator(".chip", has_text=letter).bounding_box()
        goal = page.locator(f'.place[data-place="{where}"]').bounding_box()
        page.mouse.move(chip["x"] + 5, chip["y"] + 5)
        page.mouse.down()
        page.mouse.move(goal["x"] + 10, goal["y"] + 12, steps=4)
        page.mouse.up()
        expect(page.locator(f'.place[data-place="{where}"] .chip', has_text=letter)).to_be_visible()
    page.click("#submit")
    expect(page.locator("#count")).to_have_text("1 of 3")
    (found,) = judged(store, "dan").values()
    assert found == dict(zip(shown, (2.0, 1.0, 1.0)))


def test_a_closed_tab_loses_nothing(browser, store, served):
    page = tab(browser, served, "eva")
    first, shown = page.locator("#prompt").inner_text(), answers(page)
    place(page, shown[2], 1)
    page.fill("#comment", "half way")
    expect(page.locator("#status")).to_have_text("saved")
    page.context.close()
    again = tab(browser, served, "eva")  # another browser: nothing comes out of its own memory
    assert again.locator("#prompt").inner_text() == first
    assert answers(again) == shown
    expect(card(again, shown[2]).locator('button[data-place="1"]')).to_have_attribute("aria-pressed", "true")
    expect(again.locator("#comment")).to_have_value("half way")


def test_the_server_dies_in_the_middle_of_a_rating(browser, mortal):
    page = tab(browser, mortal, "ann")
    shown = answers(page)
    place(page, shown[0], 1)
    expect(page.locator("#status")).to_have_text("saved")
    mortal.kill()
    place(page, shown[1], 2)
    place(page, shown[2], 3)
    expect(page.locator("#status")).to_contain_text("kept in this browser")
    page.click("#submit")  # it waits for the server
    mortal.start()
    expect(page.locator("#count")).to_have_text("1 of 3")
    (found,) = judged(Store(mortal.words[3]), "ann").values()
    assert found == dict(zip(shown, (1.0, 2.0, 3.0)))


def test_a_reload_while_the_server_is_down_brings_back_what_only_the_browser_knew(browser, mortal):
    page = tab(browser, mortal, "ann")
    shown = answers(page)
    mortal.kill()
    place(page, shown[0], 2)
    expect(page.locator("#status")).to_contain_text("kept in this browser")
    mortal.start()
    page.reload()
    expect(card(page, shown[0]).locator('button[data-place="2"]')).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#status")).to_have_text("saved")


def test_two_raters_at_once_each_keep_their_own(browser, store, served):
    ann, bob = tab(browser, served, "una"), tab(browser, served, "ulf")
    for _ in range(3):
        for page, order in ((ann, (1, 2, 3)), (bob, (3, 2, 1))):
            for text in answers(page):
                place(page, text, order["pqr".index(text[-1])])
        for page in (ann, bob):
            before = page.locator("#count").inner_text()
            page.click("#submit")
            expect(page.locator("#count")).not_to_have_text(before)
    expect(ann.locator("#done")).to_be_visible()
    mine, other = judged(store, "una"), judged(store, "ulf")
    assert len(mine) == len(other) == 3
    assert all(found[f"answer {p[-1]}p"] == 1 for p, found in mine.items())
    assert all(found[f"answer {p[-1]}p"] == 3 for p, found in other.items())


def test_undo_opens_the_last_judgement_as_it_was(browser, store, served):
    page = tab(browser, served, "fay")
    first, shown = page.locator("#prompt").inner_text(), answers(page)
    for text, where in zip(shown, (3, 1, 2)):
        place(page, text, where)
    page.click("#submit")
    expect(page.locator("#count")).to_have_text("1 of 3")
    page.click("#undo")
    expect(page.locator("#prompt")).to_have_text(first)
    expect(card(page, shown[1]).locator('button[data-place="1"]')).to_have_attribute("aria-pressed", "true")
    assert judged(store, "fay") == {}
    place(page, shown[1], 3)
    place(page, shown[0], 1)
    page.click("#submit")
    expect(page.locator("#count")).to_have_text("1 of 3")
    assert judged(store, "fay") == {first: dict(zip(shown, (1.0, 3.0, 2.0)))}


def test_a_telephone_is_wide_enough(browser, store, served):
    page = tab(browser, served, "gus", viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    for text, where in zip(answers(page), (2, 1, 3)):
        card(page, text).locator(f'button[data-place="{where}"]').tap()
    page.locator("#submit").tap()
    expect(page.locator("#count")).to_have_text("1 of 3")


def test_strangers_and_other_tokens_are_kept_out(browser, store, served):
    store.rater("hal", "secret")
    page = browser.new_context().new_page()
    page.goto(f"{served.url}?name=hal&token=guess")
    expect(page.locator("#status")).to_contain_text("is taken, and this is not its token")
    page.fill("#name", "bob")
    page.click("#sign-in button")
    expect(page.locator("#welcome")).to_contain_text("Your token is")
    page.reload()
    expect(page.locator("#prompt")).not_to_be_empty()


def test_what_is_typed_is_text_not_markup(browser, mortal):
    store = Store(mortal.words[3])
    evil = [Candidate("<img src=x onerror=\"document.title='broken'\">"), Candidate("plain")]
    store.add(store.open_round("evil"), "<b>bold</b>", evil)
    page = tab(browser, mortal, "ann")
    expect(page.locator("#prompt")).to_have_text("<b>bold</b>")
    assert page.title() == "Rating"


def test_attention_checks_and_disputes(browser, tmp_path):
    store = filled(tmp_path)
    lap = store.open_round("second", ())
    for k in range(2):
        store.add(lap, f"ask {k}", [Candidate(f"x{k}"), Candidate(f"y{k}"), Candidate(PLANTED, planted=True)])
    served = Served("assistant", "rank", "--store", store.place)
    try:
        for name, best in (("ann", "x"), ("bob", "y")):
            page = tab(browser, served, name)
            for _ in range(2):
                for text in answers(page):
                    place(page, text, 3 if text == PLANTED and name == "ann" else 1 if text[0] == best else 2)
                before = page.locator("#count").inner_text()
                page.click("#submit")
                expect(page.locator("#count")).not_to_have_text(before)
    finally:
        served.kill()
    assert checks(store, lap) == {"ann": (2, 2), "bob": (0, 2)}
    judge = Served("assistant", "rank", "--store", store.place, "--disputed")
    try:
        page = tab(browser, judge, "zoe")
        for text in answers(page):
            place(page, text, {"x": 2, "y": 1}.get(text[0], 3))
        settled = page.locator("#prompt").inner_text()
        page.click("#submit")
        expect(page.locator("#prompt")).not_to_have_text(settled)
    finally:
        judge.kill()
    found = [one for one in ranked(store, lap) if one.prompt == settled]
    assert [one.rater for one in found] == ["zoe"]  # in the place of those who disagreed
