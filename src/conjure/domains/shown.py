"""Objects of any kind as one piece of HTML: what a notebook, a report and the studio show alike."""

from __future__ import annotations

import base64
import html
import importlib
from itertools import islice
from types import ModuleType
from typing import Any

MOST = 12  # objects one below the other


def page(view: ModuleType, objects: Any) -> str:
    """Objects by their domain's view: as one sheet where it makes one (`WHOLE`), else the first one below the other."""
    if getattr(view, "WHOLE", False):
        return f'<div style="overflow-x:auto">{view.to_html(objects)}</div>'
    parts = [view.to_html(one) for one in islice(objects, MOST)]
    rest = f"<p>{len(objects) - MOST:,} more</p>" if len(objects) > MOST else ""
    return "<hr>".join(parts) + rest


def player(wav: bytes, label: str) -> str:
    """A WAV file as something to press play on, which needs no other file."""
    name = html.escape(label, quote=True)
    return f'<audio controls preload="metadata" aria-label="{name}" src="{_address(wav, "audio/wav")}"></audio>'


def link(data: bytes, name: str, kind: str, words: str) -> str:
    """A file within the page, to take home under a name; kind: its media type."""
    return f'<a download="{html.escape(name, quote=True)}" href="{_address(data, kind)}">{html.escape(words)}</a>'


def _address(data: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


class Shown:
    """Objects of a domain that a notebook shows by the `view.py` beside their class."""

    def _repr_html_(self) -> str:
        view = importlib.import_module(f"{type(self).__module__.rpartition('.')[0]}.view")
        return page(view, self)
