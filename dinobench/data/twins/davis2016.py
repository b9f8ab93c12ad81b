"""DAVIS 2016's twin: the frames of DAVIS 2017's, with its own lists."""

from __future__ import annotations

from pathlib import Path

from dinobench.data.twins import davis


def write(root: Path, *, seed: int = 0, small: bool = True, height: int = 480) -> None:
    """Draw the DAVIS 2017 twin and list its sequences as DAVIS 2016 lists its own."""
    davis.write(root, seed=seed, small=small, height=height)
    (root / "ImageSets" / "2017").rename(root / "ImageSets" / "2016")
