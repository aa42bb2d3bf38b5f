"""Verbs that only one product has, as commands of its own: `conjure tables attack ...`; one file a product."""

from __future__ import annotations

import typer

from conjure.core.errors import ConfigError
from conjure.products.assistant import assistant
from conjure.products.audio import audio
from conjure.products.images import images
from conjure.products.music import music
from conjure.products.tables import tables
from conjure.products.text import text

PRODUCTS = {"assistant": assistant, "audio": audio, "images": images, "music": music, "tables": tables, "text": text}


def command(name: str) -> typer.Typer:
    """A product's own commands; ConfigError where it has none."""
    if name not in PRODUCTS:
        raise ConfigError(f"{name} has no commands of its own: conjure fit {name} DATA -o DIR is where to start")
    return PRODUCTS[name]
