"""Which sequences a folder holds, and how each is read: DAVIS by its lists, YouTube-VOS and MOSE by their folders."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from dinobench.data.layouts import davis
from dinobench.data.layouts.davis import Video
from dinobench.data.registry import get_layout


@dataclass(frozen=True)
class Sequences:
    """The sequences to follow.

    Attributes:
        names: in order.
        read: the files of one of them.
        masks: every mask of all of them.
    """

    names: tuple[str, ...]
    read: Callable[[str], Video]
    masks: list[Path]


def sequences_in(root: Path, layout: str) -> Sequences:
    """The validation sequences of a folder in that layout; InputError where there are none."""
    own = get_layout(layout)
    if hasattr(own, "video_names"):
        names = own.video_names(root, "val")
        return Sequences(names, partial(own.read_video, root), own.mask_files(root, names))  # type: ignore[attr-defined]
    merged = layout == "davis2016"
    names = davis.sequence_names(root, "val", "2016" if merged else "2017")
    return Sequences(names, partial(davis.read_video, root, merged=merged), davis.mask_files(root, names))
