"""NSL-KDD in five classes: do made attack flows help to recognise attacks, also of kinds never seen?

One judge throughout: XGBoost of 100 trees, depth 6. Validation on the training part alone: each split leaves a third of
the attack names of every class out of learning (at least one), and a quarter of all other rows. Tested rows are weighed
to imitate the published test: classes in the shares that Tavallaee et al. 2009 give for KDDTest+ (httptunnel is u2r
there), in each class left-out and known names half and half, names alike (`--names root`: by the root of their number).
F1 is of the table summed over splits, its interval from drawing splits anew; `ours` was chosen so. Nothing looks at the
test, which --test FILE judges once, after learning from all training rows.

Usage: python benchmarks/nsl_kdd.py [--splits 10] [--peer-splits 2] [--peers ctgan,tvae] [--epochs 30] [--test FILE]
[--rows] [--go-on] [--add-peers]. CTGAN and TVAE run in an environment of their own, on the same thinned rows as ours,
and give as many rows of each class. --rows also tries ours without weights, by rows alone. The data:
https://github.com/defcom17/NSL_KDD.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from stage import RESULTS, ROOT, SHARED, peer_python, write

import conjure
from conjure.metrics.detection import boosted
from conjure.metrics.frames import Grid, kinds, side_by_side
from conjure.metrics.oversampling import class_weights, oversample, smote
from conjure.metrics.remedies import confusion, f1
from conjure.rebalancing import Plan, rebalance, weigh

CLASSES = {
    "normal": ("normal",),
    "dos": ("apache2", "back", "land", "mailbomb", "neptune", "pod", "processtable", "smurf", "teardrop", "udpstorm"),
    "probe": ("ipsweep", "mscan", "nmap", "portsweep", "saint", "satan"),
    "r2l": (
        *("ftp_write", "guess_passwd", "imap", "multihop", "named", "phf", "sendmail", "snmpgetattack"),
        *("snmpguess", "spy", "warezclient", "warezmaster", "worm", "xlock", "xsnoop"),
    ),
    "u2r": ("buffer_overflow", "httptunnel", "loadmodule", "perl", "ps", "rootkit", "sqlattack", "xterm"),
}
CLASS_OF = {name: label for label, names in CLASSES.items() for name in names}
ORDER = list(CLASSES)
SHARES = np.array([9711, 7458, 2421, 2754, 200]) / 22544  # of KDDTest+, Tavallaee et al. 2009
WORDS = ("protocol_type", "service", "flag")
COLUMNS = (
    *("duration", *WORDS, "src_bytes", "dst_bytes", "land", "wrong_fragment", "urgent", "hot", "num_failed_logins"),
    *("logged_in", "num_compromised", "root_shell", "su_attempted", "num_root", "num_file_creations", "num_shells"),
    *("num_access_files", "num_outbound_cmds", "is_host_login", "is_guest_login", "count", "srv_count", "serror_rate"),
    *("srv_serror_rate", "rerror_rate", "srv_rerror_rate", "same_srv_rate", "diff_srv_rate", "srv_diff_host_rate"),
    *("dst_host_count", "dst_host_srv_count", "dst_host_same_srv_rate", "dst_host_diff_srv_rate"),
    *("dst_host_same_src_port_rate", "dst_host_srv_diff_host_rate", "dst_host_serror_rate"),
    *("dst_host_srv_serror_rate", "dst_host_rerror_rate", "dst_host_srv_rerror_rate"),
)
FIRST = 1000  # splits from here on; those from 0 on were used to choose PLAN
THIN = 2000  # rows of one name that a generative model learns from
PLAN = Plan(("class",), keep=0.75, within="attack", most=1500)
SETTINGS = ["training.epochs=10", "training.threads=1", "model.states=64"]


def read(path: Path) -> pd.DataFrame:
    """Flows with their class; the last two columns, attack and difficulty, as the file has them."""
    table = pd.read_csv(path, header=None, names=[*COLUMNS, "attack", "difficulty"]).drop(columns="difficulty")
    if unknown := sorted(set(table["attack"]) - set(CLASS_OF)):
        raise SystemExit(f"{path}: no class is known for the attack {unknown[0]!r}")
    return table.assign(**{"class": table["attack"].map(CLASS_OF)})


@dataclass(frozen=True)
class Split:
    """Rows to learn from and rows to test on, of which `new` are of names left out, and their weights."""

    learn: pd.DataFrame
    test: pd.DataFrame
    new: np.ndarray
    weights: np.ndarray


def split(table: pd.DataFrame, seed: int, names: str) -> Split:
    rng = np.random.default_rng(seed)
    out: list[str] = []
    for label in ORDER[1:]:
        known = sorted(set(table.loc[table["class"] == label, "attack"]))
        out += list(rng.choice(known, max(1, round(len(known) / 3)), replace=False))
    left = table["attack"].isin(out).to_numpy()
    tested = left | (rng.random(len(table)) < 0.25)
    learn, test = (table[side].reset_index(drop=True) for side in (~tested, tested))
    return Split(learn, test, left[tested], weights(test, left[tested], names))


def weights(test: pd.DataFrame, new: np.ndarray, names: str) -> np.ndarray:
    out, label = np.zeros(len(test)), test["class"].map(ORDER.index).to_numpy()
    for k in range(len(ORDER)):
        for side in (new, ~new):
            some = (label == k) & side
            count = test.loc[some, "attack"].map(test.loc[some, "attack"].value_counts()).to_numpy(float)
            part = 1 / count if names == "alike" else count**-0.5
            out[some] = part / part.sum() if len(part) else 0
        if (label == k).any():
            out[label == k] *= SHARES[k] / out[label == k].sum()
    return out


def thinned(learn: pd.DataFrame, seed: int) -> pd.DataFrame:
    """At most 2,000 rows of each name: how frequent a flood is teaches a model of flows nothing."""
    order = learn.sample(frac=1, random_state=seed)
    return order[order.groupby("attack").cumcount() < THIN].reset_index(drop=True)


def ours(learn: pd.DataFrame, seed: int, most: int | None = None) -> tuple[pd.DataFrame, np.ndarray]:
    """Learnt rows and made ones near them, each name of a class as often; and weights, classes alike."""
    fitted = conjure.fit("tables", thinned(learn, seed), settings=SETTINGS, seed=seed)
    plan = PLAN if most is None else Plan(PLAN.by, keep=PLAN.keep, within=PLAN.within, most=most)
    rows, _ = rebalance(fitted.artifact, learn, plan, seed=seed)
    return rows, weigh(rows, plan, len(learn))


def peer(name: str, learn: pd.DataFrame, seed: int, epochs: int) -> pd.DataFrame:
    """Rows that a peer makes, of each class as many as ours makes, as far as its samples hold them."""
    python = peer_python("ctgan", ["ctgan==0.12.1"])
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder) / "learn.csv", Path(folder) / "made.csv"
        thinned(learn, seed).drop(columns="attack").to_csv(source, index=False)
        words = [str(python), str(ROOT / "benchmarks/peers/tables.py"), name, str(source), str(out)]
        done = subprocess.run([*words, "30000", str(seed), str(epochs)], capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{name} failed: {done.stderr[-2000:]}")
        made = pd.read_csv(out, keep_default_na=False)
    return made[made.groupby("class").cumcount() < PLAN.most]


class Judge:
    """Boosted trees that learn from some rows and say the class of tested ones."""

    def __init__(self, learn: pd.DataFrame, test: pd.DataFrame):
        self.learn, self.test = learn, test

    def laid(self, *more: pd.DataFrame) -> tuple[list[Grid], list[np.ndarray]]:
        frames = [f[list(COLUMNS)] for f in (self.learn, self.test, *more)]
        told = dict.fromkeys(COLUMNS, "number") | dict.fromkeys(WORDS, "category")
        labels = [f["class"].map(ORDER.index).to_numpy() for f in (self.learn, self.test, *more)]
        return side_by_side(list(frames), kinds(frames[0], told), {}), labels  # type: ignore[return-value, arg-type]

    def says(self, rows: Grid, labels: np.ndarray, test: Grid, weights: np.ndarray | None = None) -> np.ndarray:
        from conjure.metrics.frames import join

        frame = join(rows, test).frame()
        present, codes = np.unique(labels, return_inverse=True)
        trees = boosted("Classifier", 100).fit(frame.iloc[: len(rows)], codes, sample_weight=weights)
        return present[trees.predict_proba(frame.iloc[len(rows) :]).argmax(1)]


def tries(judge: Judge, seed: int, peers: list[str], options: argparse.Namespace) -> dict[str, np.ndarray]:
    """What is said of tested rows after each remedy."""
    (learn, test), (labels, _) = judge.laid()
    rng = np.random.default_rng(seed)
    again = oversample(labels, rng)
    found = {
        "nothing": judge.says(learn, labels, test),
        "class weights": judge.says(learn, labels, test, class_weights(labels)),
        "random oversampling": judge.says(learn.rows(again), labels[again], test),
        "SMOTE": judge.says(*smote(learn, labels, rng), test),
    }
    found |= peers_say(judge, seed, peers, options)
    rows, heavy = ours(judge.learn, seed)
    (_, test, full), (_, _, labels) = judge.laid(rows)
    found["conjure"] = judge.says(full, labels, test, heavy)
    if options.rows:
        (_, test, full), (_, _, labels) = judge.laid(ours(judge.learn, seed, 1_000_000)[0])
        found["conjure, rows alone"] = judge.says(full, labels, test)
    return found


def peers_say(judge: Judge, seed: int, peers: list[str], options: argparse.Namespace) -> dict[str, np.ndarray]:
    """What is said of tested rows after each peer's rows were added, classes weighed alike."""
    found = {}
    for name in peers:
        (learn, test, made), (labels, _, new) = judge.laid(peer(name, judge.learn, seed, options.epochs))
        rows = Grid(np.r_[learn.numbers, made.numbers], np.r_[learn.codes, made.codes], learn.names, learn.words)
        both = np.r_[labels, new]
        found[name] = judge.says(rows, both, test, class_weights(both))
    return found


