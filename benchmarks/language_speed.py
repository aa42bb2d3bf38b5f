"""SmolLM2-135M on this machine's cores beside transformers, ctranslate2 and llama.cpp: first token, tokens, clients.

    python benchmarks/language_speed.py [--repeats 5] [--threads 2 1] [--tokens 64] [--prompt 256] [--quick]

The embedded weights (as the file's rounded numbers come out in fp32) are saved as a Hugging Face folder, converted to
ctranslate2's int8 and rounded to llama.cpp's Q8_0. Each run is a process of its own; the libraries take turns, and
ratios are of runs of the same turn. With one thread the figures are CPU-seconds, with more wall-clock seconds: run it
on a quiet machine. --quick is a try of one turn, which writes no results.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

from stage import ROOT, interval, peer_python, write

HERE = Path(__file__).resolve().parent
KEPT = HERE / ".data" / "smollm2"
PEERS = {
    "transformers": ["transformers==4.57.1"],
    "ctranslate2": ["ctranslate2==4.6.2", "transformers==4.57.1"],
    "llama-cpp": ["llama-cpp-python==0.3.36"],
}
RUNS = (
    ("transformers", "fp32"),
    ("conjure", "fp32"),
    ("transformers", "bf16"),
    ("conjure", "bf16"),
    ("ctranslate2", "int8"),
    ("conjure", "int8"),
    ("llama-cpp", "q8_0"),
)
RATIOS = (  # ours, theirs; time over time
    ("conjure fp32", "transformers fp32"),
    ("conjure bf16", "transformers bf16"),
    ("conjure int8", "ctranslate2 int8"),
    ("conjure int8", "llama-cpp q8_0"),
)
MEASURES = ("first token", "a token, batch 1", "a token, batch 8")


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--repeats", type=int, default=5)
    words.add_argument("--threads", type=int, nargs="+", default=[2, 1])
    words.add_argument("--tokens", type=int, default=64)
    words.add_argument("--prompt", type=int, default=256)
    words.add_argument("--quick", action="store_true")
    asked = words.parse_args()
    if asked.quick:
        asked.repeats, asked.tokens, asked.prompt, asked.threads = 1, 16, 64, asked.threads[-1:]
    pythons = {name: peer_python(name, packages) for name, packages in PEERS.items()}
    prepare(pythons["ctranslate2"])
    prompts = KEPT / "prompts.json"
    rng = random.Random(0)
    prompts.write_text(json.dumps([[rng.randrange(100, 49_000) for _ in range(asked.prompt)] for _ in range(64)]))
    runs: dict[str, dict[str, list[dict[str, Any]]]] = {str(n): {} for n in asked.threads}
    for turn in range(asked.repeats):
        for threads in asked.threads:
            for library, weights in RUNS:
                told = [library, weights, "--model", str(KEPT), "--threads", str(threads)]
                told += ["--prompts", str(prompts), "--tokens", str(asked.tokens)]
                found = once(pythons.get(library, Path(sys.executable)), told, threads)
                runs[str(threads)].setdefault(f"{library} {weights}", []).append(found)
                clock = "cpu" if threads == 1 else "wall"
                shown = {name: round(1000 * value[clock], 2) for name, value in found.items()}
                print(turn, threads, library, weights, shown, "ms", flush=True)
    result = {
        "prompt": asked.prompt,
        "tokens": asked.tokens,
        "peers": {name: packages[0] for name, packages in PEERS.items()},
        "threads": {threads: judged(found, "cpu" if threads == "1" else "wall") for threads, found in runs.items()},
        "runs": runs,
    }
    if asked.quick:
        print(json.dumps({threads: found["ratios"] for threads, found in result["threads"].items()}, indent=1))
    else:
        print(write("language_speed", result))


def judged(runs: dict[str, list[dict[str, Any]]], clock: str) -> dict[str, Any]:
    """Milliseconds of every run with their intervals, and ratios of runs of the same turn."""
    seconds = {
        name: {measure: [run[measure][clock] for run in found] for measure in found[0]} for name, found in runs.items()
    }
    ratios = {
        f"{ours} / {theirs}: {measure}": paired(seconds[ours][measure], seconds[theirs][measure])
        for ours, theirs in RATIOS
        for measure in MEASURES
        if measure in seconds[theirs]
    }
    for name in (name for name in seconds if name.startswith("conjure")):
        own = seconds[name]
        ratios[f"{name}: eight clients, speed over serial"] = paired(
            own["eight clients, serial"], own["eight clients, at once"]
        )
        ratios[f"{name}: a text that repeats, guessed / plain"] = paired(
            own["a repeated text, guessed"], own["a repeated text, plain"]
        )
        ratios[f"{name}: second turn's first token / cold"] = paired(own["second turn, warm"], own["second turn, cold"])
    figures = {
        name: {measure: interval([1000 * s for s in found]) for measure, found in own.items()}
        for name, own in seconds.items()
    }
    return {"clock": clock, "milliseconds": figures, "ratios": ratios}


def paired(one: list[float], other: list[float]) -> dict[str, float]:
    return interval([a / b for a, b in zip(one, other)])


def once(python: Path, told: list[str], threads: int) -> dict[str, Any]:
    cores = sorted(os.sched_getaffinity(0))[:threads]
    bound = {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads), "TOKENIZERS_PARALLELISM": "false"}
    if python == Path(sys.executable):
        bound["PYTHONPATH"] = str(ROOT / "src")
    done = subprocess.run(
        [str(python), str(HERE / "peers" / "language.py"), *told],
        capture_output=True,
        text=True,
        env={**os.environ, **bound},
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(told[:2])} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def prepare(ctranslate2: Path) -> None:
    """The same weights in each library's form, made once."""
    if (KEPT / ".ready").exists():
        return
    from conjure.pretrained import embedded, opening, saving

    if not (KEPT / "config.json").exists():
        KEPT.parent.mkdir(exist_ok=True)
        saving.save(opening.load("smollm2"), KEPT)
    q8(embedded.find("smollm2"), KEPT / "q8_0.gguf")
    made = "from ctranslate2.converters import TransformersConverter as C; import sys"
    made += "; C(sys.argv[1]).convert(sys.argv[1] + '/converted', quantization='int8', force=True)"
    subprocess.run([str(ctranslate2), "-c", made, str(KEPT)], check=True)
    (KEPT / ".ready").touch()


def q8(source: Path, target: Path) -> None:
    """A GGUF file with the same words and weights, its matrices rounded to Q8_0."""
    import gguf

    reader = gguf.GGUFReader(source)
    writer = gguf.GGUFWriter(target, "llama")
    for name, field in reader.fields.items():
        if name.startswith("GGUF.") or name == "general.architecture":
            continue
        kind = field.types[0]
        inner = field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None
        value = int(gguf.LlamaFileType.MOSTLY_Q8_0) if name == "general.file_type" else field.contents()
        writer.add_key_value(name, value, kind, sub_type=inner)
    for tensor in reader.tensors:
        value = gguf.dequantize(tensor.data, tensor.tensor_type)
        if value.ndim == 1:
            writer.add_tensor(tensor.name, value)
        else:
            kind = gguf.GGMLQuantizationType.Q8_0
            writer.add_tensor(tensor.name, gguf.quantize(value, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    main()
