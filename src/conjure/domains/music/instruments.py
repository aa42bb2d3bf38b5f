"""Instruments by their General MIDI names (General MIDI System Level 1, 1991)."""

from __future__ import annotations

from conjure.core.config import nearest
from conjure.core.errors import ConfigError

NAMES = tuple(
    name.strip()
    for name in """
    acoustic piano, bright piano, electric grand, honky-tonk piano, electric piano, electric piano 2, harpsichord,
    clavinet, celesta, glockenspiel, music box, vibraphone, marimba, xylophone, tubular bells, dulcimer, drawbar organ,
    percussive organ, rock organ, church organ, reed organ, accordion, harmonica, bandoneon, nylon guitar, steel guitar,
    jazz guitar, clean guitar, muted guitar, overdriven guitar, distortion guitar, guitar harmonics, acoustic bass,
    fingered bass, picked bass, fretless bass, slap bass, slap bass 2, synth bass, synth bass 2, violin, viola, cello,
    contrabass, tremolo strings, pizzicato strings, harp, timpani, strings, slow strings, synth strings,
    synth strings 2, choir, voice, synth voice, orchestra hit, trumpet, trombone, tuba, muted trumpet, horn, brass,
    synth brass, synth brass 2, soprano sax, alto sax, tenor sax, baritone sax, oboe, english horn, bassoon, clarinet,
    piccolo, flute, recorder, pan flute, bottle, shakuhachi, whistle, ocarina, square lead, sawtooth lead, calliope,
    chiff, charang, voice lead, fifths lead, bass and lead, new age pad, warm pad, polysynth, choir pad, bowed pad,
    metallic pad, halo pad, sweep pad, rain, soundtrack, crystal, atmosphere, brightness, goblins, echoes, sci-fi,
    sitar, banjo, shamisen, koto, kalimba, bagpipe, fiddle, shanai, tinkle bell, agogo, steel drums, woodblock,
    taiko, melodic tom, synth drum, reverse cymbal, fret noise, breath noise, seashore, bird, telephone, helicopter,
    applause, gunshot
    """.replace("\n", " ").split(",")
)
DRUMS = -1  # the program of a kit
SHORT = {
    "piano": 0, "organ": 19, "guitar": 24, "bass": 32, "string": 48, "sax": 66, "saxophone": 66, "drums": DRUMS,
    "drum": DRUMS, "kit": DRUMS, "voices": 52, "singers": 52, "double bass": 43, "french horn": 60, "grand piano": 0,
}  # fmt: skip


def programs(text: str) -> tuple[int, ...]:
    """Programs, 0-127, of names or numbers with commas between them; DRUMS for drums. ConfigError for an unknown."""
    return tuple(_program(word.strip().lower()) for word in str(text).split(","))


def name_of(program: int) -> str:
    """Its name; drums for DRUMS."""
    return "drums" if program == DRUMS else NAMES[program]


def _program(word: str) -> int:
    if word.isdecimal() and int(word) < len(NAMES):
        return int(word)
    if word in SHORT:
        return SHORT[word]
    if word not in NAMES:
        known = nearest(word, [*NAMES, *SHORT])
        raise ConfigError(f"no instrument is called {word!r}: {known}, or a General MIDI program from 0 to 127")
    return NAMES.index(word)
