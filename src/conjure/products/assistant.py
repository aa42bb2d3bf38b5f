"""An assistant, from a model of text: what people think of its answers, and learning from them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from conjure.core.errors import ConfigError

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="The folder that fit wrote.")]
Place = Annotated[str, typer.Option("--store", metavar="URL", help="A file, or a URL such as postgresql+psycopg://...")]
Lap = Annotated[str | None, typer.Option("--round", help="A round's name; without it the latest.")]
Seed = Annotated[int, typer.Option(help="Root of all randomness.")]

assistant = typer.Typer(
    name="conjure assistant",
    help="A model of text that people talk to and teach.",
    add_completion=False,
    rich_markup_mode=None,
)


@assistant.callback()
def _assistant() -> None:
    """A command's name stays a word of its own, even while there is but one."""


@assistant.command()
def chat(
    place: Annotated[
        str, typer.Argument(metavar="PLACE", help="A folder that fit wrote, a Hugging Face folder, .gguf, or smollm2.")
    ] = "smollm2",
    message: Annotated[str | None, typer.Option("-m", "--message", help="Answer this one message and end.")] = None,
    system: Annotated[str | None, typer.Option(help="What the model is told before all else.")] = None,
    temperature: Annotated[float, typer.Option(help="How freely words are drawn; 0 takes the likeliest.")] = 0.4,
    top_p: Annotated[float, typer.Option(help="Draw from the fewest words of this probability.")] = 0.9,
    repetition: Annotated[float, typer.Option(help="Above 1, words that were said come back less.")] = 1.1,
    limit: Annotated[int, typer.Option(help="Tokens of an answer at most.")] = 512,
    seed: Annotated[int | None, typer.Option(help="Same seed and messages, same answers.")] = None,
    weights: Annotated[str, typer.Option(help="fp32, or rounded to write faster: bf16, int8.")] = "fp32",
) -> None:
    """Talk to a language model; from a pipe, one message a line."""
    import sys

    from conjure import talking
    from conjure.models.decoding import Choice
    from conjure.pretrained import opening

    if limit < 1:
        raise ConfigError(f"--limit is {limit}; an answer has at least 1 token")
    manner = talking.Manner(Choice(temperature, top_p=top_p, repetition=repetition), limit, system, seed)
    opened = opening.load(place)
    if message is None and sys.stdin.isatty():
        typer.echo(talking.welcome(opened, place), err=True)
    talking.chat(talking.Talk(opened, manner, weights), message)


@assistant.command()
def compare(
    folder: Folder,
    prompts: Annotated[Path, typer.Argument(metavar="PROMPTS", help="A .jsonl with prompts, or a prompt a line.")],
    store: Place,
    k: Annotated[int, typer.Option("-k", help="Completions of each prompt.")] = 4,
    lap: Annotated[str, typer.Option("--round", help="The round's name.")] = "round 1",
    tokens: Annotated[int, typer.Option(help="Drawn for a completion at most.")] = 64,
    temperature: Annotated[float, typer.Option(help="How freely they are drawn.")] = 1.0,
    criteria: Annotated[str, typer.Option(help="What raters give points for; may be empty.")] = (
        "relevance,coherence,informativeness"
    ),
    points: Annotated[int, typer.Option(help="The most points.")] = 7,
    check_every: Annotated[int, typer.Option(help="Prompts to an attention check (0 = none).")] = 10,
    seed: Seed = 0,
) -> None:
    """Draw completions of prompts for people to compare."""
    from conjure import prompting
    from conjure.feedback.comparing import Comparison
    from conjure.feedback.comparing import compare as run
    from conjure.models.decoding import Choice
    from conjure.pretrained import opening

    names = tuple(name.strip() for name in criteria.split(",") if name.strip())
    drawing = prompting.Drawing(tokens, Choice(temperature), seed)
    asked = Comparison(lap, k, drawing, names, points, check_every)
    opened, texts = opening.load(folder), prompting.read_prompts(prompts)
    made = run(opened, texts, _store(store), asked)
    typer.echo(
        f"{lap}: {made.prompts} prompts, {made.completions} completions, {made.checks} of them with an attention check"
    )
    if made.same:
        typer.echo(f"{made.same} prompts left out: all their completions were the same", err=True)
    typer.echo(f"conjure assistant rank --store {store}")


