"""`conjure export`: an artifact in the form of other tools."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from conjure.core.errors import ConfigError


def export(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="What fit wrote; Hugging Face folder, .gguf, smollm2.")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="A new folder.")],
    form: Annotated[str, typer.Option("--as", help="huggingface: what transformers, vLLM and others open.")] = (
        "huggingface"
    ),
    weights: Annotated[str, typer.Option(help="fp32, fp16 or bf16.")] = "fp32",
) -> None:
    """Write a language model in the form that other tools open."""
    from conjure.pretrained import opening, saving

    if form != "huggingface":
        raise ConfigError(f"--as can be huggingface, not {form!r}")
    typer.echo(f"wrote {saving.save(opening.load(folder), out, weights=weights)}")
