"""The command line: few verbs, one generic --set. A mistake gets one sentence and exit code 2."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from conjure.core.config import pairs
from conjure.core.errors import ConfigError, ConjureError
from conjure.products.exporting import export
from conjure.products.serving import serve

app = typer.Typer(
    name="conjure",
    help="Generative models of your own data: fit, sample, score, evaluate. Tables also: conjure tables attack.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Folder = Annotated[
    Path,
    typer.Argument(
        metavar="DIR", help="What fit wrote; of language models also a Hugging Face folder, .gguf, smollm2."
    ),
]
Given = Annotated[list[str] | None, typer.Option("--given", metavar="KEY=VALUE", help="A condition; may be repeated.")]
Out = Annotated[Path | None, typer.Option("-o", "--out", metavar="FILE", help="Where to write.")]
Weights = Annotated[str, typer.Option(help="fp32, or int8: rounded, to write text faster.")]


@app.command("list")
def list_names(
    kind: Annotated[str, typer.Argument(help="apps, domains, models, objectives, or data")] = "apps",
) -> None:
    """Show what there is, by name."""
    from conjure.listing import rows

    for name, text in rows(kind):
        typer.echo(f"{name:<14} {text}")


@app.command()
def fit(
    product: Annotated[str, typer.Argument(metavar="APP", help="tables, text, images: see `conjure list apps`")],
    data: Annotated[str, typer.Argument(help="A file or folder, or the name of an embedded set.")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="Folder for the artifact.")],
    model: Annotated[str | None, typer.Option(help="A model family: see `conjure list models`.")] = None,
    recipe: Annotated[str | None, typer.Option(help="A recipe's name, or a TOML file.")] = None,
    settings: Annotated[list[str] | None, typer.Option("--set", metavar="A.B=C", help="Any setting.")] = None,
    through: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Model the codes of this artifact, such as a vae.")
    ] = None,
    start: Annotated[Path | None, typer.Option(metavar="DIR", help="Go on from this artifact, on other data.")] = None,
    minutes: Annotated[float | None, typer.Option(help="Wall time to use; the schedule adapts.")] = None,
    seed: Annotated[int | None, typer.Option(help="Root of all randomness.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the folder's checkpoint.")] = False,
    epsilon: Annotated[float | None, typer.Option(help="Differential privacy: all that the run may tell.")] = None,
    delta: Annotated[float | None, typer.Option(help="Its delta; 1e-5 unless you say otherwise.")] = None,
) -> None:
    """Learn a model of your data."""
    if model and recipe:
        raise ConfigError("give --model or --recipe, not both")
    if minutes is not None and not 0 < minutes < float("inf"):  # "nan" is a float too
        raise ConfigError(f"--minutes is {minutes:g}; it should be a finite number above zero")
    from conjure.fitting import FitOptions
    from conjure.fitting import fit as run
    from conjure.screen import Watch, describe_privacy
    from conjure.training.distributed import leave
    from conjure.verbs import recipe_for

    if delta is not None and epsilon is None:
        raise ConfigError("--delta is part of a privacy budget: give --epsilon too")
    asked = {"epsilon": epsilon, "delta": delta}
    settings = [*(settings or []), *(f"privacy.{k}={v!r}" for k, v in asked.items() if v is not None)]
    chosen = recipe_for(product, model=model, recipe=recipe, settings=settings, through=through, start=start)
    chosen = chosen.with_seed(seed)
    first = os.environ.get("RANK", "0") == "0"
    with Watch(quiet=not first) as watch:
        made = run(chosen, data, out, FitOptions(resume, minutes, watch.show, watch.say))
    leave()
    if first:
        metrics = made.card["metrics"]
        loss = metrics["held_out_loss"]
        before = metrics.get("held_out_loss_before")
        held_out = "" if loss is None else f", held-out loss {loss:.4f}"
        held_out += "" if before is None else f" ({before:.4f} at the start)"
        typer.echo(f"{metrics['steps']} steps in {metrics['seconds']:.0f} s{held_out}")
        if "privacy" in made.card:
            typer.echo(describe_privacy(made.card["privacy"]))
        typer.echo(f"artifact: {out}")


@app.command()
def sample(
    folder: Folder,
    n: Annotated[int, typer.Option("-n", help="How many.")],
    given: Given = None,
    seed: Annotated[int, typer.Option(help="Same seed, same samples.")] = 0,
    out: Out = None,
    weights: Weights = "fp32",
    gate: Annotated[Path | None, typer.Option(metavar="FILE", help="A policy: no rows where attacks succeed.")] = None,
) -> None:
    """Draw new objects from an artifact."""
    from conjure import catalog, sampling

    opened = _opened(folder, weights)
    objects = sampling.sample(opened, n, given=pairs(given), seed=seed)
    if gate:
        from conjure import attacking

        attacking.gate(opened, objects, attacking.read_policy(gate), seed=seed)
    if out:
        typer.echo(f"wrote {catalog.part(opened.recipe.domain, 'corpus').write(objects, out)}")
    else:
        typer.echo(catalog.part(opened.recipe.domain, "view").to_text(objects))


app.command()(export)


@app.command()
def complete(
    folder: Folder,
    data: Annotated[str, typer.Argument(help="A table with gaps, texts to translate, a series to go on with.")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FILE", help="Where to write.")],
    given: Given = None,
    seed: Annotated[int, typer.Option(help="Same seed, same fillings.")] = 0,
) -> None:
    """Give data what it lacks: cells of a table, translations, the future of a series."""
    from conjure import catalog, sampling

    opened = _opened(folder)
    objects = sampling.complete(opened, sampling.read_questions(opened, data), given=pairs(given), seed=seed)
    typer.echo(f"wrote {catalog.part(opened.recipe.domain, 'corpus').write(objects, out)}")


@app.command()
def score(
    folder: Folder,
    data: Annotated[str, typer.Argument(help="A file or folder.")],
    out: Out = None,
    weights: Weights = "fp32",
) -> None:
    """Say how typical each object is, in nats (higher = more typical)."""
    from conjure import scoring
    from conjure.screen import describe_scores, write_scores

    opened = _opened(folder, weights)
    objects, _ = opened.recipe.read(data)
    nats = scoring.score(opened, objects)
    if out:
        typer.echo(f"wrote {write_scores(nats, out)}")
    typer.echo(describe_scores(nats, opened.score_kind))


@app.command()
def encode(
    folder: Folder,
    data: Annotated[str, typer.Argument(help="A file or folder.")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FILE.npz", help="Where to write the codes.")],
) -> None:
    """Write the latent code of each object (families with codes: vae, autoencoder)."""
    from conjure import latents

    opened = _opened(folder)
    typer.echo(f"wrote {latents.save(latents.encode(opened, latents.read(opened, data)), out)}")


@app.command()
def decode(
    folder: Folder,
    codes: Annotated[Path, typer.Argument(metavar="FILE.npz", help="Codes, as `conjure encode` writes them.")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FILE", help="Where to write.")],
) -> None:
    """Write the object that each latent code stands for."""
    from conjure import catalog, latents

    opened = _opened(folder)
    objects = latents.decode(opened, latents.open_codes(codes))
    typer.echo(f"wrote {catalog.part(opened.recipe.domain, 'corpus').write(objects, out)}")


@app.command()
def interpolate(
    folder: Folder,
    data: Annotated[str, typer.Argument(help="A file or folder.")],
    rows: Annotated[str, typer.Option(metavar="A,B", help="From which object to which, counted from 0.")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FILE", help="Where to write.")],
    steps: Annotated[int, typer.Option(help="Objects on the way, both ends included.")] = 8,
) -> None:
    """Walk from one object to another along their latent codes."""
    from conjure import latents

    first, sign, last = rows.partition(",")
    if not (sign and first.strip().isdecimal() and last.strip().isdecimal()):
        raise ConfigError(f"--rows {rows!r} is not of the form 3,17")
    opened = _opened(folder)
    made = latents.interpolate(opened, latents.read(opened, data), (int(first), int(last)), steps)
    typer.echo(f"wrote {latents.write(opened, made, out)}")


@app.command()
def traverse(
    folder: Folder,
    data: Annotated[str, typer.Argument(help="A file or folder.")],
    row: Annotated[int, typer.Option(help="Which object, counted from 0.")],
    along: Annotated[int, typer.Option(help="Which number of its code, counted from 0.")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FILE", help="Where to write.")],
    steps: Annotated[int, typer.Option(help="Objects on the way.")] = 8,
) -> None:
    """Move one number of an object's latent code and see what changes."""
    from conjure import latents

    opened = _opened(folder)
    made = latents.traverse(opened, latents.read(opened, data), row, along, steps)
    typer.echo(f"wrote {latents.write(opened, made, out)}")


