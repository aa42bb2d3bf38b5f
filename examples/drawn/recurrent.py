"""What the state of an LSTM does while it reads: two embedded texts of Python's documentation, one cell, 48 numbers."""

from __future__ import annotations

import itertools

import numpy as np
import torch
from matplotlib import pyplot as plt

import conjure
from conjure.domains.text import corpus

WIDTH, SHOWN = 48, 60


def draw() -> plt.Figure:
    """The state's numbers at each character, in the order of their first value, and how surprising the character is."""
    settings = [f"model.width={WIDTH}", "training.steps=600", "training.threads=1", "training.validate_every=300"]
    made = conjure.fit("text", "python-docs", model="recurrent", settings=settings).artifact
    text, _ = corpus.read("python-docs")
    codes = made.codec.encode(made.codec.adapt(text)).x[-4000:-3000].long()
    model = made.model
    states, nats = [], []
    with torch.no_grad():
        reading = model.begin(1)
        for here, following in itertools.pairwise(codes[: 201 + SHOWN]):
            logits = model.read(here.view(1, 1), reading)
            states.append(reading.state[0].flatten().numpy())
            nats.append(-float(logits.log_softmax(-1)[0, following]))
    states, nats = np.stack(states[-SHOWN:], 1), nats[-SHOWN - 1 : -1]
    letters = [made.codec.decode(c.view(1)) for c in codes[200 : 200 + SHOWN]]
    figure, (above, below) = plt.subplots(2, 1, figsize=(12, 4), sharex=True, height_ratios=(3, 1))
    order = np.argsort(np.argmax(np.abs(np.diff(states, axis=1)), 1))
    above.imshow(states[order], aspect="auto", cmap="RdBu", vmin=-1, vmax=1)
    above.set(ylabel="numbers of the state", yticks=[])
    below.bar(range(SHOWN), nats, color="#2b6cb0")
    below.set(ylabel="nats", xticks=range(SHOWN))
    below.set_xticklabels([_visible(letter) for letter in letters], fontsize=8)
    return figure


def _visible(letter: object) -> str:
    text = letter if isinstance(letter, str) else "".join(map(str, letter))  # type: ignore[call-overload]
    return {" ": "␣", "\n": "¶"}.get(text, text)
