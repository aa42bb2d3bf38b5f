"""An assistant, from a model of text: what people think of its answers, and learning from them."""

from __future__ import annotations

import typer

assistant = typer.Typer(
    name="conjure assistant",
    help="A model of text that people talk to and teach.",
    add_completion=False,
    rich_markup_mode=None,
)


@assistant.callback()
def _assistant() -> None:
    """A command's name stays a word of its own, even while there is but one."""
