"""The pictures of the docs, each made by a small run that you can read.

One function a picture, here or as `draw` in a file of its own, examples/drawn/NAME.py.
Usage: python examples/figures.py NAME ... (without a name: all of them); writes docs/figures/NAME.png
"""

from __future__ import annotations

import runpy
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import matplotlib
import numpy as np
import torch
from matplotlib import pyplot as plt
from PIL import Image

import conjure
from conjure.core.space import Dense
from conjure.domains.image import corpus as pictures
from conjure.domains.protocol import Encoded
from conjure.domains.table import corpus as tables
from conjure.domains.text import corpus as texts
from conjure.fitting import FitOptions, fit
from conjure.models.gan import Generator
from conjure.objectives.wasserstein import Wasserstein
from conjure.training.data import Examples
from conjure.training.journal import read_journal
from conjure.training.optim import schedule
from conjure.training.settings import Progress, Training
from conjure.training.trainer import Trainer

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "figures"
BLUE, RED, GREY = "#2b6cb0", "#c05621", "#a0aec0"


def table() -> plt.Figure:
    """Two columns that hang together: real, made, made without regard to each other; and under a condition."""
    real, _ = tables.read("diabetes")
    model = conjure.fit("tables", real)
    baseline = conjure.fit("tables", real, model="independent")
    heavy = {"body mass index": "32.."}
    shown = [
        ("real", real, GREY),
        ("circuit", model.sample(len(real)), BLUE),
        ("independent columns", baseline.sample(len(real)), RED),
        ("circuit, given body mass index 32..", model.sample(len(real), given=heavy), BLUE),
    ]
    figure, axes = plt.subplots(1, 4, figsize=(12, 3), sharex=True, sharey=True)
    for axis, (title, frame, colour) in zip(axes, shown):
        axis.scatter(frame["body mass index"], frame["disease progress"], s=5, color=colour)
        axis.set(title=title, xlabel="body mass index")
    axes[0].set_ylabel("disease progress")
    return figure


def text() -> plt.Figure:
    """How surprising an n-gram model finds each character of a text it never saw."""
    model = conjure.fit("text", "python-docs", model="markov").artifact
    words = "The list comprehension returns a zebra when called with an iterable, and a new dictionary otherwise."
    window = model.codec.encode(["\n" + words]).x[None].long()
    nats = _nats_at(model.model, window, range(1, len(words) + 1))[0]
    figure, axis = plt.subplots(figsize=(12, 1.6))
    axis.bar(np.arange(len(words)), nats, color=BLUE)
    axis.set(ylabel="nats", xlim=(-1, len(words)))
    axis.set_xticks(range(len(words)), list(words), fontfamily="monospace", fontsize=8)
    axis.tick_params(axis="x", length=0)
    return figure


def images() -> plt.Figure:
    """Real digits, and what an autoencoder and a game draw, a column a class."""
    real, _ = pictures.read("digits")
    names = sorted(set(real.labels.tolist()))
    rows = [[p for p, label in zip(real, real.labels) if label == name][:4] for name in names]
    sides = [("real", rows)]
    for name, steps in (("vae", 1200), ("gan", 600)):
        model = conjure.fit("images", real, model=name, settings=[f"training.steps={steps}", "training.threads=1"])
        sides.append((name, [list(model.sample(4, given={"label": label})) for label in names]))
    figure, axes = plt.subplots(1, 3, figsize=(12, 5))
    for axis, (title, columns) in zip(axes, sides):
        axis.imshow(np.hstack([np.vstack([p[..., 0] for p in column]) for column in columns]), cmap="gray_r")
        axis.set(title=title, xticks=[], yticks=[])
    return figure


def autoregression() -> plt.Figure:
    """What context is worth: surprise at each place of a window, by a Transformer and by n-grams of two lengths."""
    documents, _ = texts.read("python-docs")
    kept, held_out = texts.split(documents, 0.1, 0)
    seen = [1, 2, 3, 4, 6, 8, 12, 16, 32, 64]
    short = ["training.steps=300", "training.precision=fp32", "training.threads=1"]
    models = {f"{order}-grams": conjure.fit("text", kept, model="markov", settings=[f"model.order={order}"])
              for order in (2, 4)}  # fmt: skip
    models["decoder, 300 steps"] = conjure.fit("text", kept, settings=short)
    figure, axis = plt.subplots(figsize=(7, 3.2))
    for (name, model), colour in zip(models.items(), (GREY, RED, BLUE)):
        codec = model.artifact.codec
        stream = codec.encode(codec.adapt(held_out)).x.long()
        nats = _nats_at(model.artifact.model, stream.unfold(0, 65, 65)[:250], seen).mean(0)
        axis.plot(seen, nats, color=colour, marker="o", ms=3)
        axis.annotate(name, (64, nats[-1]), xytext=(6, -3), textcoords="offset points", color=colour)
    axis.set(xlabel="characters seen before", ylabel="nats a character", xscale="log", xlim=(0.9, 200))
    axis.set_xticks(seen, map(str, seen))
    axis.minorticks_off()
    return figure


