"""Scores that come with music21: Bach's chorales and folk tunes in the public domain."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

from conjure.core.errors import ConfigError
from conjure.domains.music import files
from conjure.domains.music.piece import Piece, Pieces

LICENCE = "public domain music; music21's encodings (BSD-3-Clause or as its corpus/license.txt says)"
SETS = {
    "chorales": "Bach's four-part chorales out of music21, without those in the JSB chorales' test split",
    "folk": "Irish and English dance tunes (ABC) out of music21: Ryan's Mammoth Collection, public domain",
}
FOLK = "ryansMammoth"


def load(name: str, most: int | None = None) -> Pieces:
    """The pieces of an embedded set, at most so many. ConfigError where music21 is not installed."""
    try:
        from music21 import corpus
    except ImportError:
        raise ConfigError(f"the embedded set {name!r} comes with music21: pip install 'conjure[music]'") from None
    root = Path(corpus.__file__).parent
    found = _chorales(root / "bach") if name == "chorales" else _folk(root / FOLK)
    return Pieces(tuple(islice(found, most)))


def _chorales(folder: Path) -> Iterator[Piece]:
    left_out = set(TEST)
    for path in sorted(folder.glob("*.mxl")):
        if path.stem in left_out:
            continue
        for one in files.load(path):
            if len(one.parts) == 4:
                yield one


def _folk(folder: Path) -> Iterator[Piece]:
    for path in sorted(folder.glob("*.abc")):
        for one in files.load(path):  # quoted letters are remarks there, such as D. for D.C., not chords
            yield replace(one, symbols=(), remarks=())


# Found by shared passages of four quarter notes, in any key, with the 77 pieces of that split.
TEST = (
    "bwv102.7", "bwv110.7", "bwv112.5", "bwv114.7", "bwv120.8-a", "bwv126.6", "bwv13.6", "bwv145-a",
    "bwv148.6", "bwv153.9", "bwv159.5", "bwv16.6", "bwv171.6", "bwv174.5", "bwv184.5", "bwv197.10", "bwv197.5",
    "bwv244.3", "bwv245.14", "bwv245.15", "bwv245.37", "bwv245.5", "bwv248.17", "bwv248.46-5", "bwv248.53-5",
    "bwv256", "bwv270", "bwv276", "bwv289", "bwv290", "bwv291", "bwv292", "bwv294", "bwv298", "bwv306",
    "bwv311", "bwv316", "bwv317", "bwv32.6", "bwv326", "bwv327", "bwv331", "bwv338", "bwv339", "bwv340",
    "bwv350", "bwv36.8-2", "bwv361", "bwv366", "bwv37.6", "bwv371", "bwv393", "bwv40.8", "bwv404", "bwv405",
    "bwv41.6", "bwv410", "bwv416", "bwv419", "bwv429", "bwv43.11", "bwv430", "bwv431", "bwv45.7", "bwv57.8",
    "bwv60.5", "bwv64.4", "bwv65.7", "bwv67.7", "bwv69.6-a", "bwv7.7", "bwv78.7", "bwv85.6", "bwv87.7",
    "bwv9.7", "bwv90.5", "bwv93.7", "bwv99.6",
)  # fmt: skip
