"""Pictures of the rating page for the docs, in Debian's Chromium: `python examples/screenshots.py`."""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
from pathlib import Path

FIGURES = Path(__file__).resolve().parents[1] / "docs" / "figures"
PROMPT = "Explain to a new colleague what a list comprehension is."
ANSWERS = (
    "A list comprehension makes a list of another one in one line: [n * n for n in range(5)] is the squares of 0 to 4.",
    "It is when you comprehend a list.",
    "It is a loop written inside brackets. First what each item becomes, then where the items come from, then, if you "
    "like, which of them to keep: [name.upper() for name in names if name].",
    "List comprehensions were added to Python long ago and many people like them very much indeed.",
)
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
FLAGS += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]


def main() -> None:
    import uvicorn
    from playwright.sync_api import sync_playwright

    from conjure.feedback.opinions import Candidate
    from conjure.feedback.store import Store
    from conjure.server.rating import Rating, application

    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "votes.db")
        lap = store.open_round("round 1")
        store.add(lap, PROMPT, [Candidate(text) for text in ANSWERS])
        for k in range(11):
            store.add(lap, f"Another question {k}", [Candidate("yes"), Candidate("no")])
        server = uvicorn.Server(uvicorn.Config(application(Rating(store)), port=8471, log_level="error"))
        threading.Thread(target=server.run, daemon=True).start()
        while not server.started:
            time.sleep(0.1)
        with sync_playwright() as started:
            browser = started.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
            for name, size in {"rating": (1100, 900), "rating_phone": (390, 844)}.items():
                page = browser.new_page(viewport={"width": size[0], "height": size[1]})
                page.goto("http://127.0.0.1:8471/?name=ann&token=picture")
                page.wait_for_selector("article")
                for text, place in zip(ANSWERS, (2, 3, 1, 3)):
                    card = page.locator("article").filter(has_text=text[:60])
                    card.locator(f'button[data-place="{place}"]').click()
                    card.locator("fieldset").first.locator("input").nth(7 - 2 * place).check()
                page.wait_for_function("document.getElementById('status').textContent === 'saved'")
                page.screenshot(path=FIGURES / f"{name}.png")
                page.close()
            browser.close()
        server.should_exit = True


if __name__ == "__main__":
    main()
