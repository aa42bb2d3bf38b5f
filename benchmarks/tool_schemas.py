"""Calls of tools by a model that knows nothing: do they parse, fit their schema, and come the same when streamed?

Random JSON Schemas (nested objects, lists, enums, patterns, bounds, references, alternatives), a language model of
random weights behind a real server on loopback, the official openai client. Each schema is asked for with tool_choice
auto, required, by name and none, streamed and at once, with one seed. Under auto the model is nudged towards the
token that opens a call, or it would never make one.

Usage: python benchmarks/tool_schemas.py [--schemas 1000] [--minutes 30] [--seed 0]
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jsonschema
import openai
import stage

sys.path.insert(0, str(stage.ROOT))

from conjure.server.app import create
from conjure.server.settings import Settings
from tests.unit.server.live import live
from tests.unit.server.tiny import OPENS, tiny

CHOICES = ("auto", "required", "named", "none")
PATTERNS = (
    "^[a-z]{2,5}$",
    "^[A-Z][a-z]*$",
    "^\\d{3}-\\d{2}$",
    "^(red|green|blue)+$",
    "^[^\\s@]{1,8}@[a-z]{2,6}\\.com$",
)
LENGTHS = (8, 24, 64, 160)  # tokens an answer may have: most are cut in the middle of a call


class Schemas:
    """Random schemas of what people put into tools."""

    def __init__(self, seed: int):
        self.rng = random.Random(seed)

    def parameters(self) -> dict[str, Any]:
        """An object's schema, sometimes with a definition that it refers to."""
        made = self.object(0)
        if self.rng.random() < 0.2:
            made["$defs"] = {"part": self.value(2)}
            made["properties"]["part"] = {"$ref": "#/$defs/part"}
            made.setdefault("required", []).append("part")
        return made

    def object(self, depth: int) -> dict[str, Any]:
        names = self.rng.sample(["city", "days", "unit", "naïve key", "a_b", "x", "when", "日"], self.rng.randint(0, 4))
        made: dict[str, Any] = {"type": "object", "properties": {n: self.value(depth + 1) for n in names}}
        if needed := [n for n in names if self.rng.random() < 0.7]:
            made["required"] = needed
        if self.rng.random() < 0.6:
            made["additionalProperties"] = False
        return made

    def value(self, depth: int) -> dict[str, Any]:
        kinds = ["string", "integer", "number", "boolean", "null", "enum", "const", "pattern"]
        kinds += ["array", "object", "anyOf"] if depth < 4 else []
        return getattr(self, f"_{self.rng.choice(kinds)}")(depth)

    def _string(self, depth: int) -> dict[str, Any]:
        made: dict[str, Any] = {"type": "string"}
        if self.rng.random() < 0.4:
            made["minLength"] = self.rng.randint(0, 5)
        if self.rng.random() < 0.4:
            made["maxLength"] = self.rng.randint(5, 12)
        return made

    def _integer(self, depth: int) -> dict[str, Any]:
        low = self.rng.randint(-50, 50)
        return {"type": "integer"} | ({"minimum": low, "maximum": low + self.rng.randint(0, 90)} if low % 2 else {})

    def _number(self, depth: int) -> dict[str, Any]:
        return {"type": "number"} | ({"minimum": 0, "maximum": 1} if self.rng.random() < 0.4 else {})

    def _boolean(self, depth: int) -> dict[str, Any]:
        return {"type": "boolean"}

    def _null(self, depth: int) -> dict[str, Any]:
        return {"type": "null"}

    def _enum(self, depth: int) -> dict[str, Any]:
        return {"enum": self.rng.sample(["a", "b\n", 'quo"te', "日本", 1, 2.5, None, True], self.rng.randint(1, 4))}

    def _const(self, depth: int) -> dict[str, Any]:
        return {"const": self.rng.choice(["fixed", 0, False, None])}

    def _pattern(self, depth: int) -> dict[str, Any]:
        return {"type": "string", "pattern": self.rng.choice(PATTERNS)}

    def _array(self, depth: int) -> dict[str, Any]:
        low = self.rng.randint(0, 2)
        return {
            "type": "array",
            "items": self.value(depth + 1),
            "minItems": low,
            "maxItems": low + self.rng.randint(0, 3),
        }

    def _object(self, depth: int) -> dict[str, Any]:
        return self.object(depth)

    def _anyOf(self, depth: int) -> dict[str, Any]:
        return {"anyOf": [self.value(depth + 1) for _ in range(2)]}


