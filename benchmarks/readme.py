"""The README's table of results, made from the JSON files in benchmarks/results.

Usage: python benchmarks/readme.py (a test holds the README to what this makes).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
OPEN, CLOSE = "<!-- results -->", "<!-- end of results -->"

TABLE_ROWS = ("conjure circuit", "conjure columns", "conjure vae", "conjure gan")
PEER_ROWS = ("tabularargn", "tvae", "ctgan", "independent columns", "real rows")
TITLES = {
    "conjure circuit": "**conjure** (default, circuit)",
    "conjure columns": "conjure `--model columns`",
    "conjure vae": "conjure `--model vae`",
    "conjure gan": "conjure `--model gan`",
    "tabularargn": "mostlyai-engine 2.7.3, TabularARGN",
    "tvae": "ctgan 0.12.1, TVAE, 300 epochs",
    "ctgan": "ctgan 0.12.1, CTGAN, 300 epochs",
    "independent columns": "independent columns (baseline)",
    "real rows": "real rows (ceiling)",
}


def cell(value: dict[str, float] | None, digits: int = 3) -> str:
    """Mean, with half of its 95 % interval where there were repetitions."""
    if value is None:
        return "-"
    mean = f"{value['mean']:.{digits}f}"
    return mean if "low" not in value else f"{mean} ± {(value['high'] - value['low']) / 2:.{digits}f}"


def adult(found: dict[str, Any]) -> list[str]:
    """Synthetic Adult: every model of the run, in the order of the lists above."""
    lines = [
        f"**Synthetic Adult** ({found['machine']}, {found['day']}, commit {found['commit']}). C2ST: AUC of XGBoost "
        "that tells training rows from made ones; TSTR: AUC of XGBoost learnt on made rows, tested on real ones; "
        "shapes and pairs by sdmetrics.",
        "",
        "| model | fits | C2ST (0.5 is best) | TSTR | pairs | shapes | nats a row | fit, CPU-s |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name in (*TABLE_ROWS, *PEER_ROWS):
        if s := found["summary"].get(name):
            numbers = [cell(s.get(k)) for k in ("c2st", "tstr", "pairs", "shapes")]
            ends = [cell(s.get("nats"), 2), cell(s.get("fit_cpu"), 0)]
            lines.append(f"| {TITLES[name]} | {s['tstr']['n']} | " + " | ".join([*numbers, *ends]) + " |")
    return [*lines, "", "`python benchmarks/tables_adult.py`"]


def shakespeare(found: dict[str, Any]) -> list[str]:
    """Characters of Shakespeare: ours at fractions of nanoGPT's CPU-seconds."""
    lines = [
        f"**Characters of Shakespeare**, context 64, one thread ({found['machine']}, {found['day']}, commit "
        f"{found['commit']}). Loss in nats a character over the whole validation split; CPU-seconds of processes.",
        "",
        "| model | runs | validation loss | CPU-s | share of nanoGPT's |",
        "|---|---|---|---|---|",
    ]
    for name, s in found["figures"].items():
        title = "nanoGPT, its CPU setting" if name == "nanoGPT" else name
        numbers = [cell(s["loss"]), cell(s["cpu_seconds"], 0), cell(s.get("ratio"), 2)]
        lines.append(f"| {title} | {s['loss']['n']} | " + " | ".join(numbers) + " |")
    return [*lines, "", "`python benchmarks/text_shakespeare.py`"]


def likelihoods(found: dict[str, Any]) -> list[str]:
    """Families by their likelihood of the same binarised digits, the best first."""
    figures, epochs = found["figures"], found["peer"]["epochs"]
    titles = {"pythae VAE": f"pythae 0.1.2 VAE, {epochs['vae']} epochs", "pixels": "pixels (autoregressive)"}
    titles["pythae IWAE-50"] = f"pythae 0.1.2 IWAE-50, {epochs['iwae']} epoch"
    lines = [
        f"**Likelihood of binarised MNIST** (one fixed random draw), 10,000 test pictures, brief fits on one thread "
        f"({found['machine']}, {found['day']}, commit {found['commit']}). Estimate: 5,000 importance weights; VAEs and "
        "pythae share one perceptron; published 89.78 (VAE), 86.82 (IWAE-50), 85.79 (VAMP) are of hundreds of epochs.",
        "",
        "| model | fits | NLL, nats | is | CPU-s | share of pythae's |",
        "|---|---|---|---|---|---|",
    ]
    for name, s in sorted(figures.items(), key=lambda item: item[1]["nll"]["mean"]):
        exact = found["kinds"].get(name) == "exact"
        numbers = [cell(s["nll"], 2), "exact" if exact else "estimate", cell(s["cpu_seconds"], 0)]
        row = [titles.get(name, name), str(s["nll"]["n"]), *numbers, cell(s.get("ratio"), 2)]
        lines.append(f"| {' | '.join(row)} |")
    return [*lines, "", "`python benchmarks/likelihood_mnist.py`"]


