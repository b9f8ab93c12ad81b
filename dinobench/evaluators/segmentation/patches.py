"""Patch features of images, and the classes of their pixels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from dinobench.evaluators.base import EvaluationContext
from dinobench.evaluators.segmentation.frames import Frame, padding_of, patch_labels
from dinobench.features.loading import map_ahead
from dinobench.metrics.class_areas import VOID
from dinobench.runtime.console import progress
from dinobench.runtime.errors import InputError
from dinobench.runtime.processes import gather_objects, own_share


class PatchEncoder:
    """A frozen network as a function from images to maps of patches.

    Args:
        context: the model, where it computes, and in which precision.
        layer: block whose patches are taken, counted from the end.
    """

    def __init__(self, context: EvaluationContext[Any], layer: int) -> None:
        backbone = context.model.backbone
        if layer > backbone.depth:
            raise InputError(f"layer = {layer} of a model with {backbone.depth} blocks; give {backbone.depth} or less")
        self.network = context.network()
        self.patch = backbone.patch_size
        self._forward = self.network.passes(lambda images: backbone.intermediate_layers(images, layer)[0])

    def images(self, frames: Sequence[Frame]) -> Tensor:
        """(B, 3, H, W) normalized images of frames of one size, on the device."""
        return self.network.input(torch.from_numpy(np.stack([frame.pixels for frame in frames])))

    def maps(self, images: Tensor) -> Tensor:
        """(B, h, w, D) float32 of normalized images (B, 3, H, W), padded with zeros to whole patches."""
        padded = pad(images, padding_of(images.shape[2], images.shape[3], self.patch))
        maps = self._forward(padded).patches.float()
        if not torch.isfinite(maps).all():
            raise InputError("the model's patch features are not finite; check its weights")
        return maps


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
    maps = encoder.maps(encoder.images(frames)).flatten(1, 2).cpu()
    labels = [torch.from_numpy(patch_labels(frame.labels, encoder.patch)).flatten(0, 1) for frame in frames]
    return [PatchRows(*pair) for pair in zip(maps, labels, strict=True)]
