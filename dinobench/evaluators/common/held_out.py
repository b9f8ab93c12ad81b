"""Training images set aside to choose settings by, so that none is chosen on the validation images."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def hold_out(labels: NDArray[np.int64], share: float, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices of the images that stay and of those held out: `share` of each class, at least one of two or more."""
    rng = np.random.default_rng([seed, 1])
    held: list[NDArray[np.int64]] = []
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        held.append(members[: max(1, round(share * len(members)))] if len(members) > 1 else members[:0])
    out = np.sort(np.concatenate(held))
    return np.setdiff1d(np.arange(len(labels)), out), out
