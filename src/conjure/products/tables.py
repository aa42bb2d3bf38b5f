"""What only tables can do, as commands: `conjure tables attack ...`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from conjure.products.remaking import advise, rebalance, what_if

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="The folder that fit wrote.")]
tables = typer.Typer(
    name="conjure tables", help="What only tables can do.", add_completion=False, rich_markup_mode=None
)


@tables.callback()
def _tables() -> None:
    """A command's name stays a word of its own, even while there is but one."""


@tables.command()
def attack(
    folder: Folder,
    train: Annotated[str | None, typer.Option(help="The training data, if it was moved since.")] = None,
    control: Annotated[str | None, typer.Option(help="Rows of the same source that the model never saw.")] = None,
    secret: Annotated[str | None, typer.Option(help="The column to infer; without it each in turn.")] = None,
    rows: Annotated[str | None, typer.Option(help="Made rows to attack, instead of fresh samples.")] = None,
    references: Annotated[int, typer.Option(help="Models of other people behind the likelihood ratio.")] = 1,
    seed: Annotated[int, typer.Option(help="Seed of samples and targets.")] = 0,
    out: Annotated[
        Path, typer.Option("-o", "--out", metavar="FILE", help="The HTML report; JSON goes beside it.")
    ] = Path("attacks.html"),
) -> None:
    """Try to find training rows in samples: copies, membership, singling out, linking, inferring."""
    from conjure import artifact, attacking, catalog
    from conjure.screen import check_report

    check_report(out)  # before the minutes of work
    opened = artifact.load(folder)
    made = None if rows is None else catalog.part("table", "corpus").read(rows)[0]
    attempts = attacking.Attempts(references=references, secret=secret)
    report = attacking.attack(opened, train=train, control=control, made=made, attempts=attempts, seed=seed)
    typer.echo("\n".join(report.summary))
    for path in report.write(out):
        typer.echo(f"wrote {path}")


@tables.command()
def audit(
    data: Annotated[str, typer.Argument(help="The table that a private run learns from.")],
    epsilon: Annotated[float, typer.Option(help="The claim.")],
    delta: Annotated[float, typer.Option(help="Its delta.")] = 1e-5,
    model: Annotated[str | None, typer.Option(help="The family: marginals unless said otherwise.")] = None,
    canaries: Annotated[int, typer.Option(help="Rows to plant and to guess again.")] = 500,
    settings: Annotated[list[str] | None, typer.Option("--set", metavar="A.B=C", help="Any setting.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of canaries; noise is never seeded.")] = 0,
) -> None:
    """Try a privacy claim: plant rows, guess which a private fit saw, bound epsilon from below."""
    from conjure import auditing
    from conjure.verbs import recipe_for

    words = [f"privacy.epsilon={epsilon!r}", f"privacy.delta={delta!r}", *(settings or [])]
    recipe = recipe_for("tables", model=model, settings=words)
    typer.echo(auditing.audit(recipe, data, canaries=canaries, seed=seed).describe())


tables.command()(rebalance)
tables.command("what-if")(what_if)
tables.command()(advise)
