"""What only text can do, as commands: `conjure text align ...`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from conjure.core.errors import ConfigError

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="The folder that fit wrote.")]
text = typer.Typer(name="conjure text", help="What only text can do.", add_completion=False, rich_markup_mode=None)


@text.callback()
def _text() -> None:
    """A command's name stays a word of its own, even while there is but one."""


@text.command()
def align(
    folder: Folder,
    prompts: Annotated[Path, typer.Argument(metavar="PROMPTS", help="Texts to go on with, one a line.")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="Folder for the improved artifact.")],
    reward: Annotated[str, typer.Option(help="module:function or file.py:function of prompts and completions.")],
    method: Annotated[str, typer.Option(help="ppo or grpo.")] = "ppo",
    settings: Annotated[list[str] | None, typer.Option("--set", metavar="A.B=C", help="Any setting.")] = None,
    seed: Annotated[int, typer.Option(help="Root of all randomness.")] = 0,
) -> None:
    """Improve a writer by the rewards of what it writes."""
    from conjure import aligning, artifact, prompting
    from conjure.screen import Watch

    if artifact.occupied(out):
        raise ConfigError(f"{out} already holds an artifact: choose another folder")
    opened, asked, judge = artifact.load(folder), prompting.read_prompts(prompts), aligning.reward_from(reward)
    with Watch() as watch:
        options = {"settings": settings or [], "seed": seed, "watch": watch.show}
        made = aligning.align(opened, asked, judge, out, method=method, options=options)
    typer.echo(f"held-out reward {-made.card['metrics']['held_out_loss']:.4f}")
    typer.echo(f"artifact: {out}")
