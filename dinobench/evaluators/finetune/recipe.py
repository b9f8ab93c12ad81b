"""A fine-tuning recipe: the settings of a task card's protocol, checked."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dinobench.runtime.errors import InputError


@dataclass(frozen=True)
class Recipe:
    """Everything that fixes a fine-tuning run but the data, the model and the seed.

    Attributes:
        image_size: side of the square input in pixels; 0 for the model's own.
        epochs: passes over the training images.
        train_batch_size: images per optimizer step, over all processes.
        optimizer: "adamw" or "sgd" (Nesterov momentum 0.9).
        lr: peak learning rate, after any scaling by batch size.
        min_lr, warmup_lr, warmup_epochs: the cosine's end, the warm-up's start and its length.
        schedule: whether the rate changes once per "epoch" or per "update".
        weight_decay: on all but biases, gains, class token and position table.
        layer_decay: factor on the learning rate per block below the head; 1 for none.
        drop_path: stochastic depth of the last block, linear over depth.
        auto_augment: RandAugment in timm's notation, or "".
        crop_scale: share of the area that a training crop takes, smallest and largest.
        flip: probability of a horizontal flip.
        mixup, cutmix: their beta parameters; 0 switches one off.
        smoothing: of the labels.
        erasing: probability of erasing a random rectangle with noise.
        repeats: copies of an image in a batch (repeated augmentation); 1 for none. An epoch's length stays the same.
        ema_decay: of the averaged weights that are scored in place of the trained ones; 0 for none.
        clip_norm: of the whole gradient; 0 for none.
        head_scale: factor on the head's truncated-normal initial weights (standard deviation 0.02).
        channels_last: memory format of images and convolutions.
        held_out: share of the training images, drawn by class, that chooses the best epoch in place of the test images.
        train_split, test_split: splits of the data set.
    """

    image_size: int
    epochs: int
    train_batch_size: int
    optimizer: str
    lr: float
    min_lr: float
    warmup_lr: float
    warmup_epochs: int
    schedule: str
    weight_decay: float
    layer_decay: float
    drop_path: float
    auto_augment: str
    crop_scale: tuple[float, float]
    flip: float
    mixup: float
    cutmix: float
    smoothing: float
    erasing: float
    repeats: int
    ema_decay: float
    clip_norm: float
    head_scale: float
    channels_last: bool
    held_out: float
    train_split: str
    test_split: str

    def __post_init__(self) -> None:
        """Refuse values that no run can use."""
        for name, least in _AT_LEAST.items():
            if not getattr(self, name) >= least:  # so that nan is refused too
                raise InputError(f"{name}={getattr(self, name)} is too small; it must be at least {least}")
        for name in _SHARES:
            if not 0 <= getattr(self, name) < 1:
                raise InputError(f"{name}={getattr(self, name)} must lie in 0..1, below 1")
        for name in _PROBABILITIES:
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"{name}={getattr(self, name)} is a probability; it must lie in 0..1")
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise InputError(f"{name}={getattr(self, name)!r} is unknown; choose {' or '.join(choices)}")
        if not (len(self.crop_scale) == 2 and 0 < self.crop_scale[0] <= self.crop_scale[1] <= 1):
            raise InputError(f"crop_scale={list(self.crop_scale)} must be [smallest, largest] within 0..1")
        if not 0 < self.layer_decay <= 1:
            raise InputError(f"layer_decay={self.layer_decay} must lie in 0..1; 1 is none")
        if self.warmup_epochs >= self.epochs:
            raise InputError(f"warmup_epochs={self.warmup_epochs} leaves nothing of epochs={self.epochs}; lower it")

    @property
    def mixes(self) -> bool:
        """Whether batches are mixed, which wants an even number of images."""
        return self.mixup > 0 or self.cutmix > 0


_AT_LEAST: Mapping[str, float] = {
    "image_size": 0,
    "epochs": 1,
    "train_batch_size": 2,
    "lr": 0,
    "min_lr": 0,
    "warmup_lr": 0,
    "warmup_epochs": 0,
    "weight_decay": 0,
    "mixup": 0,
    "cutmix": 0,
    "repeats": 1,
    "clip_norm": 0,
    "head_scale": 0,
}
_SHARES = ("drop_path", "smoothing", "ema_decay", "held_out")
_PROBABILITIES = ("flip", "erasing")
_CHOICES = {"optimizer": ("adamw", "sgd"), "schedule": ("epoch", "update")}


def recipe_of(settings: Mapping[str, Any]) -> Recipe:
    """The recipe that a protocol's settings spell; settings that are none of its fields are left alone.

    Raises:
        InputError: a field is missing or out of its range.
    """
    names = [field.name for field in dataclasses.fields(Recipe)]
    missing = [name for name in names if name not in settings]
    if missing:
        raise InputError(f"the fine-tuning protocol lacks {', '.join(missing)}; add them to its card")
    chosen = {name: settings[name] for name in names}
    return Recipe(**{**chosen, "crop_scale": tuple(chosen["crop_scale"])})
