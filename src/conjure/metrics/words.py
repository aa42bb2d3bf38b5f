"""What the figures say, in sentences for somebody who has never heard their names."""

from __future__ import annotations

import re

from conjure.metrics.figure import Figure


def summary(figures: list[Figure]) -> list[str]:
    """A few sentences on the figures that rank models; those without a sentence of their own are not named."""
    known = {figure.name: figure for figure in figures if figure.ours is not None}
    said = [
        sentence.format(f=figure, beside=_beside(figure))
        for name, sentence in SENTENCES.items()
        if (figure := known.get(name))
    ]
    if worn := [figure.name for figure in figures if figure.saturated]:
        said.append(f"Saturated here, so no proof of anything when high: {', '.join(worn)}.")
    return said


SENTENCES = {
    "detection AUC (XGBoost)": "A strong detector tells real from made with AUC {f.ours:.3f} (0.5 = it cannot, "
    "1 = always){beside}.",
    "utility AUC": "A model trained on made rows reaches AUC {f.ours:.3f} on real ones{beside}.",
    "utility AUC (macro)": "A model trained on made rows reaches a mean AUC of {f.ours:.3f} on real ones{beside}.",
    "utility R2": "A model trained on made rows explains {f.ours:.0%} of the variance in real ones{beside}.",
    "column pair trends": "How two columns hang together is {f.ours:.1%} alike in made and real rows{beside}.",
    "exact copies": "{f.ours:.2%} of made rows are copies of training rows{beside}.",
    "bits per byte": "A byte of unseen text costs {f.ours:.3f} bits{beside}.",
    "perplexity of answers": "In held-out answers the model hesitates among {f.ours:.1f} tokens{beside}.",
    "nats gained a token": "This run made a token of held-out answers less surprising by {f.ours:.3f} nats{beside}.",
    "copied answers": "{f.ours:.0%} of its answers hold 50 characters word for word from the training data{beside}.",
    "copied text": "{f.ours:.2%} of the made stretches of 50 characters stand word for word in the training "
    "text{beside}.",
    "preference accuracy": "It prefers what people prefer in {f.ours:.1%} of pairs they told apart{beside}.",
    "coverage": "Made objects come near {f.ours:.0%} of the real ones{beside}.",
    "density": "A made object has {f.ours:.2f} times as many real neighbours as a real one would{beside}.",
}


def _beside(figure: Figure) -> str:
    style = re.sub(r".*\{f\.ours(.*?)\}.*", r"{\1}", SENTENCES[figure.name])  # as our own number is written
    parts = [
        f"{who} {style.format(value)}"
        for who, value in (("the baseline:", figure.baseline), ("real data:", figure.ceiling))
        if value is not None
    ]
    return f"; {', '.join(parts)}" if parts else ""
