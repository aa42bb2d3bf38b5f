"""Fit a table under differential privacy with smartnoise-synth, in its own environment.

`private.py mst|aim|aim-short TRAIN.csv OUT.csv ROWS SEED continuous|ordinal EPSILON DELTA`. Numbers are continuous
(bounds by a tenth of the budget, ten bins) or, where they have at most 256 values, ordinal (all values taken for
public, which costs nothing and is the kinder way). `aim-short` is AIM with 32 rounds in place of 240, the others
are as they come. Prints what the mechanism says of its rounds, then one JSON line.
"""

import json
import sys
import time
from importlib.metadata import version

import numpy as np
import pandas as pd
from snsynth import Synthesizer

ORDINAL = 256
SETTINGS = {"mst": {}, "aim": {"verbose": True}, "aim-short": {"verbose": True, "rounds": 32}}


def main(kind, source, out, rows, seed, numbers, epsilon, delta):
    np.random.seed(int(seed))
    table = pd.read_csv(source, keep_default_na=False)
    numeric = list(table.select_dtypes("number").columns)
    wide = [c for c in numeric if numbers == "continuous" or table[c].nunique() > ORDINAL]
    cpu, wall = time.process_time(), time.perf_counter()
    settings = SETTINGS[kind]
    synthesizer = Synthesizer.create(kind.partition("-")[0], epsilon=float(epsilon), delta=float(delta), **settings)
    synthesizer.fit(
        table,
        categorical_columns=[c for c in table.columns if c not in numeric],
        ordinal_columns=[c for c in numeric if c not in wide],
        continuous_columns=wide,
        preprocessor_eps=0.1 * float(epsilon) if wide else 0.0,
    )
    seconds = {"fit_cpu": time.process_time() - cpu, "fit_wall": time.perf_counter() - wall}
    made = synthesizer.sample(int(rows))
    pd.DataFrame(made, columns=table.columns).to_csv(out, index=False)
    print(json.dumps({**seconds, "version": version("smartnoise-synth")}))


if __name__ == "__main__":
    main(*sys.argv[1:])
