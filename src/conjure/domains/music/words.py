"""The words a person asks for music with: bars, key, meter, tempo, label, density, form; turned into plans."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np

from conjure.core.config import nearest
from conjure.core.errors import ConfigError
from conjure.domains.classes import GOLDEN
from conjure.domains.music import instruments
from conjure.domains.music.piece import NAMES
from conjure.domains.music.rules import RULES
from conjure.domains.music.sections import LETTERS, Form, parse_form
from conjure.domains.music.voices import DENSITIES, Plan, Voices

ASKING = {
    "bars": "a whole number",
    "key": "D, F#m, Bb major",
    "meter": "4/4, 3/4",
    "tempo": "quarter notes a minute",
    "label": "a composer or folder of the training pieces",
    "density": ", ".join(DENSITIES),
    "form": LETTERS,
    "instrument": "flute, or one for each voice: flute,oboe,horn,bassoon",
}
PLANNED = tuple(ASKING)
FLATS = {"DB": 1, "GB": 6, "CB": 11, "FB": 4, "D#": 3, "G#": 8, "A#": 10, "E#": 5, "B#": 0}


def plans(form: Voices, given: dict[str, Any], n: int) -> list[Plan]:
    """A plan for each of n samples; what is not asked for is as in training pieces, spread evenly over them.

    given: bars (a number), key (D, F#m, "Bb major"), meter (3/4), tempo (quarter notes a minute), label (a composer
    or folder), density (sparse, medium, dense), form (AABA), instrument (flute, or one a voice), and the words of
    `rules.py`. ConfigError names what is unknown, and which two contradict each other.
    """
    if unknown := [k for k in given if k not in (*PLANNED, *RULES)]:
        raise ConfigError(f"music takes no --given {unknown[0]!r}: {nearest(unknown[0], [*PLANNED, *RULES])}")
    shapes = _like(form, given)
    meter = parse_meter(given["meter"]) if "meter" in given else None
    key = parse_key(given["key"]) if "key" in given else None
    bars = _number(given["bars"], "bars", 1, 10_000) if "bars" in given else None
    tempo = _number(given["tempo"], "tempo", 10, 400) if "tempo" in given else None
    letters, programs = parse_form(given["form"]) if "form" in given else "", _programs(form, given)
    found = []
    for row in range(n):
        frames, meters, tonic, label, speed = shapes[int(((row + 0.5) * GOLDEN) % 1.0 * len(shapes))]
        if meter is not None:
            meters = ((0, *meter),)
        size = meters[0][1] * 4 * form.step // meters[0][2]
        if letters:
            bars = _sections(form, letters, size, frames, given.get("bars"))
        if bars is not None:
            meters, frames = _of_bars(form, meters, int(bars))
        plan = Plan(frames, meters, key or tuple(tonic), str(given.get("label", label)), float(tempo or speed))
        ranges = tuple(map(tuple, form.facts.ranges))
        plan = replace(plan, density=_density(given), step=form.step, ranges=ranges, programs=programs)
        if letters:
            plan = replace(plan, form=Form.of(letters, int(bars or 0) // len(letters), size, form.step))
        found.append(plan)
    return found


def parse_key(text: Any) -> tuple[int, int]:
    """(tonic, mode) of D, d minor, F#m, "Bb major"."""
    found = re.fullmatch(r"\s*([A-Ga-g])\s*([#b♯♭]?)\s*(m|min|minor|maj|major|)\s*", str(text))
    if not found:
        raise ConfigError(f"key is {str(text)!r}; keys are written like D, F#m or Bb major")
    name = found[1].upper() + found[2].replace("♯", "#").replace("♭", "b")
    upper = {n.upper(): at for at, n in enumerate(NAMES)} | FLATS
    return upper[name.upper()], int(found[3] in ("m", "min", "minor"))


