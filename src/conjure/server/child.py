"""The process of one fit: `python -m conjure.server.child FOLDER` does what FOLDER/job.json says."""

from __future__ import annotations

import errno
import fcntl
import json
import logging
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conjure.artifact import put_file
from conjure.core.errors import ConjureError
from conjure.server.errors import placeless
from conjure.server.jobs import CANCELLED, FAILED, FINISHED, LOCK, OUTCOME, PREVIEW, PROGRESS, SPEC

if TYPE_CHECKING:
    from conjure.recipe import Recipe
    from conjure.training.preview import Preview

EVERY_SECONDS = 0.5


class Diary:
    """Lines of progress, at most two a second."""

    def __init__(self, path: Path):
        self.path, self.last = path, 0.0

    def watch(self, progress: Any) -> None:
        """Note how far the run is."""
        now = time.monotonic()
        if now - self.last < EVERY_SECONDS and progress.fraction < 1:
            return
        self.last = now
        names = ("step", "fraction", "seconds", "left")
        told = {name: getattr(progress, name) for name in names}
        self.write(told | {"metrics": dict(progress.metrics), "warnings": list(progress.warnings)})

    def say(self, line: str) -> None:
        """Note a remark: what was inferred, what was left out."""
        print(line, flush=True)
        self.write({"said": placeless(line, self.path.parents[2])})

    def write(self, told: dict[str, Any]) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(told) + "\n")


def looks(place: Path, recipe: Recipe, every: float) -> Preview | None:
    """Samples as the domain shows them, put in a file now and then; None where nobody asked, or the run is private."""
    if not every or recipe.privacy:
        return None
    from conjure import showing
    from conjure.training.preview import Preview

    def show(objects: Any, step: int) -> None:
        told = {"step": step, "n": len(objects), "html": showing.objects(recipe.domain, objects)}
        put_file(place, lambda at: at.write_text(json.dumps(told), "utf-8"))

    return Preview(show, every)


def run(folder: Path) -> dict[str, str]:
    """Do the job; how it ended."""
    from conjure.fitting import FitOptions, fit
    from conjure.verbs import recipe_for

    order = json.loads((folder / SPEC).read_text("utf-8"))
    diary = Diary(folder / PROGRESS)
    try:
        recipe = recipe_for(order["app"], **order["choice"]).with_seed(order["seed"])
        preview = looks(folder / PREVIEW, recipe, order.get("preview", 0.0))
        options = FitOptions(order["resume"], order["minutes"], diary.watch, diary.say, preview)
        made = fit(recipe, order["data"], order["out"], options)
    except ConjureError as error:
        return {"status": FAILED, "message": str(error)}
    except MemoryError:
        return {"status": FAILED, "message": "there was not enough memory: a smaller batch or model may fit"}
    except Exception as error:
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            return {"status": FAILED, "message": "the server's disk is full: make room, and resume"}
        logging.exception("the fit failed")
        return {"status": FAILED, "message": "the fit failed by a fault of ours; its log tells why"}
    if made.card["metrics"].get("stopped_by") == "interrupt":
        return {"status": CANCELLED, "message": "stopped early; what it had learnt is kept, and it can be resumed"}
    return {"status": FINISHED, "message": ""}


def main(folder: Path) -> None:
    with (folder / LOCK).open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        told = run(folder)
        beside = folder / f".{OUTCOME}"
        beside.write_text(json.dumps(told), "utf-8")
        beside.replace(folder / OUTCOME)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
