"""What a start of the server leaves behind where it fails."""

from __future__ import annotations

import gc

import pytest

from conjure.core.errors import ConjureError
from conjure.products import serving


def test_a_start_that_fails_leaves_the_collector_on(tmp_path):
    pytest.importorskip("fastapi")
    with pytest.raises(ConjureError):
        serving.serve([str(tmp_path / "nothing")], studio=False)
    assert gc.isenabled()
