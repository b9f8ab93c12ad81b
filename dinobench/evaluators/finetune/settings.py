"""Settings of fine-tuning; the defaults are the part of the paper's recipes (Table 6) that most data sets share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta

from dinobench.runtime.errors import InputError
from dinobench.runtime.settings import Count, CountOrZero, NotNegative, PixelsOrZero, Probability, Share, setting

BatchSize = Annotated[int, Meta(ge=2, le=2**31 - 1)]
Decay = Annotated[float, Meta(gt=0, le=1)]
PartOfArea = Annotated[float, Meta(gt=0, le=1)]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that fixes a fine-tuning run but the data, the model and the seed."""

    image_size: PixelsOrZero = setting(
        224,
        "side of the square input; 0 for the model's own; networks without weights are built for it",
        unit="pixels",
        shared=True,
    )
    epochs: Count = setting(1000, "passes over the training images")
    batch_size: BatchSize = setting(
        768, "images per optimizer step, over all processes", unit="images", was="train_batch_size"
    )
    optimizer: Literal["adamw", "sgd"] = setting("adamw", "sgd has Nesterov momentum 0.9", was="optimiser")
    lr: NotNegative = setting(7.5e-6, "highest learning rate, as used: not scaled by batch_size again")
    min_lr: NotNegative = setting(1e-5, "learning rate at the end of the cosine")
    warmup_lr: NotNegative = setting(1e-6, "learning rate at the start of the warm-up")
    warmup_epochs: CountOrZero = setting(5, "length of the warm-up", unit="epochs")
    schedule: Literal["epoch", "update"] = setting("epoch", "how often the learning rate changes")
    weight_decay: NotNegative = setting(0.05, "on all but biases, gains, class token and position table")
    layer_decay: Decay = setting(1.0, "factor on the learning rate per block below the head; 1 for none")
    drop_path: Share = setting(0.1, "stochastic depth of the last block, linear over depth")
    auto_augment: str = setting("rand-m9-mstd0.5-inc1", "RandAugment in timm's notation; empty for none")
    crop_scale: tuple[PartOfArea, PartOfArea] = setting(
        (0.08, 1.0), "share of the area that a training crop takes: smallest, largest"
    )
    flip: Probability = setting(0.5, "probability of a horizontal flip")
    mixup: NotNegative = setting(0.8, "beta parameter of mixup; 0 for none")
    cutmix: NotNegative = setting(1.0, "beta parameter of cutmix; 0 for none")
    mix_group: CountOrZero = setting(
        96,
        "images that share one draw of mixup or cutmix, as those of one GPU did; 0 for all of a process",
        unit="images",
        later=True,
    )
    smoothing: Share = setting(0.1, "of the labels")
    erasing: Probability = setting(0.0, "probability of erasing a random rectangle with noise")
    repeats: Count = setting(3, "copies of an image in a batch (repeated augmentation); 1 for none")
    ema_decay: Share = setting(0.0, "of averaged weights that are scored in place of the trained ones; 0 for none")
    clip_norm: NotNegative = setting(0.0, "largest norm of the whole gradient; 0 for no limit")
    head_scale: NotNegative = setting(0.001, "factor on the head's initial weights (standard deviation 0.02)")
    channels_last: bool = setting(False, "memory format of images and convolutions")
    held_out: Share = setting(0.0, "share of the training images that chooses the best epoch; 0: the test images do")
    train_split: str = setting("train", "split to train on")
    test_split: str = setting("val", "split to score on")
    forward_batch: Count = setting(
        64,
        "images per forward pass; lower it where memory is short, but not with batch norm, whose figure it moves",
        unit="images",
        moves_figure=False,
        moves_batch_norm=True,
    )
    resume: bool = setting(True, "go on from the checkpoint of an interrupted run", moves_figure=False)
    save_weights: bool = setting(False, "write the fine-tuned network as a model file", moves_figure=False)

    def __post_init__(self) -> None:
        """Refuse values that exclude one another."""
        if self.crop_scale[0] > self.crop_scale[1]:
            raise InputError(f"crop_scale = {list(self.crop_scale)} must be [smallest, largest]")
        if self.warmup_epochs >= self.epochs:
            raise InputError(f"warmup_epochs = {self.warmup_epochs} leaves nothing of epochs = {self.epochs}; lower it")

    @property
    def mixes(self) -> bool:
        """Whether batches are mixed, which wants an even number of images."""
        return self.mixup > 0 or self.cutmix > 0
