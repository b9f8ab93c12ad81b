"""Correct localization (CorLoc): the share of images where the one box that is found fits an object's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.nn.functional import pad

from dinobench.data.dataset import ImageSet
from dinobench.data.transforms import resize_shorter_side
from dinobench.evaluators.base import EvaluationContext, Scores
from dinobench.evaluators.common.layout_readers import layout_reader, note_annotations
from dinobench.evaluators.common.ranking.per_query import add_share, save_per_query
from dinobench.evaluators.object_discovery.pictures import SHOWN, draw_sheet, picture_of
from dinobench.evaluators.object_discovery.settings import Settings
from dinobench.metrics.object_box import BoxArray, ObjectPatches, box_ious, cut_object, lost_object, spectral_object
from dinobench.runtime.console import progress
from dinobench.runtime.errors import InputError
from dinobench.runtime.files import write_table_atomically
from dinobench.runtime.processes import gather_objects, own_share, rank

BoxReader = Callable[[ImageSet, int], BoxArray]
_CENTER = 0.5**0.5  # side of the central box that covers half of an image


@dataclass(frozen=True)
class Discovery:
    """What was found in one image.

    Attributes:
        name: of the image.
        box: (4,) left, top, right, bottom in pixels of the image.
        overlap: with the object that it fits best.
        center, whole: overlaps of the central box of half the image, and of the whole image.
        picture: the image with its boxes, of the first few.
    """

    name: str
    box: BoxArray
    overlap: float
    center: float
    whole: float
    picture: np.ndarray | None


def evaluate(context: EvaluationContext[Settings]) -> Scores:
    """CorLoc in percent, and as floors those of a central box and of the whole image; images without objects are out.

    Processes share the images. Writes boxes.csv, predictions.parquet (1 where found) and discovery.png.

    Raises:
        InputError: data without boxes, a model without keys, or features that are not finite.
    """
    settings = context.settings
    images = context.dataset(settings.split)
    read = _box_reader(context, images)
    note_annotations(context, "boxes", images)
    find, rows = ObjectFinder(context), context.scored_rows(len(images))
    share = own_share(len(rows))
    mine = []
    with context.clock.phase("discovery"):
        for index in progress(rows[share.start : share.stop].tolist(), "discovery", len(share)):
            truth = read(images, index)
            if len(truth):
                mine.append(_discover(find, images, index, truth))
    found = [each for share in gather_objects(mine, "boxes of each process's images") for each in share]
    return _build_scores(context, images, found)


def _box_reader(context: EvaluationContext[Any], images: ImageSet) -> BoxReader:
    layouts = "voc07_boxes, voc12_boxes, coco20k or tiny_imagenet_boxes"
    read: BoxReader = layout_reader(context, images, "object_boxes", "no boxes of objects", layouts)
    return read


class ObjectFinder:
    """A frozen network as a function from an image to its main object.

    Args:
        context: the model, where it computes, and by which method objects are found.
    """

    def __init__(self, context: EvaluationContext[Settings]) -> None:
        self.settings, self.network = context.settings, context.network()
        backbone = self.network.backbone
        self.patch = backbone.patch_size
        keys = self.settings.feature == "keys"
        self._forward = self.network.passes(backbone.key_map if keys else lambda images: backbone(images).patches)

    def __call__(self, image: Image.Image, name: str) -> tuple[ObjectPatches, BoxArray]:
        """The patches of an image's main object, and its box (4,) in the image's own pixels.

        The image is padded at the right and below to whole patches, with zeros after normalization, as LOST's kit does,
        or cut to whole patches, as that of DSS does.
        """
        settings = self.settings
        shown = resize_shorter_side(image, settings.image_size) if settings.image_size else image
        pixels = self.network.input(torch.from_numpy(np.array(shown))[None])
        height, width = (
            (side // self.patch * self.patch or side) if settings.whole_patches else side
            for side in (shown.height, shown.width)
        )
        padded = pad(pixels[:, :, :height, :width], (0, -width % self.patch, 0, -height % self.patch))
        features = self._forward(padded)[0].float()
        if not torch.isfinite(features).all():
            raise InputError(f"the model's {settings.feature} of {name} are not finite; check its weights")
        if settings.method == "lost":
            found = lost_object(features, settings.k)
        elif settings.method == "tokencut":
            found = cut_object(features, settings.threshold, settings.weak)
        else:
            found = spectral_object(features)
        box = found.box(self.patch, height, width)
        return found, box * np.tile([image.width / shown.width, image.height / shown.height], 2)


def _discover(find: ObjectFinder, images: ImageSet, index: int, truth: BoxArray) -> Discovery:
    image, name = images.read(index), images.names[index]
    found, box = find(image, name)
    size = np.array([image.width, image.height], dtype=np.float64)
    center = np.concatenate([(1 - _CENTER) / 2 * size, (1 + _CENTER) / 2 * size])
    everything = np.array([0, 0, image.width, image.height], dtype=np.float64)
    overlap, middle, whole = (float(box_ious(each, truth).max()) for each in (box, center, everything))
    picture = picture_of(image, found.mask, box, truth) if index < SHOWN else None
    return Discovery(name, box, overlap, middle, whole, picture)


def _build_scores(context: EvaluationContext[Settings], images: ImageSet, found: list[Discovery]) -> Scores:
    settings = context.settings
    if not found:
        raise InputError(f"no image of {images.name} has a box; check the annotations")
    hits = np.array([each.overlap >= settings.overlap for each in found])
    scores = Scores({})
    add_share(scores, "corloc", hits.astype(np.float64), context.seed)
    for name in ("center", "whole"):
        floor = np.array([getattr(each, name) >= settings.overlap for each in found])
        add_share(scores, f"{name}_corloc", floor.astype(np.float64), context.seed)
    scores.images[settings.split] = len(images)
    if len(found) < len(images):
        scores.warnings.append(f"{len(images) - len(found)} of {len(images)} images hold no object and were left out")
    save_per_query(scores, context.predictions_file, [each.name for each in found], (100.0 * hits).tolist())
    table, picture = context.output / "boxes.csv", context.output / "discovery.png"
    if rank() == 0:
        rows = [(each.name, *each.box.tolist(), each.overlap) for each in found]
        write_table_atomically(table, ("image", "left", "top", "right", "bottom", "overlap"), rows)
        draw_sheet(picture, [each.picture for each in found if each.picture is not None])
    scores.files += [str(table), str(picture)]
    return scores