@assistant.command()
def rank(
    store: Place,
    lap: Lap = None,
    host: Annotated[str, typer.Option(help="0.0.0.0 lets others on the network rate too.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Where the page is.")] = 8010,
    key: Annotated[str, typer.Option(help="A word that newcomers must know.")] = "",
    disputed: Annotated[bool, typer.Option("--disputed", help="Ask only what raters dispute, to settle it.")] = False,
    question: Annotated[str | None, typer.Option(help="What raters are asked.")] = None,
) -> None:
    """Serve the page on which people rank completions."""
    import uvicorn

    from conjure.feedback import overview
    from conjure.server.rating import Rating, application

    opened = _store(store)
    asked = overview.choose(opened, lap)
    _check_port(host, port)
    words = {} if question is None else {"question": question}
    rating = Rating(opened, lap, key, disputed, **words)
    typer.echo(f"{asked.name}: {asked.prompts} prompts to judge at http://{host}:{port} (Ctrl-C ends it)")
    uvicorn.run(application(rating), host=host, port=port, log_level="warning")


@assistant.command("import")
def take_in(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="Pairs or rankings, Argilla's or Label Studio's.")],
    store: Place,
    lap: Annotated[str, typer.Option("--round", help="The round they belong to.")] = "imported",
) -> None:
    """Take in what people thought elsewhere."""
    from conjure.feedback import formats, overview

    opened = _store(store)
    known = {one.name: one for one in overview.rounds(opened)}
    round_id = known[lap].id if lap in known else opened.open_round(lap)
    typer.echo(f"{formats.load(opened, round_id, path)} judgements taken into {lap}")


@assistant.command()
def export(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="Where to write.")],
    store: Place,
    lap: Lap = None,
    form: Annotated[str, typer.Option(help="pairs, rankings, argilla, label-studio")] = "pairs",
) -> None:
    """Write what people thought, for other tools."""
    from conjure.feedback import formats, overview

    opened = _store(store)
    typer.echo(f"wrote {formats.export(opened, overview.choose(opened, lap).id, path, form)}")


@assistant.command()
def agreement(
    store: Place,
    lap: Lap = None,
    out: Annotated[Path | None, typer.Option("-o", "--out", metavar="FILE", help="All of it as JSON.")] = None,
) -> None:
    """Say how far raters agree, who is careless, what is disputed."""
    from conjure.feedback import overview, shown, study

    opened = _store(store)
    found = study.study(opened, overview.choose(opened, lap).id)
    typer.echo("\n".join(shown.study_lines(found)))
    if out:
        typer.echo(f"wrote {shown.write_study(found, out)}")


@assistant.command()
def merge(
    start: Annotated[str, typer.Argument(metavar="START", help="What the adapters belong to: smollm2, DIR, a .gguf.")],
    adapter: Annotated[Path, typer.Argument(metavar="ADAPTER", help="A folder in PEFT's format, ours or another's.")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="Folder for the artifact.")],
) -> None:
    """Add low-rank adapters to the weights they were trained for."""
    from conjure import tuning

    made = tuning.merge(start, adapter, out)
    typer.echo(f"artifact: {made.path}")


