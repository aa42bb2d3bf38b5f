"""Guessing what comes next from what a text holds already: names, quotations and code are written again and again."""

from __future__ import annotations

RUN = 3  # tokens that must be alike before what followed them is guessed to follow again


class Lookup:
    """Where each short run of a text's tokens stood last (prompt-lookup decoding: Saxena 2023).

    The number guessed doubles when all were right and halves when one was wrong, up to `most`.
    """

    def __init__(self, most: int):
        self._most, self._now = most, max(1, most // 2)
        self._text: list[int] = []
        self._after: dict[tuple[int, ...], tuple[int, int]] = {}  # run -> where the text goes on, the last two times
        self.guessed = self.confirmed = 0

    def add(self, tokens: list[int]) -> None:
        """The text goes on with these."""
        for token in tokens:
            self._text.append(token)
            for size in (2, RUN):
                if len(self._text) >= size:
                    run, at = tuple(self._text[-size:]), len(self._text)
                    self._after[run] = (at, self._after.get(run, (0, 0))[0])

    def guess(self, room: int) -> list[int]:
        """At most `room` tokens that followed the text's last ones before; none where these are new.

        A guess that reaches the end of the text goes round: what came back once after n tokens does so again.
        """
        for size in (RUN, 2):
            _, at = self._after.get(tuple(self._text[-size:]), (0, 0))
            if at:
                found = self._text[at : at + min(self._now, room)]
                return [found[n % len(found)] for n in range(min(self._now, room))]
        return []

    def learn(self, guessed: int, confirmed: int) -> None:
        """How a guess turned out."""
        self.guessed, self.confirmed = self.guessed + guessed, self.confirmed + confirmed
        self._now = min(2 * self._now, self._most) if confirmed == guessed else max(1, self._now // 2)