def parse_meter(text: Any) -> tuple[int, int]:
    """(beats, note value) of 3/4 or 7/8."""
    found = re.fullmatch(r"\s*(\d{1,2})\s*/\s*(1|2|4|8|16)\s*", str(text))
    if not found or not int(found[1]):
        raise ConfigError(f"meter is {str(text)!r}; metres are written like 4/4, 3/4 or 7/8")
    return int(found[1]), int(found[2])


def _like(form: Voices, given: dict[str, Any]) -> list[list[Any]]:
    """Shapes of training pieces that meet what is asked for, all of them where none does."""
    shapes = form.facts.shapes
    if "label" in given:
        if not form.facts.labels:
            raise ConfigError("this model was fitted without labels (folders), so --given label= cannot be honoured")
        if str(given["label"]) not in form.facts.labels:
            raise ConfigError(
                f"no label is called {given['label']!r}: {nearest(str(given['label']), form.facts.labels)}"
            )
        shapes = [s for s in shapes if s[3] == given["label"]] or shapes
    if "meter" in given:
        meter = parse_meter(given["meter"])
        if meter[0] * 4 * form.step % meter[1]:
            raise ConfigError(f"a bar of {given['meter']} is no whole number of frames: fit with a larger codec.step")
        if meter[0] * 4 * form.step // meter[1] > form.bar:
            raise ConfigError(f"meter {given['meter']} has longer bars than any training piece")
        shapes = [s for s in shapes if tuple(s[1][0][1:]) == meter] or shapes
    if "key" in given:
        mode = parse_key(given["key"])[1]
        shapes = [s for s in shapes if s[2][1] == mode] or shapes
    return shapes


def _of_bars(form: Voices, meters: Any, bars: int) -> tuple[Any, int]:
    """Metres and frames of a number of whole bars, in the first metre and without an upbeat."""
    _, beats, value = meters[0]
    size = beats * 4 * form.step // value
    if bars * size > form.facts.frames:
        most = form.facts.frames // size
        raise ConfigError(f"bars is {bars}; the longest section this model learnt holds {most} bars of {beats}/{value}")
    return ((0, beats, value),), bars * size


def _sections(form: Voices, letters: str, size: int, frames: int, asked: Any) -> int:
    """How many bars a form takes in all: as many as asked for, else about as long as a training piece."""
    if asked is not None:
        if int(float(asked)) % len(letters):
            raise ConfigError(
                f"bars={asked} and form={letters} contradict each other: "
                f"{asked} bars are not {len(letters)} equal sections"
            )
        return int(float(asked))
    most = form.facts.frames // size // len(letters)
    if not most:
        raise ConfigError(
            f"form={letters} has {len(letters)} sections; the longest section this model learnt holds "
            f"{form.facts.frames // size} bars: ask for a shorter form"
        )
    return len(letters) * int(np.clip(round(frames / size / len(letters)), 1, most))


def _programs(form: Voices, given: dict[str, Any]) -> tuple[int, ...]:
    """The program of each voice that `instrument` asks for."""
    if "instrument" not in given:
        return ()
    found = instruments.programs(given["instrument"])
    if instruments.DRUMS in found:
        raise ConfigError("instrument=drums has no pitches, and this model writes voices: fit with --recipe events")
    if len(found) not in (1, form.voices):
        raise ConfigError(
            f"instrument names {len(found)} instruments; it should be one, or one for each of {form.voices}"
        )
    return found * form.voices if len(found) == 1 else found


def _density(given: dict[str, Any]) -> int | None:
    if "density" not in given:
        return None
    if given["density"] not in DENSITIES:
        raise ConfigError(f"density is {given['density']!r}: {nearest(str(given['density']), DENSITIES)}")
    return DENSITIES.index(given["density"])


def _number(text: Any, name: str, low: float, high: float) -> float:
    try:
        found = float(text)
    except (TypeError, ValueError):
        found = np.nan
    if not low <= found <= high:
        raise ConfigError(f"{name} is {str(text)!r}; it should be a number from {low:g} to {high:g}")
    return found
