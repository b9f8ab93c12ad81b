"""Scores of the pixels of tested images by a head: from maps in the store, or by windows that slide over an image."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate

from dinobench.data.dataset import ImageSet
from dinobench.data.decode import image_size
from dinobench.data.masks import Labels
from dinobench.evaluators.base import EvaluationContext
from dinobench.evaluators.common.patch_maps import PatchEncoder
from dinobench.evaluators.common.stored_maps import Size, stored_maps
from dinobench.evaluators.segmentation.frames import (
    Frame,
    MaskReader,
    read_frame,
    read_mask,
    resize_labels,
)
from dinobench.evaluators.segmentation.heads import PatchHead
from dinobench.evaluators.segmentation.settings import Settings
from dinobench.evaluators.segmentation.sizes import shown_size
from dinobench.evaluators.segmentation.windows import pixel_scores, slide_over
from dinobench.features.loading import map_ahead
from dinobench.features.preparation import stretched
from dinobench.runtime.processes import own_share

MapHead = Callable[[Iterable[Tensor]], Iterator[Tensor]]
"""From the maps of images, (h, w, D) each, to scores (C, h, w), or (C, h, w, P) of their pixels."""

Scored = Iterator[tuple[int, Labels, Tensor]]
"""The number of each image, the (H, W) classes that it has, and scores (C, H, W) of its pixels."""


def on_maps(head: PatchHead) -> MapHead:
    """A head of patches as one of maps."""

    def scores_of(maps: Iterable[Tensor]) -> Iterator[Tensor]:
        grids: deque[tuple[int, int]] = deque()

        def patches() -> Iterator[Tensor]:
            for each in maps:
                grids.append((each.shape[0], each.shape[1]))
                yield each.flatten(0, 1)

        for scores in head(patches()):
            yield torch.unflatten(scores.transpose(0, 1), 1, grids.popleft())

    return scores_of


def by_stored_maps(
    context: EvaluationContext[Settings],
    encoder: PatchEncoder,
    head: MapHead,
    images: ImageSet,
    rows: NDArray[np.int64],
    read: MaskReader,
) -> Scored:
    """This process's share of the images of `rows`, whose maps come from the store."""
    settings = context.settings
    part = images if len(rows) == len(images) else images.subset(rows)

    def size_of(path: Path) -> Size:
        width, height = shown_size(image_size(path), settings)
        return height, width

    sizes = list(map_ahead(size_of, part.files(), context.workers))
    maps = stored_maps(
        context,
        settings.split,
        part,
        sizes,
        lambda height, width: stretched(height, width, settings.interpolation),
        layer=settings.layer,
        numbers=settings.numbers,
        tested=True,
    )
    share = own_share(len(part))

    def scored() -> Scored:
        for number, scores in zip(share, head(maps(each).to(context.device) for each in share), strict=True):
            labels = read_mask(part, number, read)
            truth = resize_labels(labels, sizes[number][::-1]) if settings.square else labels
            yield int(rows[number]), truth, enlarged(scores, sizes[number], encoder.patch, truth, settings)

    return scored()


def by_windows(
    context: EvaluationContext[Settings],
    encoder: PatchEncoder,
    head: MapHead,
    images: ImageSet,
    rows: NDArray[np.int64],
    read: MaskReader,
) -> Scored:
    """This process's share of the images of `rows`, which go through the network window by window."""
    share = own_share(len(rows))
    for index in rows[share.start : share.stop].tolist():
        frame = read_frame(images, index, read, context.settings)
        yield index, frame.truth, frame_scores(encoder, head, frame, context.settings)


def frame_scores(encoder: PatchEncoder, head: MapHead, frame: Frame, settings: Settings) -> Tensor:
    """(C, H, W) scores of the pixels of `frame.truth`, by the windows of the settings."""

    def window_scores(image: Tensor) -> Tensor:
        size = (image.shape[2], image.shape[3])
        (scores,) = head([encoder.maps(image)[0]])
        return pixel_scores(scores, size, encoder.patch, settings.enlarge)

    scores = slide_over(encoder.images([frame.pixels]), window_scores, settings.window, settings.stride)
    return _at_size(scores, frame.truth)


def enlarged(scores: Tensor, size: Size, patch: int, truth: Labels, settings: Settings) -> Tensor:
    """Scores of the pixels of `truth` from those of the patches, or their pixels, of an image shown at `size`."""
    return _at_size(pixel_scores(scores, size, patch, settings.enlarge), truth)


def _at_size(scores: Tensor, truth: Labels) -> Tensor:
    """Scores (C, h, w) at the size of the (H, W) classes."""
    same = scores.shape[1:] == truth.shape
    return scores if same else interpolate(scores[None], truth.shape, mode="bilinear")[0]
