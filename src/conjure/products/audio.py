"""What only audio can do, as commands: `conjure audio continue ...`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from conjure.core.config import pairs
from conjure.core.errors import ConfigError

audio = typer.Typer(name="conjure audio", help="What only audio can do.", add_completion=False, rich_markup_mode=None)


@audio.callback()
def _named() -> None:
    """What only audio can do."""


@audio.command("continue")
def go_on(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder that fit wrote.")],
    sound: Annotated[Path, typer.Argument(metavar="FILE", help="A sound: WAV, FLAC, OGG, MP3.")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FILE", help="Where to write: .wav, or a folder.")],
    keep: Annotated[float, typer.Option(help="Seconds of its beginning to keep.")] = 0.1,
    n: Annotated[int, typer.Option("-n", help="How many.")] = 1,
    given: Annotated[list[str] | None, typer.Option("--given", metavar="KEY=VALUE", help="A condition.")] = None,
    seed: Annotated[int, typer.Option(help="Same seed, same sounds.")] = 0,
) -> None:
    """Go on where the beginning of a sound ends."""
    from conjure import artifact, sampling
    from conjure.domains.audio import corpus

    opened = artifact.load(folder)
    if opened.recipe.domain != "audio":
        raise ConfigError(f"{folder} is of {opened.recipe.domain} data, not audio")
    made = sampling.go_on(opened, corpus.read(sound)[0], keep, n=n, given=pairs(given), seed=seed)
    typer.echo(f"wrote {corpus.write(made, out)}")
