"""Conversations packed into rows, and how losses go when there is a rule to learn and when there is none."""

from __future__ import annotations

import json
import random
import tempfile
from pathlib import Path

from matplotlib import pyplot as plt

import conjure
from conjure.domains.chat.codec import ChatCodec

TINY = [
    "model.layers=1",
    "model.width=48",
    "model.heads=2",
    "codec.vocab=320",
    "codec.context=96",
    "training.rate=0.003",
]
QUICK = ["training.threads=1", "training.precision=fp32", "training.batch=8", "training.validate_every=10"]
COLOURS, THINGS = ("red", "blue", "green", "white", "black", "grey"), ("sky", "grass", "snow", "coal", "rose", "stone")


def draw() -> plt.Figure:
    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 4), width_ratios=(3, 2))
    talks = _talks(random.Random(0), known=True)
    packed = ChatCodec.learn(talks, ChatCodec.Config(context=512, vocab=320, pack=256)).pack(talks)
    parts, counts = packed.parts[:12].numpy(), packed.mask[:12].numpy()
    picture = plt.get_cmap("tab20")(2 * (parts % 10) + 1)
    picture[counts] = plt.get_cmap("tab20")(2 * (parts % 10))[counts]
    picture[parts < 0] = 1
    left.imshow(picture, aspect="auto", interpolation="nearest")
    left.set(xlabel="token of a row", ylabel="row", yticks=[])
    for known, colour, name in ((True, "#2b6cb0", "a rule"), (False, "#c05621", "random answers")):
        lines = _journal(known)
        for field, style in (("held_out_loss", "-"), ("loss", ":")):
            label = name if field == "held_out_loss" else None
            right.plot([r["step"] for r in lines], [r[field] for r in lines], style, color=colour, label=label)
    right.set(xlabel="step", ylabel="nats a token of answers", ylim=(0, None))
    right.legend(frameon=False)
    return figure


def _journal(known: bool) -> list[dict[str, float]]:
    settings = [*TINY, *QUICK, "training.steps=200", "training.epochs=999", "held_out=0.2"]
    with tempfile.TemporaryDirectory() as at:
        conjure.fit("assistant", _talks(random.Random(0), known), f"{at}/fit", settings=settings)
        return [json.loads(line) for line in Path(at, "fit", "journal.jsonl").read_text().splitlines()]


def _talks(rng: random.Random, known: bool) -> list[list[dict[str, str]]]:
    """Questions and answers of a turn or two; an answer follows from its question, or from nothing."""
    made = []
    for _ in range(120):
        talk = []
        for _ in range(rng.choice((1, 1, 2, 3))):
            at = rng.randrange(6)
            said = COLOURS[at] if known else "".join(rng.choices("abcdefgh", k=8))
            greeting = "".join(rng.choices("aeiou", k=rng.randrange(2, 20)))
            talk += [{"role": "user", "content": f"{greeting} what of the {THINGS[at]}"}]
            talk += [{"role": "assistant", "content": f"it is {said}, {said} and {said}"}]
        made.append(talk)
    return made
