"""Notes that Basic Pitch hears in WAV files, held against a score by mir_eval: `listening.py FOLDER NOTES.json`.

FOLDER holds SIDE/NAME.wav; NOTES.json maps NAME to rows of (start, end, MIDI pitch), in seconds. Prints JSON: for each
SIDE and NAME the F1 of onsets (within 50 ms, whatever the pitch) and of notes (onset within 50 ms and pitch within half
a semitone, whatever the end).
"""

import contextlib
import json
import sys
from pathlib import Path

import mir_eval
import numpy as np
from basic_pitch import FilenameSuffix, build_icassp_2022_model_path
from basic_pitch.inference import Model, predict


def main(folder, notes):
    score = json.loads(Path(notes).read_text())
    model = Model(build_icassp_2022_model_path(FilenameSuffix.onnx))
    found = {}
    for path in sorted(Path(folder).glob("*/*.wav")):
        with contextlib.redirect_stdout(sys.stderr):
            heard = predict(path, model)[2]
        found.setdefault(path.parent.name, {})[path.stem] = compared(score[path.stem], [e[:3] for e in heard])
    print(json.dumps(found))


def compared(score, heard):
    sides = [np.array(sorted(map(tuple, side)), float).reshape(-1, 3) for side in (score, heard)]
    spans = [side[:, :2] for side in sides]
    pitches = [440 * 2 ** ((side[:, 2] - 69) / 12) for side in sides]
    if not len(sides[1]):
        return {"onsets": 0.0, "notes": 0.0, "heard": 0}
    onsets = [np.unique(side[:, 0].round(3)) for side in sides]
    _, _, notes, _ = mir_eval.transcription.precision_recall_f1_overlap(
        spans[0], pitches[0], spans[1], pitches[1], offset_ratio=None
    )
    return {"onsets": mir_eval.onset.f_measure(*onsets)[0], "notes": notes, "heard": len(heard)}


if __name__ == "__main__":
    main(*sys.argv[1:])
