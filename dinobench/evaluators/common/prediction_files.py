"""Names of the files that predictions of images are written to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath


def prediction_files(names: Sequence[str]) -> list[str]:
    """A PNG for each image: its name with that suffix, or after its own suffix where two images have the same stem."""
    short = [str(PurePosixPath(name).with_suffix(".png")) for name in names]
    return short if len(set(short)) == len(short) else [f"{name}.png" for name in names]
