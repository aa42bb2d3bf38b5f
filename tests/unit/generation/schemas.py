"""Random JSON Schemas, as tools of an API carry them."""

from __future__ import annotations

import random
from typing import Any

WORDS = ["name", "city", "unit", "count", "tags", "when", "größe", "a b", 'quo"te', "x", "items", "id_2"]


def random_schema(rng: random.Random, depth: int = 0) -> dict[str, Any]:
    """An object schema, with up to three levels of objects and arrays in it."""
    names = rng.sample(WORDS, rng.randint(0 if depth else 1, 4))
    required = [name for name in names if rng.random() < 0.6]
    found: dict[str, Any] = {"type": "object", "properties": {n: random_value(rng, depth + 1) for n in names}}
    found |= {"required": required} if required else {}
    return found | ({"additionalProperties": False} if rng.random() < 0.7 else {})


def random_value(rng: random.Random, depth: int) -> dict[str, Any]:
    kinds = ["string", "integer", "number", "boolean", "null", "enum", "const", "pattern", "format", "either"]
    kind = rng.choice(kinds + ["object", "array"] * 2 * (depth < 3))
    low = rng.randint(-50, 50)
    match kind:
        case "string":
            sizes = rng.choice([{}, {"minLength": 2}, {"maxLength": 5}, {"minLength": 3, "maxLength": 8}])
            return {"type": "string", "description": "any text", **sizes}
        case "integer":
            return {"type": "integer", **rng.choice([{}, {"minimum": low}, {"minimum": low, "maximum": low + 30}])}
        case "number":
            return {"type": "number", **rng.choice([{}, {"exclusiveMinimum": low}, {"maximum": low}])}
        case "enum":
            return {"enum": rng.sample(["red", "green", 3, None, True, "日本", -1.5, "a\nb"], rng.randint(1, 4))}
        case "const":
            return {"const": rng.choice(["fixed", 7, False])}
        case "pattern":
            return {"type": "string", "pattern": rng.choice(["^[A-Z]{2}-[0-9]{3}$", "^a+b$", "^(yes|no)$"])}
        case "format":
            return {"type": "string", "format": rng.choice(["date", "uuid", "time", "ipv4"])}
        case "either":
            return {"anyOf": [random_value(rng, depth + 1), random_value(rng, depth + 1)]}
        case "object":
            return random_schema(rng, depth)
        case "array":
            sizes = rng.choice([{}, {"minItems": 1}, {"minItems": 2, "maxItems": 3}])
            return {"type": "array", "items": random_value(rng, depth + 1), **sizes}
        case _:
            return {"type": kind}
