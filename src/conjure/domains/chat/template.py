"""Chat templates: how messages become the one text a model was taught to answer, in Jinja as weights carry it."""

from __future__ import annotations

import json
from datetime import datetime
from functools import lru_cache
from typing import Any

from conjure.core.errors import DataError

CHATML = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def render(
    template: str,
    messages: list[dict[str, Any]],
    *,
    answer: bool = True,
    tools: list[dict[str, Any]] | None = None,
    names: dict[str, str] | None = None,
) -> str:
    """The text of messages ({"role", "content", ...} each), with the beginning of an answer where asked for.

    names: what the template calls special tokens ("bos_token", "eos_token"). DataError says why a template refuses.
    """
    import jinja2

    try:
        return _compiled(template).render(messages=messages, add_generation_prompt=answer, tools=tools, **(names or {}))
    except jinja2.TemplateError as error:
        raise DataError(f"the model's chat template does not take these messages: {error}") from None


@lru_cache(8)
def _compiled(template: str) -> Any:
    try:
        from jinja2 import TemplateSyntaxError
        from jinja2.sandbox import ImmutableSandboxedEnvironment
    except ImportError:
        raise DataError("chat templates need jinja2: pip install 'conjure[language]'") from None
    sandbox = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
    )
    sandbox.filters["tojson"] = lambda x, indent=None: json.dumps(x, ensure_ascii=False, indent=indent)
    sandbox.globals |= {"raise_exception": _refuse, "strftime_now": lambda form: datetime.now().strftime(form)}
    try:
        return sandbox.from_string(template)
    except TemplateSyntaxError as error:
        raise DataError(f"the model's chat template is not valid Jinja: {error}") from None


def _refuse(reason: str) -> None:
    import jinja2

    raise jinja2.TemplateError(reason)