@app.command()
def evaluate(
    folder: Folder,
    held_out: Annotated[str, typer.Argument(metavar="HELD_OUT", help="Data the model never saw.")],
    out: Annotated[
        Path, typer.Option("-o", "--out", metavar="FILE", help="The HTML report; JSON goes beside it.")
    ] = Path("report.html"),
    train: Annotated[str | None, typer.Option(help="The training data, if it was moved since.")] = None,
    target: Annotated[str | None, typer.Option(help="The column whose prediction is judged (tables).")] = None,
    n: Annotated[int | None, typer.Option("-n", help="How many samples to judge.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of samples and folds.")] = 0,
    weights: Weights = "fp32",
) -> None:
    """Judge an artifact against held-out data, beside a baseline and the ceiling."""
    from conjure import evaluation
    from conjure.screen import check_report, describe_report

    check_report(out)  # before the minutes of work

    report = evaluation.evaluate(_opened(folder, weights), held_out, train=train, target=target, n=n, seed=seed)
    typer.echo(describe_report(report))
    for path in report.write(out):
        typer.echo(f"wrote {path}")


app.command()(serve)


def _opened(folder: Path, weights: str = "fp32") -> Any:
    from conjure.models.weights import keep_weights
    from conjure.pretrained import opening

    opened = opening.load(folder)
    keep_weights(opened.model, weights)
    return opened


def main() -> None:
    """Run the command line; errors a user can mend are printed in one line, with exit code 2."""
    from conjure import catalog, products

    try:
        if sys.argv[1:2] and (sys.argv[1] in catalog.APPS or sys.argv[1] in products.PRODUCTS):
            products.command(sys.argv[1])(sys.argv[2:], prog_name=f"conjure {sys.argv[1]}")
        app()
    except ConjureError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(2)
    except OSError as error:
        if not error.strerror:
            raise
        where = f" {error.filename}" if error.filename else ""
        typer.echo(f"error: {error.strerror.lower()}:{where or ' no file named'}", err=True)
        sys.exit(2)
    except KeyboardInterrupt:
        typer.echo("stopped", err=True)
        sys.exit(130)


if __name__ == "__main__":
    main()
