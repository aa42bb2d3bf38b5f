"""What is named on the command line, opened: artifacts by the names clients will know them by."""

from __future__ import annotations

from pathlib import Path

from conjure.artifact import Artifact
from conjure.core.errors import ConfigError
from conjure.pretrained.opening import load


def named(words: list[str]) -> dict[str, Artifact]:
    """Artifacts of `DIR` or `NAME=DIR` words; DIR is whatever `pretrained.opening.load` opens.

    Without a name it is the folder's (the file's, without its ending). ConfigError for a name given twice.
    """
    places: dict[str, str] = {}
    for word in words:
        name, sign, place = word.partition("=")
        if not sign or Path(word).exists():
            name, place = _called(word), word
        if not name.strip() or not name.isprintable():
            raise ConfigError(f"{word!r} gives no name to serve it by: write NAME={place}")
        if name in places:
            raise ConfigError(f"{places[name]} and {place} are both called {name!r}: write OTHER={place}")
        places[name] = place
    return {name: load(place) for name, place in places.items()}


def _called(place: str) -> str:
    path = Path(place).resolve() if Path(place).exists() else Path(place)
    return path.stem if path.suffix == ".gguf" else path.name
