"""The training patches that heads are fitted to: all of each image's, or some of random crops."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from dinobench.data.crops import crop_box
from dinobench.data.dataset import ImageSet
from dinobench.data.masks import VOID, Labels
from dinobench.data.transforms import resampling
from dinobench.evaluators.base import EvaluationContext
from dinobench.evaluators.common.stored_maps import Size, stored_maps
from dinobench.evaluators.segmentation.frames import MaskReader, patch_labels, read_mask, resize_labels
from dinobench.evaluators.segmentation.patches import Indices, Patches, labels_on_disk
from dinobench.evaluators.segmentation.settings import Settings
from dinobench.evaluators.segmentation.sizes import shown_size
from dinobench.features.loading import in_chunks, map_ahead
from dinobench.features.preparation import Preparation, stretched
from dinobench.runtime.console import progress
from dinobench.runtime.processes import gather_objects, own_share

_RATIO = (3 / 4, 4 / 3)
_AT_ONCE = 256  # images whose classes processes read before they exchange them


def training_patches(context: EvaluationContext[Settings], images: ImageSet, read: MaskReader) -> Patches:
    """Patches of every training image, those of one pass over all images after those of another."""
    settings, count = context.settings, len(images)
    sizes: list[Size] = []

    def parts() -> Iterator[NDArray[np.uint8]]:
        for size, labels in _shown_labels(context, images, read):
            sizes.append(size)
            yield labels

    with context.clock.phase("classes of patches"):
        labels, starts = labels_on_disk(parts(), context.output)
    passes = [
        stored_maps(
            context,
            "train",
            images,
            sizes[first : first + count],
            _preparation_of(settings, context.seed, first),
            layer=settings.layer,
            numbers=settings.numbers,
        )
        for first in range(0, settings.passes * count, count)
    ]
    return Patches(lambda number: passes[number // count](number % count), labels, starts)


def _preparation_of(settings: Settings, seed: int, first: int) -> Callable[[int, int], Preparation]:
    """How training images are shown at a height and width: whole, or as random crops, numbered from `first` on."""
    if not settings.crop_scale:
        return lambda height, width: stretched(height, width, settings.interpolation)

    def apply(index: int, image: Image.Image) -> Image.Image:
        return _view(image, settings, _generator(seed, first + index))

    how = f"{settings.interpolation} of {list(settings.crop_scale)}, jitter {settings.jitter:g}, seed {seed}"
    return lambda *size: Preparation(f"crops {size[0]} x {size[1]} {how}, from {first} on", apply, size)


def _shown_labels(
    context: EvaluationContext[Settings], images: ImageSet, read: MaskReader
) -> Iterator[tuple[Size, NDArray[np.uint8]]]:
    """For every image of every pass the size at which it is shown, and the classes of its patches (n, P).

    Processes share the reading; all get all.
    """
    settings, count, patch = context.settings, len(images), context.model.backbone.patch_size

    def shown(number: int) -> tuple[Size, NDArray[np.uint8]]:
        labels = read_mask(images, number % count, read)
        width, height = shown_size(labels.shape[::-1], settings)
        if settings.crop_scale:
            labels = _view_labels(labels, settings, _generator(context.seed, number))
        else:
            labels = resize_labels(labels, (width, height))
        return (height, width), patch_labels(labels, patch)

    chunks = in_chunks(np.arange(settings.passes * count), _AT_ONCE)
    for part in progress(chunks, "classes of patches", settings.passes * count, len):
        share = own_share(len(part))
        mine = list(map_ahead(shown, part[share.start : share.stop].tolist(), context.workers))
        for share_of in gather_objects(mine, "classes of the training patches"):
            yield from share_of


def memory_of(context: EvaluationContext[Settings], patches: Patches, images: ImageSet) -> list[Indices]:
    """For each image its patches of all passes; void ones are left out of searches unless they count.

    Where `memory_size` is smaller, every image gives the same number, and patches of rare classes come first.
    """
    settings, count = context.settings, len(images)
    known = settings.head == "nearest" and not settings.void_is_first
    found = [patches.of_map(number, known=known) for number in range(settings.passes * count)]
    if settings.memory_size:
        share = max(1, settings.memory_size // (count * settings.passes))
        generator = torch.Generator().manual_seed(context.seed)
        found = [keep_rare(patches, rows, share, len(images.classes), settings, generator) for rows in found]
    return [np.concatenate([found[start] for start in range(index, len(found), count)]) for index in range(count)]


def _generator(seed: int, number: int) -> random.Random:
    return random.Random(f"{seed} {number}")


def _view(image: Image.Image, settings: Settings, rng: random.Random) -> Image.Image:
    """A random part of an image as a square, its colors changed a little."""
    box, side = _box(image.size, settings, rng), (settings.image_size, settings.image_size)
    return _jittered(image.resize(side, resampling(settings.interpolation), box=box), settings.jitter, rng)


def _view_labels(labels: Labels, settings: Settings, rng: random.Random) -> Labels:
    """The classes of what `_view` cuts out by the same random numbers."""
    whole = Image.fromarray(labels)
    box, side = _box(whole.size, settings, rng), (settings.image_size, settings.image_size)
    return np.asarray(whole.resize(side, Image.Resampling.NEAREST, box=box))


def _box(size: tuple[int, int], settings: Settings, rng: random.Random) -> tuple[float, float, float, float]:
    low, high = settings.crop_scale
    return crop_box(size, (low, high), _RATIO, rng)


def _jittered(view: Image.Image, strength: float, rng: random.Random) -> Image.Image:
    """Brightness, contrast, saturation and hue, each with probability 1/2 by a random factor."""
    from torchvision.transforms.v2 import functional

    for change in (functional.adjust_brightness, functional.adjust_contrast, functional.adjust_saturation):
        if strength and rng.random() < 0.5:
            view = change(view, rng.uniform(max(0.0, 1 - strength), 1 + strength))
    if strength and rng.random() < 0.5:
        view = functional.adjust_hue(view, rng.uniform(-min(strength, 0.5), min(strength, 0.5)))
    return view


def keep_rare(
    patches: Patches, rows: Indices, count: int, classes: int, settings: Settings, generator: torch.Generator
) -> Indices:
    """`count` patches of one image, those whose classes are in few of its patches first, at random among them.

    A patch's rank is the number of patches that hold a class, summed over its own classes, times a uniform number.
    """
    if len(rows) <= count:
        return rows
    noise = torch.rand(len(rows), generator=generator)
    labels = torch.from_numpy(np.asarray(patches.labels[rows]))
    ranks = rarity(labels, classes, settings.void_is_first) * noise
    kept: Indices = rows[ranks.topk(count, largest=False).indices.numpy()]
    return kept


def rarity(labels: Tensor, classes: int, void_is_first: bool) -> Tensor:
    """(n,) float32: over the classes in each patch of labels (n, P), how many of the patches hold them, summed."""
    labels = torch.where(labels == VOID, 0, labels) if void_is_first else labels
    present = torch.stack([(labels == number).any(1) for number in range(classes)], 1).float()
    return present @ present.sum(0)
