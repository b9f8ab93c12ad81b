"""Images as MultiGrain's evaluation frames them."""

from __future__ import annotations

from PIL import Image

from dinobench.evaluators.common.ranking.descriptors import longest


def test_the_longer_side_becomes_the_size_and_the_aspect_stays() -> None:
    frame = longest(80)
    assert frame.apply(0, Image.new("RGB", (200, 100))).size == (80, 40)
    assert frame.apply(0, Image.new("RGB", (30, 40))).size == (60, 80)
    assert frame.apply(0, Image.new("RGB", (7, 7))).size == (80, 80)