def circuit() -> plt.Figure:
    """The tree that the circuit found in a table, and how hidden states pay while expectation maximisation goes on."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 3.8), width_ratios=(2, 1))
    with tempfile.TemporaryDirectory() as folder:
        for states, colour in ((1, GREY), (4, RED), (16, BLUE)):
            settings = ["training.validate_every=1", "held_out=0.3", f"model.states={states}"]
            model = conjure.fit("tables", "diabetes", f"{folder}/{states}", settings=settings).artifact
            lines = read_journal(Path(folder) / str(states) / "journal.jsonl")
            nats = [n["held_out_loss"] for n in lines]
            right.plot([n["step"] for n in lines], nats, color=colour)
            words = "1 state (independent columns)" if states == 1 else f"{states} states"
            below = -11 if states == 16 else 5
            right.annotate(words, (len(nats), nats[-1]), xytext=(0, below), textcoords="offset points", ha="right")
    right.set(xlabel="step", ylabel="held-out nats a row (codes)")
    names, parents = [c.name for c in model.codec.space.columns], model.model.parent.tolist()
    places = _tree(parents)
    for child, parent in enumerate(parents):
        x, y = places[child]
        if parent >= 0:
            left.plot([x, places[parent][0]], [y, places[parent][1]], color=GREY, zorder=0)
        words = names[child].replace(" ", "\n")
        left.text(x, y, words, ha="center", va="center", fontsize=8, bbox={"fc": "white", "ec": BLUE, "pad": 2.5})
    left.set(ylim=(min(y for _, y in places) - 0.5, 0.5))
    left.margins(x=0.08)
    left.axis("off")
    return figure


def vae() -> plt.Figure:
    """Where digits lie in a latent plane, and what is written from each of its places."""
    settings = ["model.latent=2", "codec.labels=false", "training.steps=1500", "training.threads=1"]
    made = conjure.fit("images", "digits", model="vae", settings=settings).artifact
    real, _ = pictures.read("digits")
    side = torch.linspace(-2.2, 2.2, 17)
    grid = torch.cartesian_prod(side.flip(0), side).flip(1)
    with torch.no_grad():
        z = made.model.encode(made.codec.encode(real).x).numpy()
        written = made.model.decode(grid)[:, 0].reshape(17, 17, 8, 8)
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4.2))
    labels = real.labels.astype(int)
    points = left.scatter(*z.T, c=labels, cmap="tab10", s=4)
    left.set(title="the mean of q(z | x) of each digit", xlim=(-3.5, 3.5), ylim=(-3.5, 3.5), aspect="equal")
    figure.colorbar(points, ax=left, ticks=range(10))
    right.imshow(written.permute(0, 2, 1, 3).reshape(17 * 8, 17 * 8), cmap="gray_r")
    right.set(title="what is written from a grid of z", xticks=[], yticks=[])
    return figure


def gan() -> plt.Figure:
    """A game on eight Gaussians: made points as it goes on, over the levels of the critic (light: real)."""
    train, rng = _ring(8000, 0), torch.Generator()
    side = torch.linspace(-1.7, 1.7, 60)
    plane = torch.cartesian_prod(side, side)
    figure, axes = plt.subplots(1, 4, figsize=(12, 3.2), sharex=True, sharey=True)
    for axis, steps in zip(axes, (5, 20, 80, 700)):
        torch.manual_seed(0)
        model = Generator(Dense((2,)), None, Generator.Config(latent=8, width=128, layers=1))
        game = Wasserstein(model, Wasserstein.Config(penalty=0.1, width=128, layers=1))
        settings = Training(steps=steps, batch=384, rate=2e-3, clip=0.0, average=0.99, threads=1)
        Trainer(game, settings, (Examples(Encoded(train)), None)).run()
        with torch.no_grad():
            heights = game.critic(plane, None).reshape(60, 60).T
            x, y = model.sample(1000, rng=rng.manual_seed(0)).T
        axis.contourf(side, side, heights, levels=12, cmap="Greys", alpha=0.6)
        axis.scatter(*train[:400].T, s=2, color=RED)
        axis.scatter(x, y, s=2, color=BLUE)
        axis.set(title=f"after {steps} steps", xlim=(-1.7, 1.7), ylim=(-1.7, 1.7), aspect="equal", xticks=[], yticks=[])
    return figure


def engine() -> plt.Figure:
    """The rate over a run, and a run that was stopped half-way and resumed on top of one that was not."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3))
    done = np.linspace(0, 1, 200)
    for shape, colour in (("cosine", BLUE), ("linear", RED), ("constant", GREY)):
        left.plot(done, [schedule(f, shape, 0.1) for f in done], color=colour, label=shape)
    left.set(xlabel="part of the run done (warmup 0.1)", ylabel="factor of the rate")
    left.legend(frameon=False)
    words = ["training.steps=300", "training.validate_every=5", "training.threads=1"]
    recipe = conjure.recipe_for("images", model="vae", settings=words)
    with tempfile.TemporaryDirectory() as folder:
        for name, resume in (("whole", False), ("parts", False), ("parts", True)):
            options = FitOptions(resume, watch=_stop_at(0.5) if (name, resume) == ("parts", False) else _go_on)
            fit(recipe, "digits", f"{folder}/{name}", options)
        lines = {name: read_journal(Path(folder) / name / "journal.jsonl") for name in ("whole", "parts")}
    for (name, told), (colour, width) in zip(lines.items(), ((GREY, 5), (BLUE, 1.2))):
        label = {"whole": "never stopped", "parts": "stopped and resumed"}[name]
        right.plot([n["step"] for n in told], [n["loss"] for n in told], color=colour, lw=width, label=label)
    right.set(xlabel="step", ylabel="loss")
    right.legend(frameon=False)
    return figure


