"""Opening pretrained weights by a folder, a file or a name."""

from __future__ import annotations

from pathlib import Path

from conjure.artifact import Artifact, occupied
from conjure.artifact import load as load_artifact
from conjure.pretrained import embedded, gguf, huggingface


def load(place: str | Path) -> Artifact:
    """An artifact of ours, a Hugging Face folder (config.json), a .gguf file, or the name of embedded weights.

    ArtifactError says what is missing, damaged, or of an architecture not known.
    """
    path = Path(place)
    if not path.exists() and str(place) in embedded.NAMES:
        return gguf.load(embedded.find(str(place)))
    if path.suffix == ".gguf":
        return gguf.load(path)
    if not occupied(path) and (path / "config.json").is_file():
        return huggingface.load(path)
    return load_artifact(path)
