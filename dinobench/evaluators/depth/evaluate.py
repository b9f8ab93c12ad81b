"""Depth of every pixel by a linear head on frozen patches: errors of each image, and their means."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from dinobench.data.dataset import ImageSet
from dinobench.evaluators.base import EvaluationContext, Scores
from dinobench.evaluators.common.layout_readers import note_annotations
from dinobench.evaluators.common.patch_maps import PatchEncoder
from dinobench.evaluators.common.ranking.per_query import save_per_query
from dinobench.evaluators.depth.frames import DepthFrame, DepthReader, depth_reader, note_range, read_frame
from dinobench.evaluators.depth.head import DepthHead, train_head
from dinobench.evaluators.depth.pictures import SHOWN, Picture, draw_sheet, picture_of
from dinobench.evaluators.depth.settings import Settings
from dinobench.metrics.bootstrap import interval
from dinobench.metrics.depth import NAMES, DepthErrors, counted_pixels, depth_errors
from dinobench.runtime.console import progress
from dinobench.runtime.errors import InputError
from dinobench.runtime.processes import from_first, gather_objects, own_share, rank

_METERS_OR_RATIOS = ("rmse", "abs_rel")


@dataclass
class Measured:
    """What consecutive images gave.

    Attributes:
        errors: of each image.
        floor: the same of one depth for all pixels, the mean of the training pixels.
        pictures: of the first few.
    """

    errors: list[DepthErrors] = field(default_factory=list)
    floor: list[DepthErrors] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)


def evaluate(context: EvaluationContext[Settings]) -> Scores:
    """Means over the images of RMSE in meters, relative error, and shares of pixels within 1.25, its square and cube.

    Shares are in percent. Beside them the floor `constant_...`: every pixel gets the mean depth of the training pixels.
    Processes share the images. Writes predictions.parquet (the errors of each image) and depth.png.

    Raises:
        InputError: data without depth maps, maps that do not fit, or no pixel whose depth counts.
    """
    settings = context.settings
    train, tested = context.dataset("train"), context.dataset(settings.split)
    read = depth_reader(context, train)
    note_annotations(context, "depth maps", train, tested)
    encoder = PatchEncoder(context, settings.layer)
    note_range(context, train, read(train, 0))
    mean = _mean_depth(context, train, read)
    with context.clock.phase("fit"):
        head: DepthHead = from_first(lambda: train_head(context, encoder, train, read).cpu(), "the trained head").to(
            context.device
        )
    with context.clock.phase("prediction"):
        mine = _measure_share(context, encoder, head, tested, read, mean)
    shares = gather_objects(mine, "depths of each process's images")
    scores = Scores({}, images={"train": len(train), settings.split: len(tested)})
    scores.details["constant_depth"] = mean
    _add_figures(context, scores, tested.subset(context.scored_rows(len(tested))), shares)
    return scores


def _mean_depth(context: EvaluationContext[Settings], images: ImageSet, read: DepthReader) -> float:
    """Of the training pixels whose depth counts, wherever they lie; the same whatever the number of processes."""
    settings, share = context.settings, own_share(len(images))
    sums = []
    for index in progress(share, "depth maps", len(share)):
        depth = read(images, index)
        known = depth[counted_pixels(depth, settings.min_depth, settings.max_depth, "whole")]
        sums.append((float(known.sum(dtype=np.float64)), len(known)))
    found = [pair for share in gather_objects(sums, "depth maps of each process's images") for pair in share]
    if not (count := sum(pixels for _, pixels in found)):
        raise InputError(
            f"no pixel of the depth maps of {images.name} lies between {settings.min_depth:g} and "
            f"{settings.max_depth:g} meters; check the maps, and the unit (--set per_meter=...)"
        )
    return math.fsum(total for total, _ in found) / count


@torch.no_grad()
def predicted_depth(encoder: PatchEncoder, head: DepthHead, frame: DepthFrame, settings: Settings) -> np.ndarray:
    """(H, W) meters of the pixels of `frame.depth`."""
    image = encoder.images([frame.pixels])
    pair = torch.cat([image, image.flip(3)]) if settings.mirrored else image
    found: Tensor = head(encoder.maps(pair))
    if settings.mirrored:
        found = (found[:1] + found[1:].flip(3)) / 2
    if found.shape[2:] != frame.depth.shape:
        found = F.interpolate(found, frame.depth.shape, mode="bilinear")
    limited: np.ndarray = found[0, 0].clamp(settings.min_depth, settings.max_depth).cpu().numpy()
    return limited


def _measure_share(
    context: EvaluationContext[Settings],
    encoder: PatchEncoder,
    head: DepthHead,
    images: ImageSet,
    read: DepthReader,
    mean: float,
) -> Measured:
    """This process's images, which are consecutive ones."""
    found, settings = Measured(), context.settings
    rows = context.scored_rows(len(images))
    share = own_share(len(rows))
    for index in progress(rows[share.start : share.stop].tolist(), "depth", len(share)):
        frame = read_frame(images, index, read, settings, training=False)
        predicted = predicted_depth(encoder, head, frame, settings)
        counted = counted_pixels(frame.depth, settings.min_depth, settings.max_depth, settings.area)
        found.errors.append(depth_errors(frame.depth, predicted, counted))
        found.floor.append(depth_errors(frame.depth, np.full_like(predicted, mean), counted))
        if index < SHOWN:
            found.pictures.append(picture_of(frame.pixels.astype(np.uint8), frame.depth, predicted))
    return found


def _add_figures(
    context: EvaluationContext[Settings], scores: Scores, images: ImageSet, shares: list[Measured]
) -> None:
    errors = [each for share in shares for each in share.errors]
    known = [not math.isnan(each.rmse) for each in errors]
    if not any(known):
        raise InputError(
            f"no pixel of the depth maps of {images.name} counts (area = {context.settings.area}, "
            f"{context.settings.min_depth:g} to {context.settings.max_depth:g} meters); check the maps and their unit"
        )
    if empty := known.count(False):
        scores.warnings.append(f"{empty} of {len(images)} depth maps hold no depth that counts and were left out")
    floor = [each for share in shares for each in share.floor]
    for name in NAMES:
        unit = 1 if name in _METERS_OR_RATIOS else 100
        values, constant = (unit * np.array([asdict(each)[name] for each in found])[known] for found in (errors, floor))
        scores.metrics[name], scores.values[name] = float(values.mean()), values
        scores.intervals[name] = interval(values, seed=context.seed)
        scores.metrics[f"constant_{name}"], scores.values[f"constant_{name}"] = float(constant.mean()), constant
    names = [name for name, there in zip(images.names, known, strict=True) if there]
    save_per_query(scores, context.predictions_file, names, scores.values["delta1"].tolist())
    picture = context.output / "depth.png"
    if rank() == 0:
        draw_sheet(picture, [each for share in shares for each in share.pictures])
    scores.files.append(str(picture))