def _nats_at(model: torch.nn.Module, windows: torch.Tensor, places: Sequence[int]) -> np.ndarray:
    """-log P of some tokens given all those before them in their window (N, T + 1); result (N, places)."""
    everywhere = torch.arange(windows.shape[1])
    with torch.no_grad():
        nats = [-model.log_prob(windows, None, (everywhere == t).expand(len(windows), -1)) for t in places]
    return torch.stack(nats, 1).numpy()


def _ring(n: int, seed: int) -> torch.Tensor:
    rng = torch.Generator().manual_seed(seed)
    angle = torch.randint(8, (n,), generator=rng) * torch.pi / 4
    return torch.stack([angle.cos(), angle.sin()], 1) + 0.05 * torch.randn(n, 2, generator=rng)


def _tree(parents: list[int]) -> list[tuple[float, float]]:
    """A place for each node of a tree: leaves side by side, a parent above the middle of its children."""
    places: list[tuple[float, float]] = [(0.0, 0.0)] * len(parents)
    width = 0

    def put(node: int, depth: int) -> float:
        nonlocal width
        children = [put(c, depth + 1) for c, p in enumerate(parents) if p == node]
        x = float(np.mean(children)) if children else float(width := width + 1)
        places[node] = (x, -float(depth))
        return x

    put(parents.index(-1), 0)
    return places


def _go_on(progress: Progress) -> None:
    pass


def _stop_at(fraction: float) -> Callable[[Progress], None]:
    """What Ctrl-C does, once this part of the run is done."""
    done: list[bool] = []

    def watch(progress: Progress) -> None:
        if progress.fraction >= fraction and not done:
            done.append(True)
            signal.raise_signal(signal.SIGINT)

    return watch


FIGURES = {
    "tables": table,
    "text": text,
    "images": images,
    "autoregression": autoregression,
    "circuit": circuit,
    "vae": vae,
    "gan": gan,
    "engine": engine,
}


def main(names: list[str]) -> None:
    matplotlib.use("Agg")
    plt.rcParams.update({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False})
    torch.set_num_threads(1)
    FOLDER.mkdir(parents=True, exist_ok=True)
    drawn = {path.stem: path for path in sorted((Path(__file__).parent / "drawn").glob("*.py"))}
    for name in names or [*FIGURES, *drawn]:
        figure = FIGURES[name]() if name in FIGURES else runpy.run_path(str(drawn[name]))["draw"]()
        place = FOLDER / f"{name}.png"
        figure.savefig(place, dpi=110, bbox_inches="tight")
        plt.close(figure)
        Image.open(place).convert("RGB").quantize(64).save(place, optimize=True)  # a third of the bytes
        print(f"wrote {place}")


if __name__ == "__main__":
    main(sys.argv[1:])
