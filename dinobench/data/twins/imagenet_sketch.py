"""ImageNet-Sketch's twin: the outlines of drawn images of the classes of ImageNet's twin."""

from __future__ import annotations

from pathlib import Path

from dinobench.data.twins._drawing import save_jpeg
from dinobench.data.twins._siblings import drawn_images, sketched, wnid_of


def write(root: Path, *, seed: int = 0, small: bool = True) -> None:
    """Draw 3 images of each class (50 when not `small`)."""
    for label, number, pixels in drawn_images([seed, 50889], 3 if small else 50):
        save_jpeg(root / "sketch" / wnid_of(label) / f"sketch_{number}.JPEG", sketched(pixels))
