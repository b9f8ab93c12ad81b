"""Schedules of the training, one value per optimizer step or per epoch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dinobench.runtime.errors import InputError

FloatArray = NDArray[np.float64]


def cosine_schedule(
    start: float, end: float, *, epochs: int, steps_per_epoch: int, warmup_epochs: int = 0
) -> FloatArray:
    """A linear warm-up from 0 to `start`, then half a cosine towards `end`: (epochs * steps_per_epoch,).

    The warm-up includes its end point, so `start` comes twice; the cosine stops one step short of `end`
    (Caron et al. 2021, section 3.2, as the published runs were made).

    Raises:
        InputError: the warm-up is longer than the run.
    """
    total, warmup = epochs * steps_per_epoch, warmup_epochs * steps_per_epoch
    if warmup > total:
        raise InputError(f"a warm-up of {warmup_epochs} epochs is longer than the run of {epochs}; shorten it")
    phase = np.arange(total - warmup) / max(total - warmup, 1) * np.pi
    return np.concatenate([np.linspace(0.0, start, warmup), end + 0.5 * (start - end) * (1.0 + np.cos(phase))])


def temperature_schedule(start: float, end: float, *, epochs: int, warmup_epochs: int) -> FloatArray:
    """Teacher temperature of each epoch, (epochs,): a line from `start` to `end`, both included, then `end`.

    Raises:
        InputError: the warm-up is longer than the run.
    """
    if warmup_epochs > epochs:
        raise InputError(
            f"a teacher temperature warm-up of {warmup_epochs} epochs is longer than the run of {epochs}; shorten it"
        )
    return np.concatenate([np.linspace(start, end, warmup_epochs), np.full(epochs - warmup_epochs, end)])
