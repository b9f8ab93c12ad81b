"""Patch features of images, and the classes of their pixels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from dinobench.evaluators.base import EvaluationContext
from dinobench.evaluators.common.patch_maps import PatchEncoder
from dinobench.evaluators.segmentation.frames import Frame, patch_labels
from dinobench.features.loading import map_ahead
from dinobench.metrics.class_areas import VOID
from dinobench.runtime.console import progress
from dinobench.runtime.errors import InputError
from dinobench.runtime.processes import gather_objects, own_share


@dataclass(frozen=True)
class PatchRows:
    """Patches of images.

    Attributes:
        features: (n, D) float32 on the CPU.
        labels: (n, P) uint8 classes of the pixels of each patch, 255 void.
    """

    features: Tensor
    labels: Tensor

    def main_labels(self) -> Tensor:
        """(n,) int64: the class of most pixels of each patch, the smaller of two, 255 void."""
        return self.labels.mode(1).values.long()

    def known(self) -> PatchRows:
        """Those whose main class is not void."""
        keep = self.main_labels() != VOID
        return PatchRows(self.features[keep], self.labels[keep])


def join_rows(parts: Sequence[PatchRows]) -> PatchRows:
    """Patches of several images as one.

    Raises:
        InputError: all of them are void.
    """
    rows = PatchRows(torch.cat([part.features for part in parts]), torch.cat([part.labels for part in parts]))
    if not len(rows.features) or bool((rows.labels == VOID).all()):
        raise InputError("every pixel of the training masks is void; check the masks")
    return rows


def image_patches(
    context: EvaluationContext[Any], encoder: PatchEncoder, count: int, frame_of: Callable[[int], Frame]
) -> list[PatchRows]:
    """The patches of each of `count` images; processes share the work, and all get all.

    Args:
        context: how many images go through the network at once, and threads that decode.
        encoder: the network.
        count: N.
        frame_of: from a number below `count` to the image as the network is shown it.
    """
    share = own_share(count)
    found: list[PatchRows] = []
    waiting: list[Frame] = []
    for frame in progress(map_ahead(frame_of, share, context.workers), "patches", len(share)):
        if waiting and (len(waiting) == context.batch_size or frame.pixels.shape != waiting[0].pixels.shape):
            found += _encode(encoder, waiting)
            waiting = []
        waiting.append(frame)
    found += _encode(encoder, waiting) if waiting else []
    return [rows for share in gather_objects(found, "patches of the training images") for rows in share]


def _encode(encoder: PatchEncoder, frames: Sequence[Frame]) -> list[PatchRows]:
    maps = encoder.maps(encoder.images([frame.pixels for frame in frames])).flatten(1, 2).cpu()
    labels = [torch.from_numpy(patch_labels(frame.labels, encoder.patch)).flatten(0, 1) for frame in frames]
    return [PatchRows(*pair) for pair in zip(maps, labels, strict=True)]
