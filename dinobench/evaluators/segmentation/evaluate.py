"""Semantic segmentation by a head on frozen patch features: mean intersection over union (mIoU) of its classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from dinobench.data.dataset import ImageSet
from dinobench.data.masks import Labels, write_labels
from dinobench.evaluators.base import EvaluationContext, Scores
from dinobench.evaluators.common.layout_readers import note_annotations
from dinobench.evaluators.common.patch_maps import LinearMapHead, PatchEncoder
from dinobench.evaluators.common.prediction_files import prediction_files
from dinobench.evaluators.common.ranking.per_query import save_per_query
from dinobench.evaluators.segmentation.fitting import fit_patch_head, predicted_classes
from dinobench.evaluators.segmentation.frames import MaskReader, mask_reader
from dinobench.evaluators.segmentation.pictures import SHOWN, Picture, draw_sheet, picture_of
from dinobench.evaluators.segmentation.pixels import MapHead, Scored, by_stored_maps, by_windows, on_maps
from dinobench.evaluators.segmentation.settings import Settings
from dinobench.evaluators.segmentation.trained import train_head
from dinobench.metrics.class_areas import AreaArray, class_areas, class_ious, mean_intervals, segmentation_means
from dinobench.runtime.console import progress
from dinobench.runtime.errors import InputError
from dinobench.runtime.files import write_table_atomically
from dinobench.runtime.parquet_files import write_columns
from dinobench.runtime.processes import from_first, gather_objects, own_share, rank


@dataclass
class Predicted:
    """What consecutive images gave.

    Attributes:
        areas: (3, C) of each image, of the head's classes.
        floor: the same of the class that most training pixels have.
        pictures: of the first few.
        files: predictions that were written.
    """

    areas: list[AreaArray] = field(default_factory=list)
    floor: list[AreaArray] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
    files: list[str] = field(default_factory=list)


def evaluate(context: EvaluationContext[Settings]) -> Scores:
    """mIoU, mean accuracy of classes and accuracy of pixels, in percent, with intervals over images.

    Beside them `majority_miou`, the floor: every pixel gets the class that most training pixels have. Processes share
    the images. Writes predictions/*.png, predictions.parquet (the mIoU of each image), areas.parquet,
    classes.csv and segmentation.png.

    Raises:
        InputError: data without masks of classes, masks that do not fit, or only void pixels.
    """
    settings = context.settings
    train, tested = context.dataset("train"), context.dataset(settings.split)
    read = mask_reader(context, train)
    note_annotations(context, "masks", train, tested)
    if train.classes != tested.classes:
        raise InputError(f"train and {settings.split} of {context.data} name different classes; make them equal")
    encoder = PatchEncoder(context, settings.layer)
    if settings.square and settings.image_size % encoder.patch:
        raise InputError(
            f"image_size = {settings.image_size} is not a multiple of the model's patches of {encoder.patch} pixels; "
            f"give {settings.image_size // encoder.patch * encoder.patch or encoder.patch}"
        )
    scores = Scores({}, images={"train": len(train), settings.split: len(tested)})
    head = _head(context, encoder, train, read, scores)
    majority = _majority_class(train, read)
    rows = context.scored_rows(len(tested))
    scored = (by_windows if settings.window else by_stored_maps)(context, encoder, head, tested, rows, read)
    with context.clock.phase("prediction"):
        mine = _predict_share(context, scored, tested, len(own_share(len(rows))), majority)
    shares = gather_objects(mine, "predictions of each process's images")
    scores.details |= {"majority_class": train.classes[majority], "majority_class_number": majority}
    _add_figures(context, scores, tested.subset(rows), shares)
    return scores


def _head(
    context: EvaluationContext[Settings], encoder: PatchEncoder, images: ImageSet, read: MaskReader, scores: Scores
) -> MapHead:
    """The protocol's head as a function of maps; a head that is trained by steps is trained by the first process."""
    if context.settings.head == "linear":
        with context.clock.phase("fit"):
            trained: LinearMapHead = from_first(
                lambda: train_head(context, encoder, images, read).cpu(), "the trained head"
            ).to(context.device)
        return lambda maps: (trained(each[None])[0] for each in maps)
    return on_maps(fit_patch_head(context, images, read, scores))


def _majority_class(images: ImageSet, read: MaskReader) -> int:
    """The class that most pixels of the training masks have; InputError where all are void."""
    counts = sum(
        (np.bincount(read(images, index).ravel(), minlength=256) for index in range(len(images))), np.zeros(256)
    )
    known = counts[: len(images.classes)]
    if not known.any():
        raise InputError(f"every pixel of the masks of {images.name} is void; check the masks")
    return int(known.argmax())


@torch.no_grad()
def _predict_share(
    context: EvaluationContext[Settings], scored: Scored, images: ImageSet, count: int, majority: int
) -> Predicted:
    """This process's `count` images, which are consecutive ones."""
    found, settings, classes = Predicted(), context.settings, len(images.classes)
    files = prediction_files(images.names)
    for index, truth, scores in progress(scored, "segmentation", count):
        labels: Labels = predicted_classes(scores[None])[0].cpu().numpy()
        found.areas.append(class_areas(truth, labels, classes))
        found.floor.append(class_areas(truth, np.full_like(labels, majority), classes))
        if index < SHOWN:
            found.pictures.append(picture_of(images.read(index), truth, labels))
        if settings.predictions:
            path = context.output / "predictions" / files[index]
            write_labels(path, labels)
            found.files.append(str(path))
    return found


def _add_figures(
    context: EvaluationContext[Settings], scores: Scores, images: ImageSet, shares: list[Predicted]
) -> None:
    areas = np.stack([each for share in shares for each in share.areas])
    floor = np.stack([each for share in shares for each in share.floor])
    total = areas.sum(0)
    if not total[1].any():
        raise InputError(f"every pixel of the masks of {images.name} is void; check the masks")
    means = segmentation_means(total)
    for name, interval in mean_intervals(areas, seed=context.seed).items():
        scores.metrics[name] = 100 * float(getattr(means, name))
        scores.intervals[name] = (100 * interval[0], 100 * interval[1])
    scores.metrics["majority_miou"] = 100 * float(segmentation_means(floor.sum(0)).miou)
    _save_classes(context, scores, images.classes, total)
    per_image = [
        float(value) if truth.any() else None for value, truth in zip(_per_image(areas), areas[:, 1], strict=True)
    ]
    if empty := per_image.count(None):
        scores.warnings.append(f"{empty} of {len(images)} masks are void throughout and count for nothing")
    save_per_query(scores, context.predictions_file, images.names, per_image)
    _save_areas(context, scores, images.names, areas)
    scores.files += [file for share in shares for file in share.files]
    picture = context.output / "segmentation.png"
    if rank() == 0:
        draw_sheet(picture, [each for share in shares for each in share.pictures], images.classes)
    scores.files.append(str(picture))


def _per_image(areas: AreaArray) -> np.ndarray:
    """(N,) mIoU of each image by itself, in percent."""
    return 100 * segmentation_means(areas).miou


def _save_areas(context: EvaluationContext[Settings], scores: Scores, names: Sequence[str], areas: AreaArray) -> None:
    """The pixels from which every figure follows: of each class that an image or its prediction has."""
    image, number = np.nonzero(areas.max(1))
    common, truth, found = areas[image, :, number].T
    columns = {"image": [names[row] for row in image.tolist()], "image_number": image, "class": number}
    path = context.output / "areas.parquet"
    write_columns(path, {**columns, "common": common, "truth": truth, "found": found})
    scores.files.append(str(path))


def _save_classes(
    context: EvaluationContext[Settings], scores: Scores, classes: tuple[str, ...], total: AreaArray
) -> None:
    """IoU and accuracy of every class, on file and in the details; absent ones are empty."""
    ious, common, truth = class_ious(total), total[0], total[1]
    known = {name: 100 * float(iou) for name, iou in zip(classes, ious, strict=True) if not np.isnan(iou)}
    scores.details["iou"] = known
    path = context.output / "classes.csv"
    rows = [
        (name, known.get(name, ""), 100 * int(c) / int(t) if t else "", int(t))
        for name, c, t in zip(classes, common, truth, strict=True)
    ]
    if rank() == 0:
        write_table_atomically(path, ("class", "iou", "accuracy", "pixels"), rows)
    scores.files.append(str(path))
