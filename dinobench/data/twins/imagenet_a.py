"""ImageNet-A's twin: drawn images of the classes of ImageNet's twin."""

from __future__ import annotations

from pathlib import Path

from dinobench.data.twins._siblings import draw_test_set


def write(root: Path, *, seed: int = 0, small: bool = True) -> None:
    """Draw 3 images of each class (50 when not `small`)."""
    draw_test_set(root, seed + 1, small)