def limits(found: dict[str, Any]) -> list[str]:
    """Start-up, memory and sampling."""
    f = found["figures"]
    fit, sample = f["fit"], f["sample 100,000 rows, whole command"]
    return [
        f"**Limits** ({found['machine']}, {found['day']}, commit {found['commit']}; wall seconds, medians).",
        "",
        "| what | figure |",
        "|---|---|",
        f"| `import conjure` | {f['import conjure']['median']:.2f} s |",
        f"| `conjure --help` | {f['conjure --help']['median']:.2f} s |",
        f"| fit of {fit['rows']:,} rows of Parquet, `--minutes {fit['minutes asked']:g}` | "
        f"{fit['wall_seconds']:.0f} s in all, {fit['peak_gigabytes']:.2f} GB resident at the peak |",
        f"| `conjure sample -n 100000 -o FILE.csv` | {sample['median']:.1f} s |",
        "",
        "`python benchmarks/engine_limits.py`",
    ]


def decoding(found: dict[str, Any]) -> list[str]:
    """Tokens a second of decoders of 10.65 M parameters."""
    lines = [
        f"**Writing token by token**, 10.65 M parameters, 255 tokens, one core ({found['machine']}, {found['day']}, "
        f"commit {found['commit']}). Tokens a second of CPU; ratios are of neighbouring runs.",
        "",
        "| writer | runs | tokens a second |",
        "|---|---|---|",
    ]
    lines += [f"| {name} | {s['n']} | {cell(s, 0)} |" for name, s in found["figures"].items()]
    lines += ["", "| ratio | |", "|---|---|"]
    lines += [f"| {name} | {cell(s, 2)} |" for name, s in found["ratios"].items()]
    if cost := found.get("int8"):
        lines.append(f"| int8 costs, nats a character | {cost['difference']:+.4f} (of {cost['fp32']:.3f}) |")
    return [*lines, "", "`python benchmarks/decode_speed.py`"]


