"""ImageNet-C's twin: drawn images of the classes of ImageNet's twin under fog and coarse pixels, at five severities."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from dinobench.data.twins._drawing import save_jpeg
from dinobench.data.twins._siblings import SIDE, drawn_images, foggy, wnid_of


def write(root: Path, *, seed: int = 0, small: bool = True) -> None:
    """Draw 1 image of each class (10 when not `small`), corrupted in 2 ways at 5 severities."""
    for label, number, pixels in drawn_images([seed, 15], 1 if small else 10):
        name = f"{wnid_of(label)}/{number}.JPEG"
        for severity in range(1, 6):
            coarse = Image.fromarray(pixels).resize((SIDE // (2 * severity),) * 2)
            save_jpeg(root / "weather" / "fog" / str(severity) / name, foggy(pixels, severity))
            large = np.asarray(coarse.resize((SIDE, SIDE), Image.Resampling.NEAREST))
            save_jpeg(root / "digital" / "pixelate" / str(severity) / name, large)
