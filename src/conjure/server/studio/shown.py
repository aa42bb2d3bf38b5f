"""What a sample can be given, and what a person takes home of it."""

from __future__ import annotations

import tempfile
from itertools import islice
from pathlib import Path
from typing import Any

import gradio as gr

from conjure import catalog, showing
from conjure.artifact import Artifact
from conjure.core.errors import ConfigError
from conjure.domains.shown import MOST
from conjure.server import packing

PLAYERS = 3  # of what can be heard, so many are


def words(artifact: Artifact) -> list[tuple[str, str]]:
    """What `given` knows of this artifact, and what each word can be; those that name files are left to Complete."""
    codec, domain = artifact.codec, artifact.recipe.domain
    if artifact.first is not None:  # codes know classes at most
        codec, domain = getattr(codec, "front", codec), ""
    if domain == "table":
        return [(c.name, f"{c.kind}, such as {c.example}") for c in codec.schema.columns if c.learnt]
    if domain in ("text", "chat"):
        return [("prompt", "how it begins"), ("length", "how many tokens, a whole number")]
    if domain == "pairs":
        return [("source", "what is to be translated")]
    if hasattr(codec, "asking"):
        return list(codec.asking.items())
    columns = getattr(getattr(codec, "given_space", None), "columns", ())
    return [(c.name, ", ".join(getattr(codec, "counts", {}))) for c in columns]


class Taken:
    """Buttons below what was made: the file by itself, all files with the words that make them again, other formats."""

    def __init__(self) -> None:
        with gr.Row():
            self.file = gr.DownloadButton("Download", interactive=False)
            self.whole = gr.DownloadButton("Download with its command line (.zip)", interactive=False)
            self.others = [gr.DownloadButton(visible=False) for _ in range(max(map(len, packing.FORMATS.values())))]

    @property
    def parts(self) -> list[Any]:
        return [self.file, self.whole, *self.others]

    def filled(self, artifact: Artifact, objects: Any, stem: str, line: str) -> tuple[str, *tuple[Any, ...]]:
        """(the command line with its `-o FILE`, the buttons ready)."""
        domain = artifact.recipe.domain
        made, whole, line_ = _kept(artifact, objects, stem, line, packing.suffix_of(domain, objects))
        buttons = [gr.DownloadButton(value=str(at), interactive=True) for at in (made, whole)]
        few = packing.FORMATS.get(domain, {}) if len(objects) <= MOST else {}
        for name, suffix in few.items():
            try:
                at = _kept(artifact, objects, stem, line, suffix)[0]
            except ConfigError:  # of a format whose package is not installed
                continue
            buttons.append(gr.DownloadButton(f"Download {name}", value=str(at), visible=True))
        missing = len(self.parts) - len(buttons)
        return line_, *buttons, *[gr.DownloadButton(visible=False)] * missing


def _kept(artifact: Artifact, objects: Any, stem: str, line: str, suffix: str) -> tuple[Path, Path, str]:
    """(the one file, or all in an archive; the archive; the command line with its `-o FILE`) of a format."""
    files = Path(tempfile.mkdtemp(prefix="conjure-")) / stem
    files.mkdir()
    made = packing.written(artifact.recipe.domain, objects, files, stem, suffix)
    line = f"{line} -o {stem}{suffix}"
    whole = packing.archived(files, line, artifact)
    return made if made.is_file() else whole, whole, line


def players() -> list[Any]:
    """Places for what can be heard."""
    return [gr.Audio(visible=False, label=f"Piece {k + 1}", type="filepath") for k in range(PLAYERS)]


def heard(domain: str, objects: Any) -> list[Any]:
    """The first objects as sound, where their domain's view makes some."""
    to_wav = getattr(catalog.part(domain, "view"), "to_wav", None)
    found = []
    for one in islice(objects, PLAYERS) if to_wav else ():
        place = Path(tempfile.mkdtemp(prefix="conjure-")) / "piece.wav"
        place.write_bytes(to_wav(one))
        found.append(gr.Audio(value=str(place), visible=True))
    return found + [gr.Audio(value=None, visible=False)] * (PLAYERS - len(found))


def seen(artifact: Artifact, objects: Any) -> list[Any]:
    """What a page shows of objects: their view, and the players."""
    return [showing.objects(artifact.recipe.domain, objects, artifact), *heard(artifact.recipe.domain, objects)]
