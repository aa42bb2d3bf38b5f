"""What only images can do, as commands: `conjure images attack ...`, `conjure images bench ...`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from conjure.core.config import pairs
from conjure.core.errors import ConfigError

images = typer.Typer(
    name="conjure images", help="What only images can do.", add_completion=False, rich_markup_mode=None
)


@images.command()
def attack(
    data: Annotated[str, typer.Argument(metavar="FOLDER", help="Bona fide pictures: faces, documents.")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="Where pictures and manifest.csv go.")],
    species: Annotated[str, typer.Option(metavar="A,B", help="See `conjure images species`.")] = "",
    n: Annotated[int, typer.Option("-n", help="Attacks of each species on each picture.")] = 1,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="A.B=LOW..HIGH", help="A parameter's span.")
    ] = None,
    residual: Annotated[
        Path | None, typer.Option(metavar="DIR", help="From `fit restyle`, on simulated and captured attacks.")
    ] = None,
    residual_to: Annotated[str | None, typer.Option(metavar="STYLE", help="Which of its styles is captured.")] = None,
    seed: Annotated[int, typer.Option(help="Same seed, same attacks.")] = 0,
) -> None:
    """Simulate presentation attacks: what a camera sees of prints, screens, masks and cut-outs of pictures."""
    from conjure import artifact, catalog, presenting
    from conjure.domains.image.attacks.species import SPECIES, read_spans

    names = tuple(s.strip() for s in species.split(",") if s.strip()) or tuple(SPECIES)
    opened = None if residual is None else artifact.load(residual)
    simulation = presenting.Simulation(names, n, read_spans(pairs(settings, "--set")), opened, residual_to)
    pictures, _ = catalog.part("image", "corpus").read(data)
    if hasattr(pictures, "chunks"):
        raise ConfigError(f"{data} does not fit in memory: attack it in parts")
    written = presenting.write(pictures, simulation, out, seed=seed)
    typer.echo(f"{len(pictures)} bona fide pictures, {len(pictures) * len(names) * n} attacks: {', '.join(names)}")
    typer.echo(f"wrote {written}")


@images.command()
def species() -> None:
    """Show every species of attack and its parameters with their spans and units."""
    from conjure.domains.image.attacks.species import parameters

    for name, (low, high), unit in parameters():
        typer.echo(f"{name:<18} {low:g}..{high:g} {unit}")


@images.command()
def bench(
    scores: Annotated[str, typer.Argument(metavar="SCORES", help="A table: score, species, perhaps left_out.")],
    threshold: Annotated[float | None, typer.Option(help="Let in from here on; else where errors are equal.")] = None,
    out: Annotated[
        Path, typer.Option("-o", "--out", metavar="FILE", help="The HTML report; JSON goes beside it.")
    ] = Path("bench.html"),
) -> None:
    """Judge any detector of presentation attacks by its scores, as ISO/IEC 30107-3 says."""
    from conjure import presenting
    from conjure.screen import check_report, describe_report

    check_report(out)
    report = presenting.bench(scores, threshold=threshold)
    typer.echo(describe_report(report))
    typer.echo("\n".join(report.summary))
    for path in report.write(out):
        typer.echo(f"wrote {path}")
