"""What a musician asks of a score: harmonise it, go on, write voices anew, vary it, lead from it to another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from conjure import composing
from conjure.artifact import Artifact
from conjure.domains.music.piece import Pieces
from conjure.domains.music.voices import Voices
from conjure.server.scores import composed, line
from conjure.server.studio.bringing import Brought
from conjure.server.studio.drawing import conditions, filled, refreshed
from conjure.server.studio.house import House, told
from conjure.server.studio.shown import Taken, players, seen, words

VERBS = {
    "Harmonize a melody": "harmonize",
    "Continue": "continue",
    "Fill in voices": "fill",
    "Vary": "vary",
    "Lead over to another score": "interpolate",
}
WANTS = {
    "harmonize": ("as",),
    "continue": ("bars",),
    "fill": ("voice",),
    "vary": ("share",),
    "interpolate": ("bars", "other"),
}
OWN = ("bars", "meter", "length")  # of the score that is brought


def able(artifact: Artifact) -> bool:
    """Whether an artifact can do something with a score."""
    return artifact.recipe.domain == "music" and bool(composing.verbs(artifact))


def page(house: House, pages: gr.Blocks, tab: gr.Tab) -> None:
    """Choose a composer and bring a score; hear, read and take home what became of it."""
    brought = Brought(house, "A score: MIDI, MusicXML, ABC, humdrum", able, examples=False)
    verb = gr.Radio(list(VERBS.items()), value="harmonize", label="What to do with it")
    wants = _wanted()
    given = conditions()
    seed = gr.Number(0, label="Seed", precision=0, minimum=0)
    go = gr.Button("Compose", variant="primary")
    said = gr.Markdown()
    view, sounds = gr.HTML(label="Composed"), players()
    taken = Taken()

    @told
    def asked(chosen: str | None, table: Any) -> list[Any]:
        artifact = house.shelf.get(chosen) if chosen else None
        if artifact is None or not able(artifact):
            return [gr.Dataframe(visible=False), gr.CheckboxGroup(choices=[]), gr.Radio()]
        known = refreshed([(word, can) for word, can in words(artifact) if word not in OWN], table)
        form = artifact.codec.form
        names = [composing.name_of(form, v) for v in range(form.voices)] if isinstance(form, Voices) else []
        verbs = [(label, name) for label, name in VERBS.items() if name in composing.verbs(artifact)]
        offered = gr.Radio(choices=verbs, value=verbs[0][1])
        return [known, gr.CheckboxGroup(choices=names), offered]

    def shown(chosen: str) -> list[Any]:
        return [type(part)(visible=word in WANTS.get(chosen, ())) for word, part in wants.items()]

    @told
    def compose(
        chosen: str | None, files: Any, what: str, table: Any, number: float | None, *settings: Any
    ) -> list[Any]:
        artifact, used = brought.opened(chosen), int(number or 0)
        own = {word: value for word, value in zip(wants, settings) if word in WANTS.get(what, ())}
        if "voice" in own and not own["voice"]:
            raise gr.Error("choose the voices that are to be written")
        if "bars" in own:
            own["bars"] = int(own["bars"] or 0)
        scores = [_score(house, files, "bring a score")]
        if "other" in own:
            scores.append(_score(house, own.pop("other"), "bring the score to arrive at"))
        rules = filled(table)
        made = Pieces((composed(artifact, what, scores, own, rules, used),))
        command = line(what, str(chosen), scores, own, rules, used)
        command, *buttons = taken.filled(artifact, made, f"{chosen}-{what}", command)
        return [f"`{command}`", *seen(artifact, made), *buttons]

    brought.name.change(asked, [brought.name, given], [given, wants["voice"], verb])
    verb.change(shown, verb, list(wants.values()))
    go.click(compose, [*brought.parts[:2], verb, given, seed, *wants.values()], [said, view, *sounds, *taken.parts])
    brought.follow(pages, tab)


def _wanted() -> dict[str, Any]:
    """What only some verbs ask for, out of sight until one of them is chosen."""
    return {
        "as": gr.Radio([("voices", "voices"), ("chord symbols", "chords")], value="voices", label="Write to it"),
        "bars": gr.Number(4, label="How many bars", precision=0, minimum=1, visible=False),
        "voice": gr.CheckboxGroup([], label="Voices to write", visible=False),
        "share": gr.Slider(
            0.05, 1, 0.5, step=0.05, label="Share of the beats (bars, of events) to write anew", visible=False
        ),
        "other": gr.File(label="The score to arrive at", visible=False),
    }


def _score(house: House, files: Any, wish: str) -> Path:
    if not files:
        raise gr.Error(wish)
    return Path(house.brought(files, None, "music"))
