"""Pieces as sound: through a SoundFont where there is one, else by a small additive synthesiser of our own."""

from __future__ import annotations

import io
import os
import wave
from dataclasses import replace
from pathlib import Path

import numpy as np

from conjure.core.errors import ConfigError
from conjure.domains.music.harmony import realised
from conjure.domains.music.midi import to_symusic
from conjure.domains.music.piece import LENGTH, PART, PITCH, START, TICKS, VELOCITY, Piece

RATE = 44_100
FONTS = (
    "/usr/share/sounds/sf2/FluidR3_GM.sf2",
    "/usr/share/sounds/sf2/default-GM.sf2",
    "/usr/share/soundfonts/default.sf2",
)
LONGEST = 3600  # seconds of sound that are written: more would not fit in memory
RELEASE = 0.08  # seconds a note takes to die away
PARTIALS = {"struck": (1.0, 0.45, 0.25, 0.12, 0.07, 0.04), "blown": (1.0, 0.3, 0.4, 0.15, 0.2, 0.08)}
SUSTAINED = range(16, 24), range(40, 80)  # General MIDI: organs; strings, voices, brass, reeds, pipes


def to_wav(one: Piece, rate: int = RATE, most: float = 0.0) -> bytes:
    """A WAV file, mono, 16 bits. CONJURE_SOUNDFONT names a SoundFont; Debian's fluid-soundfont-gm is found by itself.

    Without one every note is a sum of six partials under an envelope: plain, but in tune and in time. most: seconds
    after which it is cut off, 0 for never.
    """
    one, font = realised(one), soundfont()
    one = beginning(one, most) if most else one
    if (length := float(seconds(one, np.array([one.end]))[0])) > LONGEST:
        raise ConfigError(f"the piece lasts {length / 60:.0f} minutes; sound is written up to {LONGEST // 60}: cut it")
    samples = _by_font(one, font, rate) if font else by_partials(one, rate)
    peak = max(1e-9, float(np.abs(samples).max(initial=0)))
    data = (samples / max(peak, 1.0) * 0.9 * 32767 if peak > 1 else samples * 0.9 * 32767).astype("<i2")
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(data.tobytes())
    return out.getvalue()


def soundfont() -> Path | None:
    """The SoundFont to play through, None where there is none."""
    named = os.environ.get("CONJURE_SOUNDFONT", "")
    return next((Path(f) for f in (named, *FONTS) if f and Path(f).is_file()), None)


def beginning(one: Piece, most: float) -> Piece:
    """What is heard of a piece in its first so many seconds."""
    starts = seconds(one, one.notes[:, START])
    if not len(starts) or seconds(one, np.array([one.end]))[0] <= most:
        return one
    ticks = np.arange(one.end + 1)
    stop = int(np.searchsorted(seconds(one, ticks), most, side="right")) - 1
    notes = one.notes[one.notes[:, START] < stop].copy()
    notes[:, LENGTH] = np.minimum(notes[:, LENGTH], stop - notes[:, START])
    return replace(one, notes=notes)


def seconds(one: Piece, ticks: np.ndarray) -> np.ndarray:
    """When ticks are heard, in seconds, under the piece's tempos."""
    starts = np.array([t for t, _ in one.tempos], float)
    pace = np.array([60.0 / (bpm * TICKS) for _, bpm in one.tempos])
    passed = np.concatenate([[0.0], np.cumsum(np.diff(starts) * pace[:-1])])
    at = np.clip(np.searchsorted(starts, ticks, side="right") - 1, 0, None)
    return passed[at] + (ticks - starts[at]) * pace[at]


def _by_font(one: Piece, font: Path, rate: int) -> np.ndarray:
    import symusic

    synthesizer = symusic.Synthesizer(sf_path=str(font), sample_rate=rate)
    return np.asarray(synthesizer.render(to_symusic(one), stereo=False))[0]


def by_partials(one: Piece, rate: int) -> np.ndarray:
    """The sum of all notes, (samples,); one tone is made for each pitch and kind and cut to each note's length."""
    if not len(one.notes):
        return np.zeros(rate // 10, np.float32)
    begins = np.rint(seconds(one, one.notes[:, START]) * rate).astype(int)
    ends = np.rint(seconds(one, one.notes[:, START] + one.notes[:, LENGTH]) * rate).astype(int)
    tail = int(RELEASE * rate)
    out = np.zeros(int(ends.max()) + tail + 1, np.float32)
    loud = (one.notes[:, VELOCITY] / 127.0) ** 1.5 / 4
    tones: dict[tuple[int, str], np.ndarray] = {}
    longest = int((ends - begins).max()) + tail
    fade = np.linspace(1, 0, tail, dtype=np.float32) ** 2
    for note, begin, end, volume in zip(one.notes, begins, ends, loud):
        part = one.parts[note[PART]]
        kind = "drum" if part.drums else "blown" if any(part.program in r for r in SUSTAINED) else "struck"
        key = (int(note[PITCH]), kind)
        if key not in tones:
            tones[key] = _tone(*key, longest, rate)
        tone = tones[key][: end - begin + tail].copy()
        tone[-tail:] *= fade[: len(tone[-tail:])]
        out[begin : begin + len(tone)] += float(volume) * tone
    return out


def _tone(pitch: int, kind: str, samples: int, rate: int) -> np.ndarray:
    """One pitch held for so many samples: partials with an attack, and for struck strings a decay; drums are noise."""
    t = np.arange(samples, dtype=np.float32) / rate
    if kind == "drum":
        noise = np.random.default_rng(pitch).standard_normal(samples).astype(np.float32)
        return noise * np.exp(-t * (12 + pitch % 12 * 3)) * 0.6
    base = 440.0 * 2 ** ((pitch - 69) / 12)
    out = np.zeros(samples, np.float32)
    for number, weight in enumerate(PARTIALS[kind], 1):
        if number * base < rate / 2:
            fall = np.exp(-t * (0.6 + 0.5 * number)) if kind == "struck" else 1.0
            out += weight * fall * np.sin(2 * np.pi * np.float32(number * base) * t)
    attack = np.minimum(1, t / (0.005 if kind == "struck" else 0.04))
    return out * attack / sum(PARTIALS[kind])
