"""The memory that nearest patches are searched in: all training patches, or some of each image."""

from __future__ import annotations

import random

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from dinobench.data.crops import crop_box
from dinobench.data.dataset import ImageSet
from dinobench.data.masks import VOID
from dinobench.data.transforms import resampling
from dinobench.evaluators.base import EvaluationContext
from dinobench.evaluators.common.patch_maps import PatchEncoder
from dinobench.evaluators.segmentation.frames import Frame, MaskReader, read_frame, read_masked
from dinobench.evaluators.segmentation.patches import PatchRows, image_patches
from dinobench.evaluators.segmentation.settings import Settings

_RATIO = (3 / 4, 4 / 3)


def memory_patches(
    context: EvaluationContext[Settings], encoder: PatchEncoder, images: ImageSet, read: MaskReader
) -> list[PatchRows]:
    """Patches of each training image, those of all passes over it together; void ones left out unless they count.

    Where `memory_size` is smaller, every image gives the same number, and patches of rare classes come first.
    """
    settings, count = context.settings, len(images)

    def frame_of(number: int) -> Frame:
        index = number % count
        if not settings.crop_scale:
            return read_frame(images, index, read, settings)
        return random_frame(*read_masked(images, index, read), settings, random.Random(f"{context.seed} {number}"))

    found = image_patches(context, encoder, settings.passes * count, frame_of)
    found = [rows if settings.void_is_first else rows.known() for rows in found]
    if settings.memory_size:
        share = max(1, settings.memory_size // (count * settings.passes))
        generator = torch.Generator().manual_seed(context.seed)
        found = [keep_rare(rows, share, len(images.classes), settings.void_is_first, generator) for rows in found]
    return [_joined([found[start] for start in range(index, len(found), count)]) for index in range(count)]


def random_frame(image: Image.Image, labels: np.ndarray, settings: Settings, rng: random.Random) -> Frame:
    """A random part of an image as a square, its colors changed a little."""
    low, high = settings.crop_scale
    box, side = crop_box(image.size, (low, high), _RATIO, rng), (settings.image_size, settings.image_size)
    view = image.resize(side, resampling(settings.interpolation), box=box)
    shown = np.asarray(Image.fromarray(labels).resize(side, Image.Resampling.NEAREST, box=box))
    return Frame(np.asarray(_jittered(view, settings.jitter, rng)), shown, shown)


def _jittered(view: Image.Image, strength: float, rng: random.Random) -> Image.Image:
    """Brightness, contrast, saturation and hue, each with probability 1/2 by a random factor."""
    from torchvision.transforms.v2 import functional

    for change in (functional.adjust_brightness, functional.adjust_contrast, functional.adjust_saturation):
        if strength and rng.random() < 0.5:
            view = change(view, rng.uniform(max(0.0, 1 - strength), 1 + strength))
    if strength and rng.random() < 0.5:
        view = functional.adjust_hue(view, rng.uniform(-min(strength, 0.5), min(strength, 0.5)))
    return view


def keep_rare(rows: PatchRows, count: int, classes: int, void_is_first: bool, generator: torch.Generator) -> PatchRows:
    """`count` patches of one image, those whose classes are in few of its patches first, at random among them.

    A patch's rank is the number of patches that hold a class, summed over its own classes, times a uniform number.
    """
    if len(rows.features) <= count:
        return rows
    noise = torch.rand(len(rows.features), generator=generator)
    chosen = (rarity(rows.labels, classes, void_is_first) * noise).topk(count, largest=False).indices
    return PatchRows(rows.features[chosen], rows.labels[chosen])


def rarity(labels: Tensor, classes: int, void_is_first: bool) -> Tensor:
    """(n,) float32: over the classes in each patch of labels (n, P), how many of the patches hold them, summed."""
    labels = torch.where(labels == VOID, 0, labels) if void_is_first else labels
    present = torch.stack([(labels == number).any(1) for number in range(classes)], 1).float()
    return present @ present.sum(0)


def _joined(parts: list[PatchRows]) -> PatchRows:
    return PatchRows(torch.cat([part.features for part in parts]), torch.cat([part.labels for part in parts]))
