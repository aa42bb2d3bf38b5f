"""A conversation with a language model, turn by turn, and its form in a terminal or a pipe."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import secrets
import sys
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from conjure.artifact import Artifact
from conjure.core.errors import ConfigError, DataError
from conjure.core.rng import derive
from conjure.domains.chat.codec import ChatCodec, Conversation
from conjure.generation import Request, Writer
from conjure.models.decoding import Choice

COMMANDS = """/save FILE   keep the conversation as a line of JSON, as `conjure fit assistant` reads it
/reset       forget what was said
/quit        leave (so does Ctrl-D); Ctrl-C stops an answer and keeps the conversation
\\ at the end of a line: the message goes on in the next one"""


@dataclass(frozen=True)
class Manner:
    """How answers are written. system: what the model is told first; limit: tokens of an answer at most.

    seed: the same seed and the same messages give the same answers; any where it is None.
    """

    choice: Choice = field(default_factory=lambda: Choice(0.4, top_p=0.9, repetition=1.1))
    limit: int = 512
    system: str | None = None
    seed: int | None = None


class Talk:
    """Messages so far, and the model that answers them. ConfigError for an artifact that holds no conversations.

    `left_out`: messages at the beginning that no longer fit into what the model sees at once.
    """

    def __init__(self, artifact: Artifact, manner: Manner, weights: str = "fp32"):
        if not isinstance(artifact.codec, ChatCodec):
            raise ConfigError(
                f"a {artifact.recipe.model} of {artifact.recipe.domain} holds no conversations: "
                "talk to smollm2, a Hugging Face folder, a .gguf file or what `conjure fit assistant` wrote"
            )
        self.codec, self.manner = artifact.codec, manner
        self.seed = secrets.randbits(32) if manner.seed is None else manner.seed
        self.writer = Writer(artifact, slots=1, weights=weights)
        self.reset()

    def reset(self) -> None:
        """Forget what was said."""
        self.messages: Conversation = []
        self.left_out = 0

    def say(self, text: str) -> Generator[str, None, None]:
        """The answer to a message, as it is written; what was written before the iterator is closed is kept.

        DataError for a message that is empty or longer than the model sees at once; it is not kept.
        """
        if not text.strip():
            raise DataError("the message is empty")
        turn, left_out = len(self.messages), self.left_out
        self.messages.append({"role": "user", "content": text})
        try:
            prompt = self._prompt()
            limit = min(self.manner.limit, self.codec.config.context - len(prompt))
            seed = derive(self.seed, "talk", turn)
            stream = self.writer.stream(Request(prompt, self.manner.choice, limit, seed=seed))
        except Exception:
            self.messages.pop()
            self.left_out = left_out
            raise
        said: list[str] = []
        answered = False
        try:
            with stream:
                for piece in stream:
                    said.append(piece.text)
                    yield piece.text
            answered = True
        except (GeneratorExit, KeyboardInterrupt):
            answered = bool(said)
            raise
        finally:
            if answered:
                self.messages.append({"role": "assistant", "content": "".join(said).strip()})
            else:
                self.messages.pop()

    def save(self, path: Path) -> None:
        """Add the conversation to a file of JSON lines, {"messages": [...]} each."""
        if not self.messages:
            raise DataError("nothing was said yet: there is nothing to save")
        line = json.dumps({"messages": [*self._system(), *self.messages]}, ensure_ascii=False)
        with path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def close(self) -> None:
        self.writer.close()

    def _system(self) -> Conversation:
        return [] if self.manner.system is None else [{"role": "system", "content": self.manner.system}]

    def _prompt(self) -> list[int]:
        """Tokens of the system's message and of as many turns as leave room for an answer, the latest ones.

        Once turns must go a quarter of the room is cleared: what stays is read anew, and that should be seldom.
        """
        context = self.codec.config.context
        room = whole = context - min(self.manner.limit, context // 2)
        while True:
            prompt = self.codec.prompt([*self._system(), *self.messages[self.left_out :]])
            last = self.left_out + 2 > len(self.messages) - 1
            if len(prompt) <= room or (last and len(prompt) < context):
                return prompt
            if last:
                raise DataError(
                    f"the message has {len(prompt)} tokens with what stands around it; the model sees {context} at once"
                )
            room = whole * 3 // 4
            self.left_out += 2


class Screen:
    """A talk on a terminal, or one message a line from a pipe: answers go to `out`, all else to standard error."""

    def __init__(self, talk: Talk, source: BinaryIO, out: TextIO, live: bool):
        self.talk, self.source, self.out, self.live = talk, source, out, live
        self.told = 0  # of the messages left out
        self.answers = 0

    def run(self) -> int:
        """Talk until the input ends; how many messages were answered."""
        for text in self._asked() if self.live else self._lines():
            word, _, rest = text.strip().partition(" ")
            if word == "/quit":
                break
            if word.startswith("/"):
                self._obey(word, rest.strip())
            elif text.strip():
                self.answer(text)
        return self.answers

    def answer(self, text: str) -> None:
        """Print the answer to a message as it comes; a blank line parts it from the one before."""
        pieces = self.talk.say(text)
        stopped = False
        try:
            if self.answers:
                self.out.write("\n")
            for piece in pieces:
                self.out.write(piece)
                self.out.flush()
        except KeyboardInterrupt:
            if not self.live:
                raise
            stopped = True
        except DataError as error:
            if not self.live:
                raise
            self._note(str(error))
            return
        finally:
            pieces.close()
        self.answers += not self.live
        self.out.write(" ..." * stopped + "\n\n" if self.live else "\n")
        self.out.flush()
        if self.talk.left_out > self.told:
            self._note(f"the first {self.talk.left_out} messages no longer fit and are left out")
            self.told = self.talk.left_out

    def _obey(self, word: str, rest: str) -> None:
        try:
            if word == "/save" and rest:
                self.talk.save(Path(rest).expanduser())
                self._note(f"saved to {rest}")
            elif word == "/reset" and not rest:
                self.talk.reset()
                self.told = 0
                self._note("what was said is forgotten")
            else:
                self._note(COMMANDS)
        except (DataError, OSError) as error:
            self._note(f"not saved: {error.strerror or error}" if isinstance(error, OSError) else str(error))

    def _asked(self) -> Iterator[str]:
        """Messages typed at a prompt; Ctrl-C drops a line that was begun, Ctrl-D ends."""
        with contextlib.suppress(ImportError):
            importlib.import_module("readline")  # lines can then be edited and called back
        begun: list[str] = []
        while True:
            try:
                line = input("... " if begun else "> ")
            except KeyboardInterrupt:
                begun = []
                self._note("\n(Ctrl-D or /quit leaves)")
                continue
            except EOFError:
                self.out.write("\n")
                return
            except UnicodeDecodeError:
                self._note("that line is not valid UTF-8")
                continue
            begun.append(line.removesuffix("\\"))
            if not line.endswith("\\"):
                yield "\n".join(begun)
                begun = []

    def _lines(self) -> Iterator[str]:
        for number, line in enumerate(self.source, 1):
            try:
                yield line.decode("utf-8").rstrip("\r\n")
            except UnicodeDecodeError:
                raise DataError(f"line {number} of the input is not valid UTF-8") from None

    def _note(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)


def chat(talk: Talk, message: str | None = None) -> None:
    """One message answered, or a talk over standard input and output; DataError where a pipe holds no message."""
    live = message is None and sys.stdin.isatty()
    screen = Screen(talk, sys.stdin.buffer, sys.stdout, live)
    try:
        if message is not None:
            screen.answer(message)
        elif not screen.run() and not live:
            raise DataError("there was no message on standard input: write one a line, or give one with --message")
    except BrokenPipeError:  # whoever read along has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    finally:
        talk.close()


def welcome(artifact: Artifact, place: Any) -> str:
    """What a terminal shows first."""
    source, codec = artifact.card.get("source", {}), artifact.codec
    size = sum(value.numel() for value in artifact.model.state_dict().values())
    told = f"{source.get('name') or place}: {size / 1e6:,.0f} M numbers, licence {source.get('licence', 'unknown')}"
    return f"{told}, {codec.config.context} tokens at once. /help says what can be done."  # type: ignore[attr-defined]
