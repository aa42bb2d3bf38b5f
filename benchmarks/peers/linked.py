"""SDV's HMA on a folder of linked tables: fit, sample as many, write. Prints its CPU-seconds as JSON."""

from __future__ import annotations

import json
import sys
import time
import warnings
from pathlib import Path

import pandas as pd
from sdv.metadata import Metadata
from sdv.multi_table import HMASynthesizer

warnings.simplefilter("ignore")


def main(data: Path, out: Path) -> None:
    tables = {name: pd.read_csv(data / f"{name}.csv") for name in ("patients", "visits")}
    metadata = Metadata.detect_from_dataframes(tables)
    metadata.update_column("email", table_name="patients", sdtype="email", pii=True)
    for table, column in (("patients", "enrolled"), ("visits", "date")):
        tables[table][column] = pd.to_datetime(tables[table][column])
        metadata.update_column(column, table_name=table, sdtype="datetime", datetime_format="%Y-%m-%d")
    started = time.process_time()
    model = HMASynthesizer(metadata, verbose=False)
    model.fit(tables)
    made = model.sample(scale=1.0)
    spent = time.process_time() - started
    out.mkdir(parents=True, exist_ok=True)
    for name, frame in made.items():
        frame.to_csv(out / f"{name}.csv", index=False)
    print(json.dumps({"cpu": spent}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
