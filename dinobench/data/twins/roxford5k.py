"""Revisited Oxford's twin: jpg/ and gnd_roxford5k.pkl."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dinobench.data.twins._drawing import counted
from dinobench.data.twins._landmarks import write_landmarks


def write(root: Path, *, seed: int = 0, small: bool = True) -> None:
    """Draw 6 landmarks among 24 other images; 14 among 800 when not `small`."""
    rng = np.random.default_rng([seed, 5])
    landmarks, others = counted(1, 6, 14, is_small=small), counted(2, 24, 800, is_small=small)
    write_landmarks(root, "roxford5k", landmarks, others, rng)
