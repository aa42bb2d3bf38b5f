"""Opening weights by a folder, a file or a name."""

from __future__ import annotations

from pathlib import Path

from conjure.artifact import Artifact, occupied
from conjure.artifact import load as load_artifact
from conjure.core.config import nearest
from conjure.core.errors import ArtifactError
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
    if path.is_dir() and not occupied(path):
        if (path / "config.json").is_file():
            return huggingface.load(path)
        if files := sorted(path.glob("*.gguf")):
            raise ArtifactError(f"{path} holds GGUF files: name the one to open, {files[0]}")
    if path.is_file():
        raise ArtifactError(
            f"{path} holds no artifact: it is a file; what is opened is a folder that fit wrote, or a .gguf file"
        )
    if (
        not path.exists()
        and "/" not in str(place)
        and (close := nearest(str(place), list(embedded.NAMES))).startswith("did")
    ):
        raise ArtifactError(f"there is no folder {place}, and no weights of that name: {close}")
    return load_artifact(path)
