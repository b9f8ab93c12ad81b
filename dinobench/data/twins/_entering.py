"""Drawn videos in the tree of YouTube-VOS and MOSE."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from dinobench.data.masks import write_labels
from dinobench.data.twins._drawing import save_jpeg
from dinobench.data.twins.davis import drawn_frames
from dinobench.runtime.files import write_text_atomically

_VIDEOS = ("crossing", "crowd", "entering")


def write_videos(root: Path, seed: int, *, frames: int, height: int, every: int, meta: str) -> None:
    """Write frames, masks at every so many of them, and the file that tells objects and their frames.

    Args:
        root: folder of the split.
        seed: draws other objects and paths.
        frames: per video.
        height: of a frame in pixels.
        every: frames from one mask to the next.
        meta: name of that file.
    """
    told: dict[str, Any] = {}
    for name in _VIDEOS:
        seen: dict[int, list[str]] = {}
        rng = np.random.default_rng([seed, *name.encode()])
        for number, (picture, mask) in enumerate(drawn_frames(name, rng, frames, height)):
            stem = f"{number:05d}"
            save_jpeg(root / "JPEGImages" / name / f"{stem}.jpg", picture)
            if number % every == 0:
                write_labels(root / "Annotations" / name / f"{stem}.png", mask)
                for thing in np.unique(mask[mask > 0]).tolist():
                    seen.setdefault(thing, []).append(stem)
        objects = {str(thing): {"category": "thing", "frames": stems} for thing, stems in sorted(seen.items())}
        told[name] = {"objects": objects}
    write_text_atomically(root / meta, json.dumps({"videos": told}, indent=1))
