"""How quickly the command line answers; what it says and refuses is tested end to end."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest


def _seconds(*words: str) -> float:
    """The quickest of three starts: the machine may be busy."""
    taken = []
    for _ in range(3):
        start = time.perf_counter()
        subprocess.run([sys.executable, *words], check=True, capture_output=True)
        taken.append(time.perf_counter() - start)
    return min(taken)


@pytest.mark.slow
def test_import_is_quick():
    """Slow on a loaded machine, where three starts of Python take long: three times the 0.3 s aimed at."""
    assert _seconds("-c", "import conjure") - _seconds("-c", "pass") < 0.9


@pytest.mark.slow
def test_help_is_quick():
    """Slow on a loaded machine, where three starts of Python take long: three times the 0.6 s aimed at."""
    assert _seconds("-m", "conjure", "--help") < 1.8


def test_the_command_line_starts_without_heavy_libraries():
    """Torch alone takes over a second to import."""
    check = "import sys, conjure.cli; sys.exit(any(m in sys.modules for m in ('torch', 'numpy', 'pandas', 'pyarrow')))"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
