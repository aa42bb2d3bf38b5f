"""The embedded set: a grammar of German sentences whose verb stands last, and their English, where it does not."""

from __future__ import annotations

import itertools
import random

from conjure.domains.pairs.pair import Pair

ROWS = 2_400
WHO = {
    "der alte Mann": "the old man", "ein kleiner Hund": "a small dog", "die Frau": "the woman",
    "das müde Kind": "the tired child", "unsere Katze": "our cat", "mein Bruder": "my brother",
    "die junge Lehrerin": "the young teacher", "ein Junge": "a boy",
}  # fmt: skip
WHAT = {
    "den roten Ball": "the red ball", "einen Apfel": "an apple", "das Buch": "the book",
    "die schwere Tür": "the heavy door", "einen Vogel": "a bird", "das Fenster": "the window",
    "keinen Brief": "no letter",
}  # fmt: skip
WHERE = {
    "im Garten": "in the garden", "hinter dem Haus": "behind the house", "am Fluss": "by the river",
    "auf der Straße": "in the street", "in der Küche": "in the kitchen",
}  # fmt: skip
WHEN = {"heute": "today", "gestern": "yesterday", "am Montag": "on Monday", "nie": "never"}
DONE = {
    "gesehen": "seen", "gefunden": "found", "vergessen": "forgotten", "gezeichnet": "drawn",
    "verloren": "lost",
}  # fmt: skip


def phrases() -> list[Pair]:
    """Always the same pairs: "Gestern hat der alte Mann den roten Ball am Fluss gefunden." and the like."""
    every = list(itertools.product(WHO, WHAT, WHERE, WHEN, DONE))
    chosen = random.Random(0).sample(every, ROWS)
    return [_pair(*words, first=at % 2 == 0) for at, words in enumerate(chosen)]


def _pair(who: str, what: str, where: str, when: str, done: str, first: bool) -> Pair:
    """`first`: the time begins the German sentence, so that verb and subject change places."""
    opening = f"{when} hat {who}" if first else f"{who} hat {when}"
    source = f"{opening} {what} {where} {done}."
    had = f"{WHO[who]} has never" if when == "nie" else f"{WHO[who]} had"
    closing = "" if when == "nie" else f" {WHEN[when]}"
    target = f"{had} {DONE[done]} {WHAT[what]} {WHERE[where]}{closing}."
    return Pair(source[0].upper() + source[1:], target[0].upper() + target[1:])
