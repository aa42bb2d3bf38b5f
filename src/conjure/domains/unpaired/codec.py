"""Pictures of two styles as tensors, and the wish for a style as the condition."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from conjure.core.config import fill, nearest
from conjure.core.errors import ConfigError, DataError
from conjure.core.rng import generator
from conjure.core.space import Dense
from conjure.core.transport import pair
from conjure.domains.image.codec import ImageCodec
from conjure.domains.image.pictures import Images
from conjure.domains.protocol import Encoded
from conjure.domains.unpaired import corpus

WORDS = ("picture", "to")
TOGETHER, SWEEPS = 2048, 16  # pictures of a style that are paired at a time, so that memory stays bounded; and how long


class UnpairedCodec:
    """P(picture in the one style | picture in the other): x (C, H, W), given (C + 1, H, W), both in [-1, 1].

    The last plane of what is given says which style is wanted, -1 the first by name, 1 the second. To train, each
    picture is an x, and given beside it is some picture of the other style, chosen once by a shuffle: nothing hangs
    together in such a pair but that there is one of each, which is all that an objective of two sets may use. By
    transport instead of a shuffle, partners are such that the sum of squared distances between them is small, which
    makes them alike where there are alike ones. An epoch sees every picture, those of the smaller set more often.
    """

    FILES = ("picture",)  # words of a condition that name files

    @dataclass(frozen=True)
    class Config:
        """size: pictures are scaled until the shorter side has that many pixels (area average), then the middle
        square is cut out; without it all must have one size. partners: how the picture beside each is chosen.
        """

        size: int | None = None
        partners: Literal["shuffle", "transport"] = "shuffle"

    def __init__(self, pictures: ImageCodec, styles: tuple[str, str], partners: str = "shuffle"):
        self.pictures, self.styles, self.partners = pictures, styles, partners
        self.notes = pictures.notes
        self.space: Dense = pictures.space  # type: ignore[assignment]
        colours, *sides = self.space.shape
        self.given_space = Dense((colours + 1, *sides), -1.0, 1.0)

    @classmethod
    def learn(cls, objects: Images, config: UnpairedCodec.Config) -> UnpairedCodec:
        """Size, colour and the names of the styles; DataError names a picture of another size."""
        pictures, styles = ImageCodec.learn(objects, _plain(config)), tuple(sorted(objects.classes))
        return cls(pictures, styles, config.partners)  # type: ignore[arg-type]

    def describe(self) -> str:
        """What was learnt, in one line."""
        return f"{self.pictures.describe()} in two styles, {self.styles[0]} and {self.styles[1]}"

    def encode(self, objects: Images) -> Encoded:
        """Each picture, and beside it one of the other style with the wish for its own.

        DataError names a picture out of place, a third style, or says that a style is missing.
        """
        style = torch.from_numpy(self._styles_of(objects))
        x = self.pictures.encode(objects).x
        partner = torch.empty(len(x), dtype=torch.long)
        for k in (0, 1):
            mine, others = (style == k).nonzero().squeeze(1), (style != k).nonzero().squeeze(1)
            if not len(others):
                raise DataError(f"all {len(x)} pictures are {self.styles[k]}; both styles are needed")
            order = torch.randperm(len(others), generator=generator(0, "partners", k))
            partner[mine] = others[order[torch.arange(len(mine)) % len(others)]]
        if self.partners == "transport":
            for k in (0, 1):
                for some in (style == k).nonzero().squeeze(1).split(TOGETHER):
                    partner[some] = partner[some][pair(x[partner[some]], x[some], SWEEPS)]
        return Encoded(x, given=_wish(x[partner], style))

    def decode(self, x: Tensor, rng: torch.Generator | None = None, given: dict[str, Any] | None = None) -> Images:
        """Byte pictures again, labelled with the style that was asked for."""
        made = self.pictures.decode(x)
        labels = np.full(len(made), given["to"]) if given and "to" in given else None
        return Images(made.pixels, labels, self.styles if labels is not None else ())

    def condition(self, given: dict[str, Any], n: int) -> Tensor:
        """From {"picture": file, folder, array or Images, "to": style}: n pictures, or one for all n draws."""
        if unknown := [key for key in given if key not in WORDS]:
            raise ConfigError(f"two styles take no --given {unknown[0]!r}: {nearest(unknown[0], list(WORDS))}")
        if "picture" not in given:
            raise ConfigError(f"a picture to translate is needed: --given picture=FILE --given to={self.styles[1]}")
        shown = corpus.read_questions(given["picture"])
        if len(shown) == 1:
            shown = shown.take(np.zeros(n, int))
        if len(shown) < n:
            raise ConfigError(f"{n} translations are asked for, of {len(shown)} pictures")
        return self.evidence(shown.take(np.arange(n)), given)

    def questions(self, objects: Images) -> Images:
        """The pictures themselves: what is asked is how each would look in the other style."""
        return objects

    def evidence(self, objects: Images, given: dict[str, Any] | None = None) -> Tensor:
        """The pictures, each with the wish for the style of given["to"], else for the other than its own.

        A picture's own style is its label, or the folder it lies in. ConfigError where neither says it.
        """
        to = self._wanted(objects, (given or {}).get("to"))
        return _wish(self.pictures.encode(objects).x, torch.from_numpy(to))

    def complete(self, objects: Images, x: Tensor, rng: torch.Generator | None = None) -> Images:
        """The translations in the order of the pictures, each labelled with its new style where the old is known."""
        own = self._own(objects)
        labels = None if (own < 0).any() else np.array(self.styles)[1 - own]
        return Images(self.pictures.decode(x).pixels, labels, self.styles, objects.names, objects.notes)

    def state(self) -> dict[str, Any]:
        return {"pictures": self.pictures.state(), "styles": list(self.styles), "partners": self.partners}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> UnpairedCodec:
        pictures, styles = ImageCodec.from_state(state["pictures"]), tuple(state["styles"])
        return cls(pictures, styles, state["partners"])  # type: ignore[arg-type]

    def _wanted(self, objects: Images, to: str | None) -> np.ndarray:
        if to is not None:
            if to not in self.styles:
                raise ConfigError(f"no style is called {str(to)!r}: {nearest(str(to), list(self.styles))}")
            wanted = self.styles.index(to)
            if len(there := np.flatnonzero(self._own(objects) == wanted)):
                name = objects.name(int(there[0]))
                raise ConfigError(f"{name} is {to} already; without --given to= each becomes the other")
            return np.full(len(objects), wanted)
        own = self._own(objects)
        if (own < 0).any():
            a, b = self.styles
            name = objects.name(int(np.flatnonzero(own < 0)[0]))
            raise ConfigError(
                f"{name} may be {a} or {b}: say what to make, --given to={a} or to={b}, or put pictures into "
                "folders of these names"
            )
        return 1 - own

    def _own(self, objects: Images) -> np.ndarray:
        """The style each picture has, -1 where neither label nor folder is one of them."""
        places = {name: k for k, name in enumerate(self.styles)}
        if objects.labels is not None and set(objects.labels.tolist()) <= set(self.styles):
            return np.array([places[label] for label in objects.labels.tolist()], np.int64)
        folders = [Path(name).parent.name for name in objects.names] or [""] * len(objects)
        return np.array([places.get(folder, -1) for folder in folders], np.int64)

    def _styles_of(self, objects: Images) -> np.ndarray:
        own = self._own(objects)
        if (own < 0).any():
            row = int(np.flatnonzero(own < 0)[0])
            raise DataError(f"{objects.name(row)} is neither {self.styles[0]} nor {self.styles[1]}")
        return own


def _wish(x: Tensor, style: Tensor) -> Tensor:
    """Pictures with the plane that says which style each shall have, (N, C + 1, H, W)."""
    plane = (2.0 * style - 1).reshape(-1, 1, 1, 1).expand(-1, 1, *x.shape[2:])
    return torch.cat([x, plane.to(x)], 1)


def _plain(config: UnpairedCodec.Config) -> ImageCodec.Config:
    return fill(ImageCodec.Config, {"size": config.size, "labels": False, "numbers": False}, "codec")
