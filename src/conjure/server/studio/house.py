"""What the pages work with: the server's own shelf, uploads and jobs, called in the same process."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from conjure.artifact import Artifact
from conjure.core.errors import ConjureError
from conjure.server.errors import Refusal
from conjure.server.jobs import Jobs
from conjure.server.shelf import Shelf
from conjure.server.uploads import Uploads


@dataclass(frozen=True)
class House:
    """A running server's parts; `talkers` answer for artifacts that can talk, by name.

    preview: seconds from one look at a fit's samples to the next. rating: where people rate, "" where nobody does.
    """

    shelf: Shelf
    uploads: Uploads
    jobs: Jobs | None
    talkers: dict[str, Any]
    preview: float = 0.0
    rating: str = ""

    def opens(self, name: str, able: Callable[[Artifact], bool]) -> bool:
        """Whether an artifact can be opened (one that cannot says why in the gallery) and is able."""
        try:
            return able(self.shelf.get(name))
        except Refusal:
            return False

    def brought(self, files: Any, embedded: str | None, domain: str) -> str:
        """The path or name of what a person brought: files of the browser, or a set that comes with conjure."""
        paths = [files] if isinstance(files, str) else list(files or [])
        if not paths:
            if not embedded:
                raise gr.Error("bring a file, or choose an example")
            return embedded
        return self.uploads.data(self.uploads.adopt([Path(p) for p in paths]), domain)


FOLDERS = re.compile(r"(?<![\w.:/])/(?:[^\s/]+/)+")


def told(work: Any) -> Any:
    """A page's handler whose mistakes come back as one sentence, in which files go by their names."""

    def wrapped(*words: Any) -> Any:
        try:
            return work(*words)
        except (Refusal, ConjureError) as error:
            raise gr.Error(FOLDERS.sub("", str(error))) from None

    return wrapped