@assistant.command()
def reward(
    folder: Folder,
    store: Place,
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="Folder for the reward model.")],
    laps: Annotated[list[str] | None, typer.Option("--round", help="A round; repeated. Without it all.")] = None,
    members: Annotated[int, typer.Option(help="Models of the ensemble.")] = 1,
    weights: Annotated[str, typer.Option(metavar="NAME=W,...", help="What each criterion counts.")] = "",
    settings: Annotated[list[str] | None, typer.Option("--set", metavar="A.B=C", help="Any setting.")] = None,
    seed: Seed = 0,
) -> None:
    """Learn from people what is good: a judge of DIR's answers, which `conjure score` serves."""
    from conjure import artifact
    from conjure.feedback import shown
    from conjure.feedback.gathered import gather
    from conjure.feedback.rewarding import Learning, fit_reward
    from conjure.pretrained import opening
    from conjure.screen import Watch

    if artifact.occupied(out):
        raise ConfigError(f"{out} already holds an artifact: choose another folder")
    found = gather(_store(store), laps)
    for line in found.notes:
        typer.echo(f"note: {line}", err=True)
    with Watch() as watch:
        how = Learning(members, _weights(weights), tuple(settings or ()), seed, watch=watch.show)
        _, seen = fit_reward(opening.load(folder), found.rankings, found.trust, how, out)
    typer.echo("\n".join(shown.audit_lines(seen)))
    typer.echo(f"artifact: {out}")


@assistant.command()
def align(
    folder: Folder,
    store: Place,
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="Folder for the rounds.")],
    method: Annotated[str, typer.Option(help="ppo, grpo, dpo or best-of-n.")] = "ppo",
    k: Annotated[int, typer.Option("-k", help="Completions of a prompt in the next round, one of DIR's own.")] = 4,
    tokens: Annotated[int, typer.Option(help="Drawn for a completion at most.")] = 64,
    temperature: Annotated[float, typer.Option(help="How freely people's completions are drawn.")] = 1.0,
    n: Annotated[int, typer.Option("-n", help="Completions to choose from, for best-of-n.")] = 8,
    members: Annotated[int, typer.Option(help="Models of the reward's ensemble.")] = 1,
    hold_out: Annotated[list[str] | None, typer.Option(help="A rater to judge the judge; repeated.")] = None,
    gold: Annotated[str | None, typer.Option(help="The true reward, where it is known: file.py:function.")] = None,
    settings: Annotated[list[str] | None, typer.Option("--set", metavar="A.B=C", help="Of the policy.")] = None,
    reward_settings: Annotated[
        list[str] | None, typer.Option("--set-reward", metavar="A.B=C", help="Of the reward model.")
    ] = None,
    seed: Seed = 0,
) -> None:
    """One lap: learn a reward from what people said, improve DIR by it, draw the next round for them."""
    from conjure import aligning
    from conjure.feedback.rewarding import Learning
    from conjure.feedback.rounds import Plan, next_round
    from conjure.models.decoding import Choice
    from conjure.pretrained import opening
    from conjure.prompting import Drawing
    from conjure.screen import Watch

    with Watch() as watch:
        plan = Plan(
            *(method, n, k),
            drawing=Drawing(tokens, Choice(temperature), seed),
            learning=Learning(members, settings=tuple(reward_settings or ()), watch=watch.show),
            how=aligning.How(settings or [], seed, watch.show),
            hold_out=tuple(hold_out) if hold_out else None,
            gold=aligning.reward_from(gold) if gold else None,
            say=watch.say,
        )
        made = next_round(opening.load(folder), _store(store), out, plan)
    typer.echo("\n".join(made.lines()))
    typer.echo(f"report: {out / f'round-{made.number}' / 'report.html'}")
    typer.echo(f"next: conjure assistant rank --store {store}  ({made.next})")


def _weights(words: str) -> dict[str, float]:
    try:
        pairs = [word.partition("=") for word in words.split(",") if word.strip()]
        return {name.strip(): float(value) for name, _, value in pairs}
    except ValueError:
        raise ConfigError(f"--weights {words!r} is not of the form rank=1,relevance=0.5") from None


def _store(place: str) -> Any:
    from conjure.feedback.store import Store

    return Store(place)


def _check_port(host: str, port: int) -> None:
    """ConfigError where the page cannot be served."""
    import socket

    try:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except (OSError, OverflowError) as error:
        raise ConfigError(f"nothing can be served at {host}:{port} ({error}): choose another --port") from None