def asked(tools: list[dict[str, Any]], choice: str, seed: int) -> dict[str, Any]:
    named = {"type": "function", "function": {"name": tools[-1]["function"]["name"]}}
    return {
        "model": "tiny",
        "messages": [{"role": "user", "content": "What now?"}],
        "tools": tools,
        "tool_choice": named if choice == "named" else choice,
        "seed": seed,
        "max_tokens": LENGTHS[seed % len(LENGTHS)],
        **({"logit_bias": {str(OPENS): 6}} if choice == "auto" else {}),
    }


def at_once(client: openai.OpenAI, wanted: dict[str, Any]) -> tuple[Any, ...]:
    """(content, calls, finish_reason) of a whole answer."""
    found = client.chat.completions.create(**wanted).choices[0]
    calls = [(c.id, c.function.name, c.function.arguments) for c in found.message.tool_calls or []]
    return found.message.content or "", calls, found.finish_reason


def in_parts(client: openai.OpenAI, wanted: dict[str, Any]) -> tuple[Any, ...]:
    """The same, put together from a stream."""
    content, calls, finish = "", [], None
    for chunk in client.chat.completions.create(**wanted, stream=True):
        choice = chunk.choices[0]
        content, finish = content + (choice.delta.content or ""), choice.finish_reason or finish
        for part in choice.delta.tool_calls or []:
            if part.id:
                calls.append([part.id, part.function.name, ""])
            calls[part.index][2] += part.function.arguments or ""
    return content, [tuple(c) for c in calls], finish


def judged(answer: tuple[Any, ...], tools: list[dict[str, Any]], choice: str) -> tuple[bool, bool]:
    """Whether every call parses (and there is one where there must be), and whether all fit their schemas."""
    schemas = {t["function"]["name"]: t["function"]["parameters"] for t in tools}
    calls = answer[1]
    if (choice in ("required", "named") and not calls) or (choice == "none" and calls):
        return False, False
    if choice == "named" and [name for _, name, _ in calls] != [tools[-1]["function"]["name"]]:
        return False, False
    try:
        parsed = [(schemas[name], json.loads(arguments)) for _, name, arguments in calls]
    except (KeyError, ValueError):
        return False, False
    return True, all(jsonschema.Draft202012Validator(s).is_valid(x) for s, x in parsed)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--schemas", type=int, default=1000)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--show", action="store_true", help="print what fails")
    options = parser.parse_args()
    schemas = [Schemas(options.seed * 1_000_003 + k).parameters() for k in range(options.schemas)]
    counts = {c: {"asked": 0, "refused": 0, "parse": 0, "valid": 0, "equal": 0, "calls": 0, "cut": 0} for c in CHOICES}
    lock, end = threading.Lock(), time.monotonic() + 60 * options.minutes
    with (
        live(create(Settings(artifacts={"tiny": tiny(context=4096)}))) as server,
        openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=3) as client,
    ):

        def one(k: int) -> None:
            if time.monotonic() > end:
                return
            tools = [
                {"type": "function", "function": {"name": f"f{j}", "parameters": schemas[(k + j) % len(schemas)]}}
                for j in range(k % 3 + 1)
            ]
            for choice in CHOICES:
                wanted, count = asked(tools, choice, k), counts[choice]
                try:
                    whole, parts = at_once(client, wanted), in_parts(client, wanted)
                except openai.BadRequestError as error:
                    if options.show:
                        print(choice, error, json.dumps(tools, ensure_ascii=False))
                    with lock:
                        count["asked"], count["refused"] = count["asked"] + 2, count["refused"] + 2
                    continue
                found = [judged(answer, tools, choice) for answer in (whole, parts)]
                if options.show and not (all(map(all, found)) and whole == parts):
                    print(choice, k, found, whole, parts, json.dumps(tools, ensure_ascii=False))
                with lock:
                    count["asked"] += 2
                    count["parse"] += sum(p for p, _ in found)
                    count["valid"] += sum(v for _, v in found)
                    count["equal"] += 2 * (whole == parts)
                    count["calls"] += len(whole[1]) + len(parts[1])
                    count["cut"] += sum(a[2] == "length" for a in (whole, parts))

        begun = time.monotonic()
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(one, range(len(schemas))))
    result = {"schemas": counts["none"]["asked"] // 2, "choices": counts, "seconds": time.monotonic() - begun}
    print(json.dumps(result, indent=2))
    print(f"wrote {stage.write('tool_schemas', result)}")


if __name__ == "__main__":
    main()
