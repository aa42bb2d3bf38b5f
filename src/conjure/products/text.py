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
    remember: Annotated[Path | None, typer.Option(metavar="FILE", help="Texts for objective.mix.")] = None,
    seed: Annotated[int, typer.Option(help="Root of all randomness.")] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the folder's checkpoint.")] = False,
) -> None:
    """Improve a writer by the rewards of what it writes."""
    from conjure import aligning, artifact, prompting
    from conjure.pretrained import opening
    from conjure.screen import Watch

    if artifact.occupied(out) and not resume:
        raise ConfigError(f"{out} already holds an artifact: choose another folder")
    opened, asked, judge = opening.load(folder), prompting.read_prompts(prompts), aligning.reward_from(reward)
    with Watch() as watch:
        how = aligning.How(settings or [], seed, watch.show, _texts(remember), resume)
        made = aligning.align(opened, asked, judge, out, method=method, how=how)
    typer.echo(f"held-out reward, less the price of distance: {-made.card['metrics']['held_out_loss']:.4f}")
    typer.echo(f"artifact: {out}")


def _texts(path: Path | None) -> list[str]:
    from conjure import catalog

    return [] if path is None else catalog.part("text", "corpus").read(path)[0]
