"""Jaccard of attention masks with VOC12 objects (paper, Figure 4 and appendix D; dino issue 54)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dinobench.data.dataset import ImageSet
from dinobench.data.layouts.voc12 import mask_files, object_labels
from dinobench.data.masks import Labels
from dinobench.data.overlays import overlay, save_picture, sheet, shrink
from dinobench.data.transforms import shorter_side_size
from dinobench.evaluators.attention_segmentation.maps import NOT_COMPILED, AttentionMaps, attention_maps
from dinobench.evaluators.attention_segmentation.settings import Settings
from dinobench.evaluators.base import EvaluationContext, Scores
from dinobench.evaluators.common.ranking.per_query import save_per_query
from dinobench.metrics.attention_mask import best_head_jaccard, enlarge_masks, head_jaccard, object_numbers
from dinobench.metrics.bootstrap import interval
from dinobench.metrics.segmentation import FloatArray
from dinobench.runtime.console import progress
from dinobench.runtime.errors import InputError
from dinobench.runtime.processes import gather_objects, own_share, rank

SHOWN, SHOWN_WIDTH, SHOWN_COLUMNS = 12, 320, 4


@dataclass(frozen=True)
class _Shown:
    """An image of the sheet: its name, its attention, its objects, and the figure in percent."""

    name: str
    maps: AttentionMaps
    truth: Labels
    jaccard: float


def evaluate(context: EvaluationContext[Settings]) -> Scores:
    """For each object the head whose mask fits best; mean over objects, then over images, in percent.

    A mask that covers the whole image is scored beside it as a floor. Images without objects are left out. Processes
    share the images. Writes predictions.parquet (one value per image) and attention.png (image, truth and
    the best heads' masks).

    Raises:
        InputError: no class token's attention, no object in any image, or masks that cannot be read.
    """
    settings = context.settings
    images = context.dataset("val")
    context.note_files("masks", mask_files(images))
    context.model.backbone.to(context.device).eval()
    values: dict[str, list[float]] = {name: [] for name in [*map(_metric_name, settings.shares), "whole_jaccard"]}
    names: list[str] = []
    pictures: list[_Shown] = []
    rows = context.scored_rows(len(images))
    share = own_share(len(rows))
    for index in progress(rows[share.start : share.stop].tolist(), "attention", len(share)):
        with context.clock.phase("attention"):
            image, name = images.read(index), images.names[index]
            maps = attention_maps(context.model, image, settings.image_size, context.device, context.precision, name)
        with context.clock.phase("scoring"):
            truth = _resized_labels(images, index, maps, settings.image_size)
            if not object_numbers(truth):
                continue
            names.append(name)
            for metric, value in _score_image(maps, truth, settings).items():
                values[metric].append(value)
        if len(pictures) < SHOWN:
            jaccard = values[_metric_name(settings.shares[0])][-1]
            pictures.append(_Shown(Path(name).stem, maps, truth, jaccard))
    names, values = _gather_images(names, values)
    return _build_scores(context, images, names, values, pictures)


def _gather_images(names: list[str], values: dict[str, list[float]]) -> tuple[list[str], dict[str, list[float]]]:
    """The images of all processes in their order, each of which took consecutive ones, and their values."""
    shares = gather_objects((names, values), "attention of each process's images")
    everyone = [name for share, _ in shares for name in share]
    return everyone, {metric: [value for _, share in shares for value in share[metric]] for metric in values}


def _metric_name(share: float) -> str:
    return f"jaccard_{round(100 * share)}"


def _score_image(maps: AttentionMaps, truth: Labels, settings: Settings) -> dict[str, float]:
    """Best-head Jaccard by share of the mass, and that of the whole image, in percent."""
    left_out = settings.void == "left_out"
    found = {}
    for share in settings.shares:
        scores = _head_scores(maps, truth, share, left_out=left_out)
        found[_metric_name(share)] = 100 * best_head_jaccard(scores)
    whole = head_jaccard(np.ones((1, *truth.shape), dtype=bool), truth, void_left_out=left_out)
    return {**found, "whole_jaccard": 100 * best_head_jaccard(whole)}


def _head_scores(maps: AttentionMaps, truth: Labels, share: float, *, left_out: bool) -> FloatArray:
    masks = enlarge_masks(maps.masks(share), truth.shape[0] // maps.weights.shape[1])
    return head_jaccard(masks, truth, void_left_out=left_out)


def _resized_labels(images: ImageSet, index: int, maps: AttentionMaps, size: int) -> Labels:
    """Object numbers on the pixels that the network saw; nearest, so numbers stay numbers."""
    labels = object_labels(images, index)
    image = images.read(index)
    if labels.shape != (image.height, image.width):
        raise InputError(
            f"mask of {images.names[index]} is {labels.shape[::-1]}, its image {image.size}; fetch it again"
        )
    height, width = maps.pixels.shape[:2]
    if size:
        resized = Image.fromarray(labels).resize(shorter_side_size(*image.size, size), Image.Resampling.NEAREST)
        labels = np.asarray(resized)
    return labels[:height, :width]


def _build_scores(
    context: EvaluationContext[Settings],
    images: ImageSet,
    names: list[str],
    values: Mapping[str, list[float]],
    pictures: list[_Shown],
) -> Scores:
    if not names:
        raise InputError(f"no image of {images.name} has an object; check SegmentationObject/")
    metrics = {name: float(np.mean(each)) for name, each in values.items()}
    intervals = {name: interval(each) for name, each in values.items()}
    by_image = {name: np.array(each) for name, each in values.items()}
    scores = Scores(metrics, intervals, images={"val": len(images)}, values=by_image)
    if len(names) < len(images):
        scores.warnings.append(f"{len(images) - len(names)} of {len(images)} images hold no object and were left out")
    if context.compiled:
        scores.warnings.append(NOT_COMPILED)
    main = values[_metric_name(context.settings.shares[0])]
    save_per_query(scores, context.predictions_file, names, main)
    picture = context.output / "attention.png"
    if rank() == 0:
        _draw_pictures(picture, pictures, context.settings)
    scores.files.append(str(picture))
    return scores


def _draw_pictures(path: Path, pictures: list[_Shown], settings: Settings) -> None:
    """Below each image its objects, and the best head's mask of every object in that object's color, with the score."""
    columns = [_picture_column(shown, settings) for shown in pictures]
    rows, captions = [], []
    for start in range(0, len(columns), SHOWN_COLUMNS):
        block = columns[start : start + SHOWN_COLUMNS]
        for line in range(3):
            rows.append([column[line][1] for column in block])
            captions.append([column[line][0] for column in block])
    save_picture(path, sheet(rows, captions))


def _picture_column(shown: _Shown, settings: Settings) -> list[tuple[str, NDArray[np.uint8]]]:
    pixels, truth = shown.maps.pixels, shown.truth
    found = _best_masks(shown.maps, truth, settings)
    pictures = {
        shown.name: pixels,
        "truth": overlay(pixels, truth),
        f"best heads, Jaccard {shown.jaccard:.1f}": overlay(pixels, found),
    }
    return [(caption, shrink(picture, SHOWN_WIDTH)) for caption, picture in pictures.items()]


def _best_masks(maps: AttentionMaps, truth: Labels, settings: Settings) -> Labels:
    share = settings.shares[0]
    best = _head_scores(maps, truth, share, left_out=settings.void == "left_out").argmax(axis=1)
    masks = enlarge_masks(maps.masks(share), truth.shape[0] // maps.weights.shape[1])
    labels = np.zeros_like(truth)
    for number, head in zip(object_numbers(truth), best, strict=True):
        labels[masks[head]] = number
    return labels
