"""Fit a table with a peer, in the peer's own environment: `tables.py PEER TRAIN.csv OUT.csv ROWS SEED BUDGET`.

BUDGET is epochs for ctgan and tvae (0 = the peer's default) and minutes for tabularargn. Prints one JSON line.
"""

import json
import os
import sys
import time

os.environ["CUDA_VISIBLE_DEVICES"] = ""
import pandas as pd
import torch


def ctgan_like(kind, table, rows, budget):
    import ctgan

    numbers = set(table.select_dtypes("number").columns)
    family = {"ctgan": ctgan.CTGAN, "tvae": ctgan.TVAE}[kind]
    model = family(enable_gpu=False, **({"epochs": int(budget)} if budget else {}))
    model.fit(table, [c for c in table.columns if c not in numbers])
    fitted = time.process_time(), time.perf_counter()
    return model.sample(rows), fitted, {"epochs": int(budget) or 300, "version": ctgan.__version__}


def tabular_argn(table, rows, budget, seed):
    from importlib.metadata import version

    from mostlyai import engine

    model = engine.TabularARGN(max_training_time=budget, random_state=seed, device="cpu", verbose=0)
    model.fit(table)
    fitted = time.process_time(), time.perf_counter()
    return model.sample(rows), fitted, {"minutes": budget, "version": version("mostlyai-engine")}


def main(peer, source, out, rows, seed, budget):
    torch.manual_seed(int(seed))
    table = pd.read_csv(source, keep_default_na=False)
    cpu, wall = time.process_time(), time.perf_counter()
    if peer == "tabularargn":
        made, fitted, facts = tabular_argn(table, int(rows), float(budget), int(seed))
    else:
        made, fitted, facts = ctgan_like(peer, table, int(rows), float(budget))
    made[table.columns].to_csv(out, index=False)
    seconds = {"fit_cpu": fitted[0] - cpu, "fit_wall": fitted[1] - wall, "sample_wall": time.perf_counter() - fitted[1]}
    print(json.dumps({**seconds, **facts, "threads": torch.get_num_threads()}))


if __name__ == "__main__":
    main(*sys.argv[1:])
