"""`conjure serve` under many clients at once."""

from __future__ import annotations

from typing import Any

from shown.cells import cell


def lines(found: dict[str, Any]) -> list[str]:
    seen, first, answer, memory = found["statuses"], found["first_token"], found["answer"], found["memory"]
    errors = sum(found["errors"].values())
    return [
        f"**Serving** {found['model']} in {found['weights']}: {found['clients']} clients for {found['seconds']:.0f} s, "
        f"a tenth leaving in mid-answer ({found['machine']}, {found['day']}, commit {found['commit']}).",
        "",
        "| | |",
        "|---|---|",
        f"| tokens a second, clients in turn | {cell(found['serial'], 1)} |",
        f"| tokens a second, eight at once | {cell(found['eight'], 1)} |",
        f"| ratio, neighbouring runs | {cell(found['ratio'], 2)} |",
        f"| answers; clients that left; told 429 | {seen.get('200', 0)}; {seen.get('left', 0)}; {seen.get('429', 0)} |",
        f"| errors other than 429 | {errors} |",
        f"| seconds to the first token, p50, p99 | {first['p50']:.1f}, {first['p99']:.1f} |",
        f"| seconds to the last, p50, p99 | {answer['p50']:.1f}, {answer['p99']:.1f} |",
        f"| resident memory after, against before | {100 * memory['change']:+.1f} % of {memory['before'] >> 20} MiB |",
        "",
        "`python benchmarks/serving_load.py`",
    ]