def summary(tables: np.ndarray, seen: list[float]) -> dict[str, object]:
    """F1 of tables (splits, 5, 5) summed, its interval over splits drawn anew; new names told from normal."""
    return {
        "macro_f1": {**over_splits(lambda rows: f1(tables[rows].sum(0)).mean(), len(tables)), "n": len(tables)},
        "f1": dict(zip(ORDER, map(float, f1(tables.sum(0))))),
        "unseen_detected": {"mean": float(np.mean(seen))},
    }


def over_splits(measure: Callable[[np.ndarray], float], splits: int) -> dict[str, float]:
    """A figure of the splits at these places, with its 95 % interval from drawing splits anew."""
    rng = np.random.default_rng(0)
    drawn = [measure(rng.integers(0, splits, splits)) for _ in range(1000)]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return {"mean": float(measure(np.arange(splits))), "low": float(low), "high": float(high)}


def gains(tables: dict[str, np.ndarray]) -> dict[str, dict[str, float]]:
    """What ours has over each other remedy, on the very splits that both were tried on."""
    ours, found = tables["conjure"], {}
    for name, theirs in tables.items():
        count = min(len(theirs), len(ours))

        def more(rows: np.ndarray, theirs: np.ndarray = theirs) -> float:
            return float(f1(ours[rows].sum(0)).mean() - f1(theirs[rows].sum(0)).mean())

        if name != "conjure":
            found[name] = {**over_splits(more, count), "n": count}
    return found


