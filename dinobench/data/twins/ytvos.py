"""YouTube-VOS's twin: masks at every fifth frame, objects that enter later, and meta.json."""

from __future__ import annotations

from pathlib import Path

from dinobench.data.twins._entering import write_videos


def write(root: Path, *, seed: int = 0, small: bool = True, height: int = 180) -> None:
    """Draw three videos, all frames of them, with a mask at every fifth frame.

    Args:
        root: folder to fill.
        seed: draws other objects and paths.
        small: 31 frames a video; otherwise 91.
        height: of a frame in pixels.
    """
    write_videos(root / "train", seed, frames=31 if small else 91, height=height, every=5, meta="meta.json")
