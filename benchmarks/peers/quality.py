"""Column shapes and pair trends by sdmetrics itself: `quality.py REAL.csv MADE.csv NUMERIC,COLUMNS`. Prints JSON."""

import json
import sys

import pandas as pd
from sdmetrics.reports.single_table import QualityReport


def main(real, made, numbers):
    numeric = set(numbers.split(","))
    real, made = (pd.read_csv(path, keep_default_na=False) for path in (real, made))
    kinds = {c: {"sdtype": "numerical" if c in numeric else "categorical"} for c in real.columns}
    report = QualityReport()
    report.generate(real, made, {"columns": kinds}, verbose=False)
    scores = report.get_properties().set_index("Property")["Score"]
    print(json.dumps({"shapes": scores["Column Shapes"], "pairs": scores["Column Pair Trends"]}))


if __name__ == "__main__":
    main(*sys.argv[1:])