def validate(table: pd.DataFrame, options: argparse.Namespace) -> None:
    path, peers = RESULTS / f"{options.out}.json", [p for p in options.peers.split(",") if p]
    go_on = (options.go_on or options.add_peers) and path.exists()
    earlier = json.loads(path.read_text("utf-8")) if go_on else {}
    tables: dict[str, list[list[list[float]]]] = earlier.get("tables", {})
    seen: dict[str, list[float]] = earlier.get("seen", {})
    first = 0 if options.add_peers else len(tables.get("conjure", []))
    for seed in range(first, options.peer_splits if options.add_peers else options.splits):
        one = split(table, FIRST + seed, options.names)
        truth, judge = one.test["class"].map(ORDER.index).to_numpy(), Judge(one.learn, one.test)
        if options.add_peers:
            said = peers_say(judge, seed, peers, options)
        else:
            said = tries(judge, seed, peers if seed < options.peer_splits else [], options)
        for name, guessed in said.items():
            tables.setdefault(name, []).append(confusion(truth, guessed, one.weights, len(ORDER)).tolist())
            per_name = pd.Series(guessed[one.new] > 0).groupby(one.test["attack"].to_numpy()[one.new]).mean()
            seen.setdefault(name, []).append(float(per_name.mean()))
        arrays = {k: np.array(v) for k, v in tables.items()}
        found = earlier.get("validation", {}) | {k: summary(v, seen[k]) for k, v in arrays.items() if k in seen}
        print(seed, {k: round(v["macro_f1"]["mean"], 3) for k, v in found.items()}, flush=True)  # type: ignore[index]
        keep(options, {"validation": found, "gains": gains(arrays), "tables": tables, "seen": seen})


def keep(options: argparse.Namespace, found: dict[str, object]) -> None:
    """Added to what the results file holds."""
    path = RESULTS / f"{options.out}.json"
    earlier = json.loads(path.read_text("utf-8")) if path.exists() else {}
    known = {k: earlier[k] for k in ("validation", "gains", "tables", "seen", "test") if k in earlier}
    write(options.out, known | found | {"epochs": options.epochs})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=SHARED / "nsl-kdd-train20.csv")
    parser.add_argument("--splits", type=int, default=10)
    parser.add_argument("--peer-splits", type=int, default=2)
    parser.add_argument("--peers", default="ctgan,tvae")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--names", choices=("alike", "root"), default="alike")
    parser.add_argument("--rows", action="store_true")
    parser.add_argument("--go-on", action="store_true", help="add splits to those in the results file")
    parser.add_argument("--add-peers", action="store_true", help="only the peers, beside what the results file holds")
    parser.add_argument("--test", type=Path, help="learn from all training rows and judge on this file, once")
    parser.add_argument("--seeds", type=int, default=3, help="of made rows, with --test")
    parser.add_argument("--out", default="nsl_kdd")
    options = parser.parse_args()
    table = read(options.data)
    if options.test is None:
        validate(table, options)
        return
    test = read(options.test)
    truth, scores = test["class"].map(ORDER.index).to_numpy(), {}
    for seed in range(options.seeds):
        peers = [p for p in options.peers.split(",") if p] if seed < options.peer_splits else []
        for name, said in tries(Judge(table, test), seed, peers, options).items():
            each = f1(confusion(truth, said, np.ones(len(truth)), len(ORDER)))
            scores.setdefault(name, []).append([*each.tolist(), float(each.mean())])
            print(seed, name, np.round(scores[name][-1], 3), flush=True)
    keep(options, {"test": scores})


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