def restyle(found: dict[str, Any]) -> list[str]:
    """Glyphs of one font into the other."""
    lines = [
        f"**DejaVu Sans to Serif and back, without pairs** ({found['machine']}, {found['day']}, commit "
        f"{found['commit']}). Mean absolute error, 0 to 1, to the true glyph of 400 code points never seen; FD(pca64) "
        "between translations and the font; one thread, CPU-seconds of processes.",
        "",
        "| model | runs | into serif | into sans | FD into serif | FD into sans | CPU-s | error, share of the peer's |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, s in found["figures"].items():
        numbers = [cell(s[k], 4) for k in ("into serif", "into sans")]
        numbers += [cell(s[k], 1) for k in ("FD into serif", "FD into sans")]
        numbers += [cell(s.get("cpu_seconds"), 0), cell(s.get("ratio"), 2)]
        lines.append(f"| {name} | {s['error']['n']} | " + " | ".join(numbers) + " |")
    return [*lines, "", "`python benchmarks/cyclegan_glyphs.py`"]


def translation(found: dict[str, Any]) -> list[str]:
    """German to English: ours, what needs no model, and a published figure."""
    fit, test = found["fit"], found["translate_test"]
    lines = [
        f"**Multi30k, German to English**, test2016, one thread ({found['machine']}, {found['day']}, commit "
        f"{found['commit']}). {found['parameters'] / 1e6:.1f} M parameters, {found['metrics']['steps']:,} steps; fit "
        f"{fit['cpu_seconds']:.0f} CPU-s ({fit['wall_seconds'] / 60:.0f} min on a shared machine), 1,000 sentences "
        f"translated in {test['cpu_seconds']:.0f} CPU-s. Loops: outputs with four words in a row three times.",
        "",
        "| targets | BLEU | chrF | loops |",
        "|---|---|---|---|",
    ]
    for name, s in found["rows"].items():
        title = f"**{name}**" if name.startswith("conjure") else f"{name} (baseline)"
        lines.append(f"| {title} | {cell(s['BLEU'], 1)} | {cell(s['chrF'], 1)} | {s['in_circles']} |")
    lines.append(f"| {found['published']['what']} | {found['published']['BLEU']} | - | - |")
    signatures = ", ".join(f"{name} `{text}`" for name, text in found["signatures"].items())
    return [*lines, "", f"sacrebleu: {signatures}. `python benchmarks/translation_multi30k.py`"]


def flows(found: dict[str, Any]) -> list[str]:
    """Flow matching beside torchcfm: each set's rows."""
    lines = [
        f"**Flow matching with the same networks** ({found['machine']}, {found['day']}, commit {found['commit']}). "
        "Points: 2-Wasserstein distance to held-out points; MNIST: FD(features of a classifier) to the test set. "
        "CPU-seconds of training, one thread; torchcfm draws by dopri5, ours by 100 and by 10 calls of the network.",
        "",
        "| set | model | runs | distance | at 10 calls | 10 against 100 | CPU-s | share of torchcfm's |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, rows in found["figures"].items():
        digits = 2 if name == "MNIST" else 4
        for model, s in rows.items():
            shares = [cell(v, 2) for k, v in s.items() if k.startswith("cpu / ")]
            numbers = [cell(s[k], digits) if k in s else "-" for k in ("distance", "distance_at_10")]
            ends = [cell(s.get("at 10 / at 100"), 3), cell(s.get("cpu_seconds"), 1), " and ".join(shares) or "-"]
            lines.append(f"| {name} | {model} | {s['distance']['n']} | " + " | ".join([*numbers, *ends]) + " |")
    return [*lines, "", "`python benchmarks/flow_matching.py`"]


def toys(found: dict[str, Any]) -> list[str]:
    """Modes of a ring and a grid."""
    lines = [
        f"**Modes of a ring of 8 and a grid of 25 Gaussians** ({found['machine']}, {found['day']}, commit "
        f"{found['commit']}). Samples within three standard deviations of a mode (of the data: 0.989).",
        "",
        "| family, set | seeds with all modes | share of samples near a mode | CPU-s |",
        "|---|---|---|---|",
    ]
    for name, s in found["figures"].items():
        numbers = [cell(s["share"], 3), cell(s["cpu_seconds"], 0)]
        lines.append(f"| {name} | {s['all modes']} of {s['seeds']} | " + " | ".join(numbers) + " |")
    return [*lines, "", "`python benchmarks/toys.py`"]


def etth1(found: dict[str, Any]) -> list[str]:
    """Forecasts 96 hours ahead beside DLinear and naive ones."""
    lines = [
        f"**ETTh1, 96 hours ahead**, standard split, 2,785 test windows, one thread ({found['machine']}, "
        f"{found['day']}, commit {found['commit']}). History {found['history']} rows, chosen on the validation part; "
        "standardised units. A point forecast's CRPS is its absolute error. Coverage: of the 80 % interval, of single "
        "values and of sums over the horizon.",
        "",
        "| forecast | runs | MSE | MAE | CRPS | coverage | of sums | fit, CPU-s |",
        "|---|---|---|---|---|---|---|---|",
    ]
    titles = {"linear": "**conjure** (default, linear)", "transformer": "conjure `--recipe transformer`"}
    for name, s in found["figures"].items():
        numbers = [cell(s[k], 4) for k in ("MSE", "MAE", "CRPS")]
        ends = [cell(s.get("coverage")), cell(s.get("coverage of sums")), cell(s.get("CPU-s"), 0)]
        lines.append(f"| {titles.get(name, name)} | {s['MSE']['n']} | " + " | ".join([*numbers, *ends]) + " |")
    return [*lines, "", "`python benchmarks/forecasting_etth1.py`"]


def games(found: dict[str, Any]) -> list[str]:
    """Generators of digits and of clothes, at equal CPU-seconds."""
    lines = [
        f"**Games on small pictures** at {found['seconds']:g} CPU-seconds each, one thread ({found['machine']}, "
        f"{found['day']}, commit {found['commit']}). FD(f): Frechet distance of 10,000 samples to the test set, f = "
        f"{found['features']}; it also says which samples under a label are of their class.",
        "",
        "| data | model | runs | FD(f) | to the best peer | of their class |",
        "|---|---|---|---|---|---|",
    ]
    for name, figures in found["figures"].items():
        for title, s in figures.items():
            numbers = [cell(s["fd"], 1), cell(s.get("ratio"), 2), cell(s.get("right"), 3)]
            lines.append(f"| {name} | {title} | {s['fd']['n']} | " + " | ".join(numbers) + " |")
        bounds = found["references"][name]
        lines.append(f"| {name} | independent pixels (baseline) | - | {bounds['pixels']:.1f} | - | - |")
        lines.append(f"| {name} | real pictures (ceiling) | - | {bounds['real']:.1f} | - | {bounds['right']:.3f} |")
    return [*lines, "", "`python benchmarks/gan_mnist.py`"]


def markdown() -> str:
    """All tables there are results for."""
    parts = []
    for name, make in (
        ("tables_adult", adult),
        ("text_shakespeare", shakespeare),
        ("forecasting_etth1", etth1),
        ("likelihood_mnist", likelihoods),
        ("engine_limits", limits),
        ("translation_multi30k", translation),
        ("cyclegan_glyphs", restyle),
        ("decode_speed", decoding),
        ("flow_matching", flows),
        ("toys", toys),
        ("gan_mnist", games),
    ):
        path = RESULTS / f"{name}.json"
        if path.exists():
            parts.append("\n".join(make(json.loads(path.read_text("utf-8")))))
    return "\n\n".join(parts)


def updated(text: str) -> str:
    """A README with the table between its marks made anew."""
    before, _, rest = text.partition(OPEN)
    _, _, after = rest.partition(CLOSE)
    return f"{before}{OPEN}\n{markdown().replace(', 1 cores', ', 1 core')}\n{CLOSE}{after}"


if __name__ == "__main__":
    readme = ROOT / "README.md"
    readme.write_text(updated(readme.read_text("utf-8")), "utf-8")
