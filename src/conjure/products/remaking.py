"""Commands that make rows for a purpose: `conjure tables rebalance`, `what-if` and `advise`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from conjure.core.config import pairs
from conjure.core.errors import ConfigError

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="The folder that fit wrote.")]
Train = Annotated[str | None, typer.Option(help="The real rows, if they were moved since the fit.")]
Seed = Annotated[int, typer.Option(help="Same seed, same rows.")]


def rebalance(
    folder: Folder,
    target: Annotated[str, typer.Option(help="The column whose values are to be balanced.")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FILE", help="Where to write.")],
    by: Annotated[str, typer.Option(metavar="A,B", help="Further columns: groups are combinations.")] = "",
    to: Annotated[str, typer.Option(help="equal, independent, or a file of shares (.csv, .toml).")] = "equal",
    keep: Annotated[float, typer.Option(help="Share of cells that a made row keeps of a real one; 0: none.")] = 0.0,
    within: Annotated[str | None, typer.Option(help="A column of kinds: made rows hold each equally often.")] = None,
    most: Annotated[int, typer.Option(help="Made rows a group, at most.")] = 1_000_000,
    weigh: Annotated[
        str | None, typer.Option(help="Add a column of this name: weights that make groups equal.")
    ] = None,
    only_made: Annotated[bool, typer.Option("--only-made", help="Leave the real rows out of the file.")] = False,
    train: Train = None,
    seed: Seed = 0,
) -> None:
    """Bring groups to the shares they should have: real rows, and made ones where real ones are few."""
    from conjure import artifact, catalog, rebalancing

    opened = _table(artifact.load(folder), folder)
    columns = (target, *(name.strip() for name in by.split(",") if name.strip() and name.strip() != target))
    shares: Any = to if to in ("equal", "independent") else rebalancing.read_shares(_file(to), columns)
    plan = rebalancing.Plan(columns, shares, keep, within, most, only_made)
    real = rebalancing.real_rows(opened, train)
    rows, groups = rebalancing.rebalance(opened, real, plan, seed=seed)
    if weigh in rows:
        raise ConfigError(f"there is a column {weigh!r} already: name the weights otherwise")
    if weigh:
        rows = rows.assign(**{weigh: rebalancing.weigh(rows, plan, 0 if only_made else len(real))})
    path = catalog.part("table", "corpus").write(rows, out)
    typer.echo(rebalancing.describe(groups, plan))
    typer.echo(f"wrote {path}")


def what_if(
    folder: Folder,
    data: Annotated[str, typer.Argument(metavar="FILE", help="The rows to change.")],
    change: Annotated[list[str], typer.Option("--set", metavar="COLUMN=VALUE", help="A change; may be repeated.")],
    target: Annotated[str, typer.Option(help="The column whose distribution is asked for.")],
    free: Annotated[str, typer.Option(metavar="A,B", help="Columns that follow instead of staying.")] = "",
    draws: Annotated[int, typer.Option(help="Draws a row, before and after.")] = 200,
    out: Annotated[Path | None, typer.Option("-o", "--out", metavar="FILE", help="A line a row, as a table.")] = None,
    seed: Seed = 0,
) -> None:
    """How the target's distribution differs with other values: what goes with what, not what causes what."""
    from conjure import artifact, catalog, supposing

    opened = _table(artifact.load(folder), folder)
    corpus = catalog.part("table", "corpus")
    rows, loose = corpus.read(data)[0], tuple(name.strip() for name in free.split(",") if name.strip())
    question = supposing.Question(target, pairs(change, "--set"), loose, draws)
    found = supposing.what_if(opened, rows, question, seed=seed)
    typer.echo(found.describe())
    if out:
        typer.echo(f"wrote {corpus.write(found.rows, out)}")


def advise(
    folder: Folder,
    train: Annotated[str, typer.Option(help="The real rows to learn from.")],
    target: Annotated[str, typer.Option(help="The column to predict.")],
    test: Annotated[str | None, typer.Option(help="Rows apart, on which every remedy is tried once.")] = None,
    unseen: Annotated[str | None, typer.Option(help="A column of kinds; folds leave some of each class out.")] = None,
    folds: Annotated[int, typer.Option(help="Folds of the cross-validation.")] = 5,
    repeats: Annotated[int, typer.Option(help="How often all folds are dealt anew.")] = 1,
    out: Annotated[
        Path, typer.Option("-o", "--out", metavar="FILE", help="The HTML report; JSON goes beside it.")
    ] = Path("advice.html"),
) -> None:
    """Measure whether made rows help a target, beside class weights, copies and SMOTE, and say so."""
    from conjure import advising, artifact
    from conjure.screen import check_report

    check_report(out)  # before the minutes of work
    trials = advising.Trials(folds, repeats, unseen)
    opened = _table(artifact.load(folder), folder)
    report = advising.advise(
        opened, train, target, test=test, trials=trials, say=lambda line: typer.echo(line, err=True)
    )
    typer.echo("\n".join(report.summary))
    for path in report.write(out):
        typer.echo(f"wrote {path}")


def _table(opened: Any, folder: Path) -> Any:
    if opened.recipe.domain != "table":
        raise ConfigError(f"{folder} is of {opened.recipe.domain} data, not a table")
    return opened


def _file(word: str) -> Path:
    if not Path(word).is_file():
        raise ConfigError(f"--to {word!r} is neither equal nor independent, nor a file of shares")
    return Path(word)
