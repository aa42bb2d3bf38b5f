"""Objects as files to take home: by themselves, or in an archive with the words that make them again."""

from __future__ import annotations

import shlex
import zipfile
from pathlib import Path
from typing import Any

import conjure
from conjure import artifact as artifacts
from conjure import catalog
from conjure.artifact import Artifact

SUFFIX = {"table": ".csv", "text": ".txt", "image": ".png", "video": ".gif", "series": ".csv", "pairs": ".tsv"}
SUFFIX |= {
    "unpaired": ".png",
    "music": ".mid",
    "audio": ".wav",
    "chat": ".jsonl",
    "answers": ".jsonl",
    "linked": ".zip",
}
FORMATS = {"music": {"MusicXML": ".mxl", "sound": ".wav", "score": ".svg"}}  # that people ask for beside the usual one
WORDS = "command.txt"


def command(*words: str, given: dict[str, Any], **options: Any) -> str:
    """A command line of ours: a verb and what it works on, conditions, options (of one letter with one dash)."""
    said = [f"--given {shlex.quote(f'{key}={value}')}" for key, value in given.items()]
    chosen = [f"{'-' if len(k) == 1 else '--'}{k} {shlex.quote(str(v))}" for k, v in options.items()]
    return " ".join(["conjure", *map(shlex.quote, words), *said, *chosen])


def suffix_of(domain: str, objects: Any) -> str:
    """The ending of a file of objects; several tables are a .zip, one of events a table as any other."""
    return ".csv" if domain == "linked" and not isinstance(objects, dict) else SUFFIX[domain]


def written(domain: str, objects: Any, folder: Path, stem: str, suffix: str = "") -> Path:
    """The file that the objects were written to, a folder where they are several."""
    return catalog.part(domain, "corpus").write(objects, folder / f"{stem}{suffix or suffix_of(domain, objects)}")


def archived(files: Path, line: str, artifact: Artifact) -> Path:
    """All of a folder in a zip file beside it, with the command line that makes it again and of what artifact."""
    place = files.with_name(f"{files.name}.zip")
    told = f"{line}\n\n# artifact {artifacts.fingerprint(artifact)}, conjure {conjure.__version__}\n"
    with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(WORDS, told)
        for path in sorted(p for p in files.rglob("*") if p.is_file()):
            archive.write(path, path.relative_to(files))
    return place
