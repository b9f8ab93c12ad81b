"""Recall of patches in a warped view of the same image: dense features scored on any folder of images."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dinobench.data.dataset import ImageSet
from dinobench.data.transforms import resampling
from dinobench.evaluators.base import EvaluationContext, Scores
from dinobench.evaluators.common.ranking.per_query import add_share, save_per_query
from dinobench.evaluators.common.samples import draw_images
from dinobench.evaluators.homography_matching.settings import Settings
from dinobench.features.network import FrozenNetwork
from dinobench.metrics.homography import MatchErrors, match_errors, random_homography
from dinobench.runtime.console import progress
from dinobench.runtime.errors import InputError
from dinobench.runtime.processes import gather_objects, own_share

PatchMaps = Callable[[Tensor], Tensor]
KINDS = {"recall": "found", "grid": "best", "still": "same"}
"""Names of figures: by the features, what the grid of patches allows, and where nothing is moved."""


def evaluate(context: EvaluationContext[Settings]) -> Scores:
    """Recall within each distance in percent, the mean over images; the folder's training images, or all.

    Metric names: `recall_5` is within 5% of the side; `grid_5` is what the grid of patches allows at best, `still_5`
    what each patch's own place gives. Processes share the images. Writes predictions.parquet.

    Raises:
        InputError: a size that no whole patches fill, a layer that is not there, or features that are not finite.
    """
    settings, backbone = context.settings, context.model.backbone
    if settings.image_size % backbone.patch_size or settings.image_size < 2 * backbone.patch_size:
        raise InputError(
            f"image_size = {settings.image_size} is not a multiple, from the double on, of the model's patches of "
            f"{backbone.patch_size} pixels; give {2 * backbone.patch_size}, {3 * backbone.patch_size} or another"
        )
    if settings.layer > backbone.depth:
        raise InputError(
            f"layer = {settings.layer} of a model with {backbone.depth} blocks; give {backbone.depth} or less"
        )
    images = draw_images(context.dataset("train"), settings.samples, context.seed)
    network = context.network()
    patches = network.passes(lambda inputs: backbone.intermediate_layers(inputs, settings.layer)[0].patches)
    rows = context.scored_rows(len(images))
    share = own_share(len(rows))
    with context.clock.phase("matching"):
        mine = [
            _recalls(_match(context, network, patches, images, int(rows[index])), settings)
            for index in progress(share, "matching", len(share))
        ]
    shares = gather_objects(mine, "matches of each process's images")
    recalls = [each for share in shares for each in share]
    scores = Scores({}, images={"train": len(images)})
    for name in recalls[0]:
        add_share(scores, name, np.array([each[name] for each in recalls]), context.seed)
    main = next(iter(scores.metrics))
    save_per_query(
        scores, context.predictions_file, [images.names[row] for row in rows], [100 * each[main] for each in recalls]
    )
    return scores


def warped_pair(
    images: ImageSet, index: int, settings: Settings, seed: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.float64]]:
    """An image as a square (S, S, 3), a view of it, and the homography between them, which seed and index decide."""
    side = settings.image_size
    pixels = np.asarray(images.read(index).resize((side, side), resampling("bicubic")))
    homography = random_homography(np.random.default_rng([seed, index]), side, settings.shift)
    view = cv2.warpPerspective(pixels, homography, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    return pixels, np.asarray(view, dtype=np.uint8), homography


def _match(
    context: EvaluationContext[Settings], network: FrozenNetwork, patches: PatchMaps, images: ImageSet, index: int
) -> MatchErrors:
    pixels, view, homography = warped_pair(images, index, context.settings, context.seed)
    maps = patches(network.input(torch.from_numpy(np.stack([pixels, view])))).float()
    if not torch.isfinite(maps).all():
        raise InputError(f"the model's patches of {images.names[index]} are not finite; check its weights")
    return match_errors(maps[0], maps[1], homography, network.backbone.patch_size)


def _recalls(errors: MatchErrors, settings: Settings) -> dict[str, float]:
    return {
        f"{name}_{100 * distance:g}": float((getattr(errors, kind) <= distance).mean())
        for distance in settings.distances
        for name, kind in KINDS.items()
    }
