"""C sources that lie beside the networks, compiled once a machine by the compiler that is found there."""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

FLAGS = ("-O3", "-march=native", "-shared", "-fPIC", "-fno-math-errno", "-fassociative-math", "-fno-signed-zeros")
FLAGS += ("-fno-trapping-math",)  # sums may be taken in any order, which vectors need


@cache
def library(name: str) -> ctypes.CDLL | None:
    """The functions of `nets/<name>.c`, or None where no C compiler is found or it cannot compile them.

    The result is kept in the user's cache folder under a name made of the source and the processor, so that
    a change of either compiles anew.
    """
    source = Path(__file__).with_name(f"{name}.c")
    compiler = next((c for c in (os.environ.get("CC"), "cc", "gcc", "clang") if c and shutil.which(c)), None)
    if compiler is None:
        return None
    told = "\0".join([source.read_text("utf-8"), compiler, *FLAGS, _processor()])
    place = _cache() / f"{name}-{hashlib.blake2b(told.encode(), digest_size=12).hexdigest()}.so"
    try:
        if not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=place.parent) as beside:
                made = Path(beside) / place.name
                subprocess.run(
                    [compiler, *FLAGS, str(source), "-o", str(made), "-lm", "-lpthread"],
                    check=True,
                    capture_output=True,
                )
                made.replace(place)
        return ctypes.CDLL(str(place))
    except (OSError, subprocess.CalledProcessError):
        return None


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "conjure"


def _processor() -> str:
    """What -march=native depends on: a home folder may be shared by unlike machines."""
    about = Path("/proc/cpuinfo")
    lines = about.read_text("utf-8").splitlines() if about.exists() else []
    told = [line for line in lines if line.startswith(("model name", "flags", "Features"))]
    return "\n".join([platform.machine(), platform.processor(), *sorted(set(told))])
