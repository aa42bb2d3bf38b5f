"""The picture of a fit's losses."""

from __future__ import annotations

import re

from conjure.server.studio.curves import to_svg


def test_a_loss_that_falls_is_a_line_that_falls():
    page = to_svg({"loss": [(1, 4.0), (11, 3.0), (21, 2.0)], "held_out": [(11, 3.5)]})
    (points, other) = re.findall(r'points="([^"]*)"', page)
    across, down = zip(*(map(float, point.split(",")) for point in points.split()))
    assert list(across) == sorted(across)
    assert list(down) == sorted(down)  # y grows downwards
    assert other.count(",") == 1
    assert "held out" in page
    assert ">4<" in page
    assert ">2<" in page


def test_nothing_is_drawn_before_there_are_two_points_and_a_flat_loss_is_no_error():
    assert to_svg({"loss": [(1, 2.0)], "held_out": []}) == ""
    assert "nan" not in to_svg({"loss": [(1, 2.0), (2, 2.0)]})
