"""The object of this domain."""

from __future__ import annotations

from typing import NamedTuple


class Answer(NamedTuple):
    """A prompt and one completion of it."""

    prompt: str
    completion: str
