"""KITTI's twin: drawn streets with sparse depth maps in Eigen's split."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dinobench.data.layouts.kitti import PER_METER
from dinobench.data.twins._depths import draw_depth_scene, save_counts
from dinobench.data.twins._drawing import save_png
from dinobench.runtime.files import write_text_atomically

_COUNTS = {"train": 6, "test": 3}
_SIZE, _FAR, _FOCAL, _SEEN = (1242, 375), 60.0, 721.5377, 0.2
_DATE = "2011_09_26"


def write(root: Path, *, seed: int = 0, small: bool = True) -> None:
    """Draw 6 and 3 scenes (ten times as many when not `small`), a fifth of the pixels with depth, one image without."""
    rng = np.random.default_rng([seed, 3])
    for split, count in _COUNTS.items():
        drive = f"{_DATE}_drive_{len(split):04d}_sync"
        lines = [f"{_DATE}/{drive}/image_02/data/{10**9:010d}.png None {_FOCAL}\n"]
        for number in range(count if small else 10 * count):
            pixels, depth = draw_depth_scene(rng, *_SIZE, _FAR)
            seen = rng.random(depth.shape) < _SEEN
            image = f"{_DATE}/{drive}/image_02/data/{number:010d}.png"
            map_ = f"{drive}/proj_depth/groundtruth/image_02/{number:010d}.png"
            save_png(root / "input" / image, pixels)
            save_counts(root / "gt_depth" / map_, np.where(seen, np.rint(PER_METER * depth), 0).astype(np.uint16))
            lines.append(f"{image} {map_} {_FOCAL}\n")
        write_text_atomically(root / f"kitti_eigen_{split}.txt", "".join(lines))
