"""The smallest whole run of each family, as words of the command line and as recipes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

# name -> (app, data, recipe, settings)
RUNS: dict[str, tuple[str, str, str, tuple[str, ...]]] = {
    "circuit": ("tables", "wine", "circuit", ("model.states=8",)),
    "columns": ("tables", "wine", "columns", ("model.width=32", "model.layers=1", "model.dropout=0.0")),
    "table vae": ("tables", "wine", "vae", ("model.width=32", "model.latent=4")),
    "table flow": ("tables", "wine", "flow", ("model.width=32", "model.evaluations=4")),
    "image gan": (
        "images",
        "digits",
        "gan",
        (
            "model.width=16",
            "model.latent=8",
            "objective.name=wasserstein",
            "objective.penalty=1.0",
            "objective.width=128",
            "objective.channels=32",
            "objective.penalty_every=1",
            "training.rate=0.001",
            "training.precision=fp32",
        ),
    ),
    "image minmax": (
        "images",
        "digits",
        "gan",
        (
            "model.width=16",
            "model.latent=8",
            "objective.spectral=true",
            "training.precision=fp32",
            'objective.augment=["translation", "cutout", "colour"]',
            "objective.penalty_every=4",
        ),
    ),
    "image flow": ("images", "digits", "flow", ("model.width=16", "model.evaluations=4")),
    # a larger rate makes rounding visible; more codes make ties, which rounding settles
    "audio codec": (
        "audio",
        "drums",
        "codec",
        (
            "model.width=16",
            "model.layers=1",
            "model.codes=32",
            "objective.channels=4",
            "objective.after=0.0",
            "training.rate=0.0002",
        ),
    ),
    # dropout differs from process to process, and rounding to bfloat16 hides what is compared
    "decoder": (
        "text",
        "python-docs",
        "decoder",
        (
            "model.width=32",
            "model.layers=1",
            "model.heads=2",
            "model.ngram_dropout=0.0",
            "training.precision=fp32",
        ),
    ),
}
COMMON = ("training.threads=1", "training.batch=32", "training.validate_every=20", "training.compile=false")


def settings(name: str, *more: str) -> list[str]:
    return [*RUNS[name][3], *COMMON, *more]


def command(name: str, out: Path, *more: str, resume: bool = False) -> list[str]:
    """`python -m conjure fit ...` for a run; `more` are further settings."""
    app, data, recipe, _ = RUNS[name]
    words = [sys.executable, "-m", "conjure", "fit", app, data, "-o", str(out), "--recipe", recipe]
    for word in settings(name, *more):
        words += ["--set", word]
    return words + (["--resume"] if resume else [])


def call(words: list[str], **options) -> subprocess.CompletedProcess:
    return subprocess.run(words, capture_output=True, text=True, env=environment(), **options)


def environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "120"}
