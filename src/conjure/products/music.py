"""What only music can do, as commands: `conjure music harmonize ...`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from conjure.core.config import nearest, pairs
from conjure.core.errors import ConfigError

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="The folder that fit wrote.")]
Score = Annotated[Path, typer.Argument(metavar="FILE", help="A score: MIDI, MusicXML, ABC, humdrum.")]
Out = Annotated[
    Path,
    typer.Option("-o", "--out", metavar="FILE", help="Where to write: .mid .mxl .abc .krn .svg .wav (comma: several)."),
]
Given = Annotated[list[str] | None, typer.Option("--given", metavar="KEY=VALUE", help="A condition; may be repeated.")]
Seed = Annotated[int, typer.Option(help="Same seed, same music.")]
RULE = "conjure.domains.music.leading:reward"
POLISHING = ["training.rate=1e-3", "training.batch=64", "objective.trace=1"]  # one reward, at a phrase's end
music = typer.Typer(name="conjure music", help="What only music can do.", add_completion=False, rich_markup_mode=None)


@music.command("continue")
def go_on(
    folder: Folder,
    score: Score,
    out: Out,
    bars: Annotated[int, typer.Option(help="How many bars more.")] = 4,
    given: Given = None,
    seed: Seed = 0,
) -> None:
    """Go on where a score ends."""
    _made(folder, out, lambda c, a: c.go_on(a, _one(score), bars, pairs(given), seed))


@music.command()
def harmonize(
    folder: Folder,
    score: Score,
    out: Out,
    kind: Annotated[str, typer.Option("--as", help="voices, or chords: a lead sheet with chord symbols.")] = "voices",
    every: Annotated[str, typer.Option(help="How often a chord may change: beat, half (a bar), bar.")] = "half",
    given: Given = None,
    seed: Seed = 0,
) -> None:
    """Write the other voices, or chord symbols, to a melody."""
    if kind not in ("voices", "chords"):
        raise ConfigError(f"--as is {kind!r}: {nearest(kind, ('voices', 'chords'))}")
    if kind == "chords":
        _made(folder, out, lambda c, a: c.lead_sheet(a, _one(score), every, pairs(given), seed))
    else:
        _made(folder, out, lambda c, a: c.harmonize(a, _one(score), pairs(given), seed))


@music.command()
def fill(
    folder: Folder,
    score: Score,
    out: Out,
    voice: Annotated[list[str], typer.Option(help="Which voice to write: alto, or its number. May be repeated.")],
    given: Given = None,
    seed: Seed = 0,
) -> None:
    """Write voices that a score lacks, or write them anew."""
    _made(folder, out, lambda c, a: c.fill(a, _one(score), voice, pairs(given), seed))


@music.command()
def vary(
    folder: Folder,
    score: Score,
    out: Out,
    share: Annotated[float, typer.Option(help="About which share of the beats to write anew.")] = 0.5,
    given: Given = None,
    seed: Seed = 0,
) -> None:
    """Write some beats of a score anew."""
    _made(folder, out, lambda c, a: c.vary(a, _one(score), share, pairs(given), seed))


@music.command()
def interpolate(
    folder: Folder,
    score: Score,
    other: Annotated[Path, typer.Argument(metavar="OTHER", help="The score to arrive at.")],
    out: Out,
    bars: Annotated[int, typer.Option(help="Bars between the two.")] = 4,
    given: Given = None,
    seed: Seed = 0,
) -> None:
    """Write what leads from one score to another."""
    _made(folder, out, lambda c, a: c.between(a, _one(score), _one(other), bars, pairs(given), seed))


@music.command()
def align(
    folder: Folder,
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="Folder for the improved artifact.")],
    reward: Annotated[str, typer.Option(help="module:function or file.py:function of wishes and pieces.")] = RULE,
    given: Given = None,
    n: Annotated[int, typer.Option("-n", help="How many pieces are wished for, each many times.")] = 256,
    method: Annotated[str, typer.Option(help="ppo or grpo.")] = "ppo",
    settings: Annotated[list[str] | None, typer.Option("--set", metavar="A.B=C", help="Any setting.")] = None,
    remember: Annotated[str | None, typer.Option(metavar="DATA", help="Scores not to be forgotten.")] = None,
    seed: Annotated[int, typer.Option(help="Root of all randomness.")] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the folder's checkpoint.")] = False,
) -> None:
    """Polish a composer by a rule: unless another is named, no parallel fifths and octaves."""
    from conjure import aligning, artifact
    from conjure.domains.music import corpus
    from conjure.screen import Watch

    if artifact.occupied(out) and not resume:
        raise ConfigError(f"{out} already holds an artifact: choose another folder")
    opened, judge = _opened(folder), aligning.reward_from(reward)
    asked, led = pairs(given), opened.codec.given_space is not None
    if not led:
        opened.codec.condition(asked, 1)  # which refuses words that have no meaning here
    wishes = [{"bars": 2} | asked if led else asked] * n
    past = None if remember is None else opened.codec.adapt(corpus.read(remember)[0])
    words = [*POLISHING, *(["objective.mix=1"] if past else []), *(settings or [])]
    with Watch() as watch:
        how = aligning.How(words, seed, watch.show, past or [], resume)
        made = aligning.align(opened, wishes, judge, out, method=method, how=how)
    typer.echo(f"held-out reward, less the price of distance: {-made.card['metrics']['held_out_loss']:.4f}")
    typer.echo(f"artifact: {out}")


@music.command()
def convert(score: Score, out: Out) -> None:
    """A score in another form: engraved (.svg), to listen to (.wav), MIDI, MusicXML, ABC."""
    _written(_one(score), out)


def _opened(folder: Path) -> Any:
    from conjure import artifact

    opened = artifact.load(folder)
    if opened.recipe.domain != "music":
        raise ConfigError(f"{folder} is of {opened.recipe.domain} data, not music")
    return opened


def _made(folder: Path, out: Path, make: Callable[[Any, Any], Any]) -> None:
    from conjure import composing

    one = make(composing, _opened(folder))
    _written(one, out)
    for name, text in one.certificate.items():
        typer.echo(f"  {name}: {text}")


def _written(one: Any, out: Path) -> None:
    from conjure.domains.music import corpus

    for path in str(out).split(","):
        typer.echo(f"wrote {corpus.write(one, Path(path.strip()))}")


def _one(path: Path) -> Any:
    from conjure.domains.music import corpus

    found = corpus.read(path)[0]
    for note in found.notes:
        typer.echo(f"  note: {note}", err=True)
    return found[0]
