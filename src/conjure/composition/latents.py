"""The codec of a composition: objects to the codes of a first, frozen model and back, with what such codes score."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor, nn

from conjure.composition.codebook import Codebook
from conjure.core.config import fill
from conjure.core.errors import ConfigError, DataError
from conjure.core.rng import generator
from conjure.core.space import Columns, Dense, Tokens
from conjure.domains.protocol import Codec, Encoded

CHUNK = 256  # rows the first model sees at a time
NARROWEST = 1e-4  # the scale of a code that hardly varies


class Latents:
    """encode = scaled model.encode(codec.encode(objects)), decode = codec.decode(model.decode(z)).

    Codes are brought to mean 0 and scale 1, channel by channel. Those of a VAE are drawn anew from q(z | x)
    whenever they are used, so that the second model learns the first one's whole aggregate posterior (Tomczak &
    Welling 2018, section 2). A first codec may cut an object into `pieces` rows (a clip into frames): the
    code of the object is then that of all its pieces, (pieces, ...).

    A first model whose codes are tokens already (a neural codec, with a `vocab`) gives just these, (T, levels).
    """

    @dataclass(frozen=True)
    class Config:
        """encoding: "dense" codes are (D,), (C, H, W) or, of pieces, (T, ...); "tokens" are theirs in `levels`
        centres for every `group` of numbers (0: a single number, or all channels of a place in a grid). labels:
        whether classes that the first model was not told of become the condition of the second. writing: whether an
        object is the likeliest for its code or drawn from p(x | z); "auto" draws rows of tables only. draws: codes
        behind a score.
        """

        encoding: Literal["dense", "tokens"] = "dense"
        levels: int = 32
        group: int = 0
        labels: bool = True
        writing: Literal["auto", "likeliest", "drawn"] = "auto"
        draws: int = 1

        def __post_init__(self) -> None:
            if self.levels < 2 or self.group < 0 or self.draws < 1:
                raise ConfigError("codec.levels is at least 2, codec.group at least 0, codec.draws at least 1")

    def __init__(self, first: tuple[Codec, nn.Module], front: Codec, config: Latents.Config):
        """first: codec and model of the first artifact; front: the codec that knows the condition."""
        self.codec, self.model = first
        self.front, self.config = front, config
        self.model.eval().requires_grad_(False)
        self.given_space = front.given_space
        self.pieces = int(getattr(front, "pieces", 1))
        self.shape: tuple[int, ...] = ()
        self.book: Codebook | None = None
        self.vocab = int(getattr(self.model, "vocab", 0))  # of codes that are tokens already
        self.mean, self.scale = torch.zeros(1), torch.ones(1)
        self.notes: list[str] = list(getattr(front, "notes", []))
        self._learnt_from: tuple[Any, Any] | None = None

    @classmethod
    def refuses(cls, model: nn.Module) -> str | None:
        """Why nothing can be fitted through a model, in one sentence; None when it can."""
        if not (callable(getattr(model, "encode", None)) and callable(getattr(model, "decode", None))):
            return f"a {type(model).__name__} has no codes: go through a family with encode and decode, such as a vae"
        return None

    @classmethod
    def learn(cls, first: tuple[Codec, nn.Module], objects: Any, config: Latents.Config) -> Latents:
        """The scales, or the books, of the training objects' codes."""
        made = cls(first, _front(first[0], objects, config), config)
        seen = made._seen(objects)
        _, z, spread = seen
        made.shape = tuple(z.shape[1:])
        made._learnt_from = (objects, seen)
        if made.vocab:
            return made
        others = [axis for axis in range(z.ndim) if axis != made._channels + 1]
        made.mean = z.mean(others, keepdim=True)[0]
        square = (z - made.mean).square() + (0 if spread is None else spread.square())
        made.scale = square.mean(others, keepdim=True)[0].sqrt().clamp(min=NARROWEST)
        if config.encoding == "tokens":
            vectors = made._vectors((z - made.mean) / made.scale)
            group = config.group or (vectors.shape[1] if made._channels < len(made.shape) - 1 else 1)
            made.book = Codebook.learn(vectors, config.levels, group)
        return made

    @property
    def space(self) -> Dense | Tokens:
        if self.vocab:
            return Tokens(self.vocab, self.shape)
        if self.book is None:
            return Dense(self.shape)
        groups, levels = self.book.centres.shape[:2]
        return Tokens(levels, (*self._places, groups) if groups > 1 or not self._places else self._places)

    def describe(self) -> str:
        """What was learnt, in one line."""
        what = f"codes {'x'.join(map(str, self.shape))}"
        if isinstance(space := self.space, Tokens):
            what = f"{space.length} tokens out of {space.vocab}"
        described = getattr(self.front, "describe", lambda: "objects")()
        return f"{described}, as {what} of a {type(self.model).__name__}"

    def adapt(self, objects: Any) -> Any:
        """Objects as the first codec can place them."""
        adapt = getattr(self.front, "adapt", None)
        return adapt(objects) if adapt else objects

    def encode(self, objects: Any) -> Encoded:
        """Codes in the space; `spread` is how far a VAE's draws scatter around them."""
        given, z, spread = self._seen(objects)
        if self.vocab:
            return Encoded(z, given=given)
        z = (z - self.mean) / self.scale
        if self.book is not None:
            return Encoded(self.book.encode(self._vectors(z)).reshape(-1, *self.space.shape), given=given)
        return Encoded(z, given=given, spread=None if spread is None else spread / self.scale)

    def decode(self, x: Tensor, rng: torch.Generator | None = None, given: dict[str, Any] | None = None) -> Any:
        """Objects for codes, under the condition that the words in `given` stand for."""
        return self.front.decode(self._write(x, self.condition(given or {}, len(x)), rng), rng, given)

    def reconstruct(self, objects: Any) -> Any:
        """What is left of objects that went through the codes, under their own conditions."""
        encoded = self.encode(objects)
        return self.front.decode(self._write(encoded.x, encoded.given, generator(0, "reconstruct")))

    def condition(self, given: dict[str, Any], n: int) -> Tensor | None:
        return self.front.condition(given, n)

    def score_kind(self, prior: nn.Module) -> str:
        """What `log_prob` is under a second model; "" where there is none."""
        if self.vocab:
            return prior.score_kind if callable(getattr(prior, "log_prob", None)) else ""
        needed = ("likelihood", "writer", *(() if self.book is not None else ("posterior",)))
        if not all(hasattr(self.model, name) for name in needed) or not callable(getattr(prior, "log_prob", None)):
            return ""
        return "estimate" if prior.score_kind == "estimate" else "bound"

    def log_prob(self, prior: nn.Module, objects: Any) -> Tensor:
        """A lower bound on log P(x | given) of objects, (N,), through the second model as the prior of the first.

        Log mean over draws z of p(x | z) prior(z) / q(z | x) (Burda et al. 2016, eq. 8); of tokens the one term
        p(x | their centre) P(tokens), which the sum over all tokens cannot be below. Of a first model whose codes are
        tokens it is log P(tokens | given): how probable is an object that is coded so.
        """
        encoded = self.front.encode(objects)
        count = len(encoded.x) // self.pieces
        parts = []
        for start in range(0, count, CHUNK):
            rows = slice(start * self.pieces, (start + CHUNK) * self.pieces)
            given = None if encoded.given is None else encoded.given[start : start + CHUNK]
            parts.append(self._bound(prior, encoded.x[rows], given))
        return torch.cat(parts)

    def state(self) -> dict[str, Any]:
        return {
            "config": asdict(self.config),
            "shape": list(self.shape),
            "mean": self.mean.tolist(),
            "scale": self.scale.tolist(),
            "book": self.book.centres.tolist() if self.book is not None else None,
            "front": self.front.state() if self.front is not self.codec else None,
        }

    @classmethod
    def from_state(cls, state: dict[str, Any], first: tuple[Codec, nn.Module]) -> Latents:
        front = first[0] if state["front"] is None else type(first[0]).from_state(state["front"])
        made = cls(first, front, fill(cls.Config, state["config"], "codec"))
        made.mean, made.scale = torch.tensor(state["mean"]), torch.tensor(state["scale"])
        made.book = None if state["book"] is None else Codebook(torch.tensor(state["book"]))
        made.shape = tuple(state["shape"])
        return made

    @property
    def _channels(self) -> int:
        """Which dimension of a code holds its channels: the first of a grid (C, H, W), else the last."""
        grid = len(self.shape) - (self.pieces > 1) == 3
        return len(self.shape) - (3 if grid else 1)

    @property
    def _places(self) -> tuple[int, ...]:
        """The dimensions of a code but for its channels."""
        return tuple(side for axis, side in enumerate(self.shape) if axis != self._channels)

    def _vectors(self, z: Tensor) -> Tensor:
        """The channels of all places, (B places, D)."""
        return z.movedim(self._channels + 1, -1).flatten(0, -2)

    def _seen(self, objects: Any) -> tuple[Tensor | None, Tensor, Tensor | None]:
        """(condition, codes, their spread or None) of objects."""
        if self._learnt_from is not None and self._learnt_from[0] is objects:
            seen, self._learnt_from = self._learnt_from[1], None
            return seen
        encoded = self.front.encode(objects)
        if encoded.window:
            raise DataError("a stream has no whole examples, so nothing can be fitted through a model of it")
        told, codes = self._told(encoded.given), []
        for start in range(0, len(encoded.x), CHUNK):
            rows = slice(start, start + CHUNK)
            codes.append(self._code(encoded.x[rows], None if told is None else told[rows]))
        z, spread = (None if part[0] is None else self._joined(torch.cat(part)) for part in zip(*codes))
        return encoded.given, z, spread

    @torch.no_grad()
    def _code(self, x: Tensor, given: Tensor | None) -> tuple[Tensor, Tensor | None]:
        if callable(posterior := getattr(self.model, "posterior", None)):
            mean, log_scale = posterior(x, given)
            return mean, log_scale.exp()
        return self.model.encode(x, given), None

    def _told(self, given: Tensor | None) -> Tensor | None:
        """The first model's condition for each of its rows, where it takes one."""
        return None if given is None or self.model.given is None else given.repeat_interleave(self.pieces, 0)

    def _joined(self, rows: Tensor) -> Tensor:
        """Rows of pieces to rows of objects."""
        return rows.unflatten(0, (-1, self.pieces)) if self.pieces > 1 else rows

    @torch.no_grad()
    def _write(self, x: Tensor, given: Tensor | None, rng: torch.Generator | None) -> Tensor:
        """Rows in the first codec's space for codes in ours."""
        z, parts = self._restored(x.cpu()), []
        told = self._told(given)
        for start in range(0, len(z), CHUNK):
            rows = slice(start, start + CHUNK)
            parts.append(self._written(z[rows], None if told is None else told[rows], rng))
        return torch.cat(parts)

    def _written(self, z: Tensor, given: Tensor | None, rng: torch.Generator | None) -> Tensor:
        drawn = self.config.writing == "drawn" or (
            self.config.writing == "auto" and isinstance(self.front.space, Columns)
        )
        if drawn and hasattr(self.model, "likelihood"):
            return self.model.likelihood.draw(self.model.writer(z.flatten(1), given), rng)
        return self.model.decode(z, given)

    def _restored(self, x: Tensor) -> Tensor:
        """The first model's codes, (rows, ...), of codes in our space."""
        if self.vocab:
            return x.flatten(0, 1) if self.pieces > 1 else x
        if self.book is not None:
            vectors = self.book.decode(x.reshape(-1, len(self.book.centres)))
            x = vectors.reshape(len(x), *self._places, -1).movedim(-1, self._channels + 1)
        z = x * self.scale + self.mean
        return z.flatten(0, 1) if self.pieces > 1 else z

    @torch.no_grad()
    def _bound(self, prior: nn.Module, x: Tensor, given: Tensor | None) -> Tensor:
        told = self._told(given)
        if self.vocab:
            return prior.log_prob(self._joined(self._code(x, told)[0]), given)
        if self.book is not None:
            z = (self._joined(self._code(x, told)[0]) - self.mean) / self.scale
            codes = self.book.encode(self._vectors(z)).reshape(-1, *self.space.shape)
            return prior.log_prob(codes, given) + self._explained(x, self._restored(codes), told)
        mean, log_scale = self.model.posterior(x, told)
        volume = self.scale.log().expand(self.shape).sum()
        weights = []
        for draw in range(self.config.draws):
            noise = torch.randn(mean.shape[1:], generator=generator(0, "draw", draw))
            z = mean + log_scale.exp() * noise
            log_q = -(0.5 * noise.square() + 0.5 * math.log(2 * math.pi) + log_scale).flatten(1).sum(1)
            scaled = (self._joined(z) - self.mean) / self.scale
            weights.append(prior.log_prob(scaled, given) - volume + self._explained(x, z, told) - self._whole(log_q))
        return torch.stack(weights).logsumexp(0) - math.log(len(weights))

    def _explained(self, x: Tensor, z: Tensor, told: Tensor | None) -> Tensor:
        """log p(x | z) of whole objects, (N,)."""
        return self._whole(self.model.likelihood.log_prob(self.model.writer(z.flatten(1), told), x).flatten(1).sum(1))

    def _whole(self, nats: Tensor) -> Tensor:
        """Nats of rows added up over each object's pieces."""
        return nats.reshape(-1, self.pieces).sum(1)


def _front(codec: Codec, objects: Any, config: Latents.Config) -> Codec:
    """The codec of objects and conditions: the first one's, or one like it that has learnt the classes too."""
    settings = getattr(codec, "config", None)
    if not config.labels or codec.given_space is not None or getattr(settings, "labels", None) is not False:
        return codec
    front = type(codec).learn(objects, replace(settings, labels=True))
    if front.space != codec.space:
        raise DataError("the objects are of another size than those the first artifact was fitted with")
    return front
