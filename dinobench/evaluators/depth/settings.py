"""Settings of depth estimation on frozen patches; the defaults are those of DINOv3's linear head on NYU Depth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta

from dinobench.runtime.errors import InputError
from dinobench.runtime.settings import (
    Count,
    CountOrZero,
    NotNegative,
    Pixels,
    PixelsOrZero,
    Positive,
    Probability,
    Share,
    setting,
)

Bins = Annotated[int, Meta(ge=2, le=4096)]
Range = tuple[Positive, Positive]


@dataclass(frozen=True, kw_only=True)
class DepthMapSettings:
    """Which depths there are, and which of them count."""

    per_meter: NotNegative = setting(
        0.0, "values of a depth file that are one meter: 1000 for millimeters, 1 for meters; 0: as the data set has it"
    )
    min_depth: Positive = setting(1e-3, "depths up to it do not count, and are not predicted", unit="meters")
    max_depth: Positive = setting(10.0, "depths from it on do not count, and are not predicted", unit="meters")
    area: Literal["whole", "eigen", "garg"] = setting(
        "eigen", "part of a test image that counts: eigen of NYU Depth, garg of KITTI"
    )
    frame: Literal["none", "nyu", "kitti"] = setting(
        "nyu", "what is cut from every training image: NYU's white border, KITTI's lower 1216 x 352 (tests too)"
    )
    image_size: PixelsOrZero = setting(0, "shorter side that images are resized to; 0 for their own", unit="pixels")


@dataclass(frozen=True, kw_only=True)
class DepthHeadSettings:
    """Of the head, batch norm and a linear layer, and the steps that train it."""

    layer: Count = setting(1, "block whose patches are taken, counted from the end")
    bins: Bins = setting(256, "depths, evenly spaced, that the head weighs")
    iterations: Count = setting(38_400, "of training")
    batch_size: Count = setting(16, "images per iteration", unit="images", moves_figure=True)
    loss_images: Count = setting(2, "images whose pixels share one loss; a step's loss is the mean of these")
    lr: Positive = setting(3e-4, "highest learning rate of AdamW")
    weight_decay: NotNegative = setting(1e-4, "of AdamW")
    beta2: Share = setting(0.99, "of AdamW")
    momentum: tuple[Share, Share] = setting(
        (0.85, 0.95), "beta1 of AdamW after the warm-up and at the end; it is 0 during the warm-up"
    )
    warmup_iterations: CountOrZero = setting(12_800, "in which the learning rate rises")
    gradient_norm: Positive = setting(35.0, "gradients are shortened to it")
    no_variance: CountOrZero = setting(100, "first iterations, whose loss leaves out the variance")
    crop_height: Pixels = setting(416, "of the random crop of training images", unit="pixels")
    crop_width: Pixels = setting(544, "of the random crop of training images", unit="pixels")


@dataclass(frozen=True, kw_only=True)
class DepthAugmentationSettings:
    """How training images are changed."""

    rotation: NotNegative = setting(2.5, "largest angle to either side, of half of the images", unit="degrees")
    flip: Probability = setting(0.5, "probability that a training image is mirrored")
    colors: Probability = setting(0.5, "probability that its colors are changed")
    gamma: Range = setting((0.9, 1.1), "exponents of the values of a pixel from 0 to 255")
    brightness: Range = setting((0.75, 1.25), "factors of all channels")
    tint: Range = setting((0.9, 1.1), "factors of each channel")


@dataclass(frozen=True, kw_only=True)
class Settings(DepthMapSettings, DepthHeadSettings, DepthAugmentationSettings):
    """How depth is predicted."""

    split: str = setting("val", "split of the data that is scored")
    mirrored: bool = setting(True, "predict the mirrored image too, and take the mean")

    def __post_init__(self) -> None:
        """Refuse ranges that are none."""
        if self.min_depth >= self.max_depth:
            raise InputError(f"min_depth = {self.min_depth:g} is not below max_depth = {self.max_depth:g}")
        for name in ("gamma", "brightness", "tint"):
            low, high = getattr(self, name)
            if low > high:
                raise InputError(f"{name} = {[low, high]} is not a range; give the smaller number first")
        if self.batch_size % self.loss_images:
            raise InputError(f"batch_size = {self.batch_size} is not a multiple of loss_images = {self.loss_images}")
        if self.warmup_iterations >= self.iterations:
            raise InputError(
                f"warmup_iterations = {self.warmup_iterations} leaves none of iterations = {self.iterations}"
            )
