"""`conjure serve`: artifacts over HTTP."""

from __future__ import annotations

import contextlib
import gc
import importlib.util
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from conjure.core.errors import ConfigError


@contextlib.contextmanager
def unswept() -> Iterator[None]:
    """No looking for garbage while all is imported: what comes is kept, and it is a quarter of the start.

    The server turns it on again once it stands; a start that fails does so here.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def serve(
    artifacts: Annotated[list[str] | None, typer.Argument(help="[NAME=]DIR, .gguf or smollm2.")] = None,
    host: Annotated[str, typer.Option(help="0.0.0.0 lets other machines in.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0 takes any that is free.")] = 8000,
    api_key: Annotated[list[str] | None, typer.Option(envvar="CONJURE_API_KEY", help="Let in its holders.")] = None,
    origin: Annotated[list[str] | None, typer.Option(metavar="URL", help="A site whose pages may call.")] = None,
    slots: Annotated[int, typer.Option(help="Answers written at once, of each model.")] = 8,
    waiting: Annotated[int, typer.Option(help="Requests that may wait for a slot; more are told 429.")] = 64,
    rate: Annotated[float, typer.Option(help="Requests a minute of each key or address; 0 = any number.")] = 0,
    weights: Annotated[str, typer.Option(help="fp32, bf16 or int8: rounded, to write text faster.")] = "fp32",
    root: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Keep uploads, fits and artifacts here.")] = None,
    studio: Annotated[bool | None, typer.Option(help="The studio's pages, at /studio; with --root by default.")] = None,
    store: Annotated[str, typer.Option(metavar="URL", help="Database of the fits; SQLite below the root.")] = "",
    preview: Annotated[float, typer.Option(help="Seconds from one look at a fit's samples to the next; 0 = none.")] = 5,
    feedback: Annotated[str, typer.Option(metavar="URL", help="What is rated at /rating; else ROOT/feedback.db.")] = "",
) -> None:
    """Serve artifacts over HTTP; language models as OpenAI's clients know them."""
    with unswept():
        try:
            from conjure.server import opening, running
            from conjure.server.settings import Limits, Settings
        except ImportError as error:
            raise ConfigError(f"serving needs the package {error.name}: pip install 'conjure[serve]'") from None

        keys, sites, limits = tuple(api_key or ()), tuple(origin or ()), Limits(waiting=waiting, rate=rate)
        place = {"root": root, "store": store, "host": host, "port": port, "keys": keys, "origins": sites}
        if studio is None:
            studio = root is not None and importlib.util.find_spec("gradio") is not None
        if studio and importlib.util.find_spec("gradio") is None:
            raise ConfigError("the studio needs the package gradio: pip install 'conjure[studio]'")
        place |= {"studio": studio, "preview": preview, "feedback": feedback}
        asked = Settings(slots=slots, weights=weights, limits=limits, **place)
        running.serve(replace(asked, artifacts=opening.named(artifacts or [])), typer.echo)
