"""Whose code carries labels on: how it reduces them to tokens, propagates them and enlarges them again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from dinobench.data.masks import Labels
from dinobench.evaluators.video_segmentation.cycle import (
    CyclePropagator,
    cycle_labels,
    stretched_frame,
    unstretched_labels,
)
from dinobench.evaluators.video_segmentation.disc import (
    DiscPropagator,
    bicubic_frame,
    nearest_labels,
    stretched_labels,
)
from dinobench.evaluators.video_segmentation.frames import (
    covered,
    label_map,
    one_hot_labels,
    read_frame_tensor,
)
from dinobench.evaluators.video_segmentation.memory import MemoryPropagator, spaced_labels, strongest_labels
from dinobench.evaluators.video_segmentation.propagation import LabelPropagator, Propagation
from dinobench.evaluators.video_segmentation.walk import WalkPropagator, enlarged_labels, reduced_labels


class Propagator(Protocol):
    """Carries the labels of a first frame through the following ones."""

    def step(self, features: Tensor) -> Tensor:
        """Soft labels (h, w, C) of the next frame, from its features (h, w, D)."""


@dataclass(frozen=True)
class Variant:
    """One code's way.

    Attributes:
        reduce: labels (H, W) to (h, w, C).
        begin: a propagator from features (h, w, D) and labels (h, w, C) of the first frame.
        enlarge: soft labels (h, w, C) to object numbers (H, W).
    """

    reduce: Callable[[Labels], Tensor]
    begin: Callable[[Tensor, Tensor, Propagation], Propagator]
    enlarge: Callable[[Tensor], Labels]


def variant_called(
    name: str, frame: tuple[int, int], size: tuple[int, int], grid: tuple[int, int], patch: int
) -> Variant:
    """The way of "dino", "stc", "ct", "mast" or "dinov3" for frames of one size.

    Args:
        name: of the setting `variant`.
        frame: height and width as stored.
        size: height and width of the network's input.
        grid: tokens down and across.
        patch: pixels per token.
    """
    if name == "stc":
        return Variant(
            lambda labels: reduced_labels(labels, grid), WalkPropagator, lambda soft: enlarged_labels(soft, frame)
        )
    if name == "dinov3":
        return Variant(
            lambda labels: nearest_labels(labels, grid), DiscPropagator, lambda soft: stretched_labels(soft, frame)
        )
    if name == "ct":
        return Variant(
            lambda labels: cycle_labels(labels, size, grid),
            CyclePropagator,
            lambda soft: unstretched_labels(soft, size, frame),
        )
    if name == "mast":
        return _with_memory(frame, size, grid, patch)
    share = covered(grid, patch, size)
    return Variant(
        lambda labels: one_hot_labels(labels, grid, share).permute(1, 2, 0),
        LabelPropagator,
        lambda soft: label_map(soft.permute(2, 0, 1), patch, frame, share),
    )


def _with_memory(frame: tuple[int, int], size: tuple[int, int], grid: tuple[int, int], patch: int) -> Variant:
    def enlarge(soft: Tensor) -> Labels:
        return strongest_labels(soft, frame)

    def begin(features: Tensor, labels: Tensor, settings: Propagation) -> Propagator:
        def relabel(soft: Tensor) -> Tensor:
            return spaced_labels(enlarge(soft), size, grid, patch, soft.shape[-1]).to(soft.device)

        return MemoryPropagator(features, labels, settings, relabel)

    return Variant(lambda labels: spaced_labels(labels, size, grid, patch), begin, enlarge)


def compares_directions(name: str) -> bool:
    """Whether features are l2-normalized before they are compared; MAST's are not."""
    return name != "mast"


def input_of(
    name: str, pixels: NDArray[np.uint8], size: tuple[int, int], mean: tuple[float, ...], std: tuple[float, ...]
) -> Tensor:
    """Network input (3, H, W) of an RGB image (h, w, 3), resized as the variant of that name does."""
    read = {"dinov3": bicubic_frame, "ct": stretched_frame}.get(name, read_frame_tensor)
    return read(pixels, size, mean, std)
