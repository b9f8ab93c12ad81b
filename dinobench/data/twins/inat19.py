"""iNaturalist 2019's twin."""

from __future__ import annotations

from pathlib import Path

from dinobench.data.twins._inat import write_year


def write(root: Path, *, seed: int = 0, small: bool = True) -> None:
    """Draw the twin under `root`: train2019.json, val2019.json and train_val2019/."""
    write_year(root, 2019, seed=seed, small=small)
