"""iNaturalist 2018's twin."""

from __future__ import annotations

from pathlib import Path

from dinobench.data.twins._inat import write_year


def write(root: Path, *, seed: int = 0, small: bool = True) -> None:
    """Draw the twin under `root`: train2018.json, val2018.json and train_val2018/."""
    write_year(root, 2018, seed=seed, small=small)
