"""The size of a frame as a network sees it, by whose code carries labels on."""

from __future__ import annotations

import math

MULTIPLE = 64


def frame_size(height: int, width: int, short_side: int) -> tuple[int, int]:
    """Height and width of the network's input: shorter side `short_side`, the longer a multiple of 64, rounded down.

    With 0 for `short_side` it is the frame's own. A square frame loses width, as in the released code (which then
    transposes its labels; here they fit).
    """
    if not short_side:
        return height, width
    if height > width:
        return _floor_side(short_side * height / width), short_side
    return short_side, _floor_side(short_side * width / height)


def _floor_side(side: float) -> int:
    return int(side // MULTIPLE * MULTIPLE)


def rounded_up_size(height: int, width: int, short_side: int, patch: int) -> tuple[int, int]:
    """Height and width of the network's input: both sides rounded up to whole patches; 0 for the frame's own."""

    def up(side: float) -> int:
        return math.ceil(side / patch) * patch

    if not short_side:
        return up(height), up(width)
    short = up(short_side)
    return (short, up(width * short / height)) if width > height else (up(height * short / width), short)


def input_size(name: str, frame: tuple[int, int], short_side: int, patch: int) -> tuple[int, int]:
    """Height and width of the network's input for frames of one size, by the variant of that name."""
    if name == "dinov3":
        return rounded_up_size(*frame, short_side, patch)
    if name == "ct" and short_side:
        return short_side, short_side
    return frame_size(*frame, short_side)
