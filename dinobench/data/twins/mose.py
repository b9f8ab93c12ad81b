"""MOSE's twin: masks at every frame, objects that hide one another and one that enters later."""

from __future__ import annotations

from pathlib import Path

from dinobench.data.twins._entering import write_videos


def write(root: Path, *, seed: int = 0, small: bool = True, height: int = 180) -> None:
    """Draw three videos with a mask at every frame.

    Args:
        root: folder to fill.
        seed: draws other objects and paths.
        small: 10 frames a video; otherwise 60.
        height: of a frame in pixels.
    """
    write_videos(root / "train", seed, frames=10 if small else 60, height=height, every=1, meta="meta_train.json")
