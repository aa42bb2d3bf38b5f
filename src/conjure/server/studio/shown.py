"""What a sample can be given, and what a person takes home of it."""

from __future__ import annotations

import tempfile
from itertools import islice
from pathlib import Path
from typing import Any

import gradio as gr

from conjure import catalog, showing
from conjure.artifact import Artifact
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
    """Buttons below what was made: the file by itself, and all files with the words that make them again."""

    def __init__(self) -> None:
        with gr.Row():
            self.file = gr.DownloadButton("Download", interactive=False)
            self.whole = gr.DownloadButton("Download with its command line (.zip)", interactive=False)

    @property
    def parts(self) -> list[Any]:
        return [self.file, self.whole]

    @staticmethod
    def filled(artifact: Artifact, objects: Any, stem: str, line: str) -> tuple[str, Any, Any]:
        """(the command line with its `-o FILE`, the two buttons ready)."""
        domain = artifact.recipe.domain
        files = Path(tempfile.mkdtemp(prefix="conjure-")) / stem
        files.mkdir()
        made = packing.written(domain, objects, files, stem)
        line = f"{line} -o {stem}{packing.suffix_of(domain, objects)}"
        whole = packing.archived(files, line, artifact)
        alone = made if made.is_file() else whole
        return line, *(gr.DownloadButton(value=str(at), interactive=True) for at in (alone, whole))


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
