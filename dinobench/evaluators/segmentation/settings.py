"""Settings of segmentation on frozen patches; the defaults are those of the quick protocol, for laptops."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta

from dinobench.evaluators.common.setting_groups import SearchSettings
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

Percent = Annotated[float, Meta(gt=0, lt=100)]


@dataclass(frozen=True, kw_only=True)
class FrameSettings:
    """How an image is shown to the network, and where its prediction is scored."""

    image_size: Pixels = setting(224, "shorter side, or side of the square", unit="pixels")
    square: bool = setting(False, "show images as squares, whatever their aspect, and score them so")
    interpolation: Literal["bilinear", "bicubic"] = setting("bicubic", "of the images' resize")
    window: PixelsOrZero = setting(0, "side of the windows that slide over an image; 0 shows it whole", unit="pixels")
    stride: Pixels = setting(341, "from one window to the next", unit="pixels")
    enlarge: Literal["bilinear", "repeat", "stretch"] = setting(
        "bilinear",
        "how scores of patches become those of pixels; stretch: bilinear, over the image with its padding",
    )
    layer: Count = setting(1, "block whose patches are taken, counted from the end")


@dataclass(frozen=True, kw_only=True)
class PatchHeadSettings(SearchSettings):
    """Of heads that are fitted to stored patches: logistic regression and nearest patches."""

    cs: tuple[Positive, ...] = setting((1.0,), "scikit-learn's C of the logistic regression, the best of which is used")
    max_iterations: Count = setting(1000, "of L-BFGS at most")
    tolerance: NotNegative = setting(1e-4, "stop where no entry of the mean loss's gradient is larger")
    standardize: bool = setting(
        True, "shift and scale each feature to mean 0 and deviation 1 over the training patches"
    )
    ks: tuple[Count, ...] = setting((30,), "numbers of nearest patches, the best of which is used")
    distances: tuple[Literal["cosine", "euclidean"], ...] = setting(("cosine",), "the best of which is used")
    votes: Literal["soft", "pixels"] = setting(
        "soft", "soft: shares of classes, weighed by exp(cosine / temperature); pixels: each pixel of a patch by itself"
    )
    temperature: Positive = setting(0.02, "of soft votes")
    memory_size: CountOrZero = setting(0, "training patches that are searched; 0 for all")
    passes: Count = setting(1, "over the training images that fill the memory")
    crop_scale: tuple[Positive, ...] = setting(
        (), "of memories from random crops: least and largest area, as shares of the image's; empty for whole images"
    )
    jitter: NotNegative = setting(0.0, "of memories: strength of changes of color, each made with probability 1/2")
    void_is_first: bool = setting(False, "in the memory, void pixels count as the first class")
    numbers: Literal["fp32", "fp16"] = setting(
        "fp32", "of the patches in the feature store; fp16 takes half the space", later=True
    )
    held: NotNegative = setting(
        2.0,
        "of training patches that stay in memory; the others are read from disk in each pass",
        unit="GB",
        moves_figure=False,
        later=True,
    )
    held_out: Percent = setting(10.0, "of the training images, by which C, k and distance are chosen", unit="%")

    @property
    def held_bytes(self) -> int:
        """Of training patches that stay in memory."""
        return int(1e9 * self.held)


@dataclass(frozen=True, kw_only=True)
class TrainedHeadSettings:
    """Of the head that is trained by gradient steps: batch norm and a linear layer."""

    iterations: Count = setting(40_000, "of training")
    batch_size: Count = setting(16, "images per iteration", unit="images", moves_figure=True)
    lr: Positive = setting(1e-3, "highest learning rate of AdamW")
    weight_decay: NotNegative = setting(1e-4, "of AdamW")
    schedule: Literal["linear", "cosine"] = setting("linear", "how the learning rate falls to zero")
    warmup_iterations: CountOrZero = setting(1500, "in which the learning rate rises from a millionth")
    dropout: Share = setting(0.0, "share of a map's channels that is left out in training")
    resize_range: tuple[Positive, ...] = setting((0.5, 2.0), "range of the random resize before the crop")
    most_of_one: Share = setting(0.75, "share of one class in a crop from which another is drawn, up to ten times")
    flip: Probability = setting(0.5, "probability that a training image is mirrored")
    distortion: bool = setting(True, "random brightness, contrast, saturation and hue of training images")


@dataclass(frozen=True, kw_only=True)
class Settings(FrameSettings, PatchHeadSettings, TrainedHeadSettings):
    """Which head gives each pixel its class."""

    head: Literal["logistic", "nearest", "linear"] = setting(
        "logistic",
        "logistic: regression on patches by L-BFGS; nearest: votes of nearest patches; linear: trained on crops",
    )
    split: str = setting("val", "split of the data that is scored")
    forward_batch: Count = setting(16, "images per forward pass", unit="images", moves_figure=False)
    predictions: bool = setting(True, "write each image's predicted classes as PNG", moves_figure=False)

    def __post_init__(self) -> None:
        """Refuse empty lists and a window that no crop fills."""
        for name in ("cs", "ks", "distances"):
            if not getattr(self, name):
                raise InputError(f"{name} is empty; give at least one value")
        if len(self.resize_range) != 2 or self.resize_range[0] > self.resize_range[1]:
            raise InputError(
                f"resize_range = {list(self.resize_range)} is not a range; give two numbers, as [0.5, 2.0]"
            )
        if self.crop_scale and (len(self.crop_scale) != 2 or self.crop_scale[0] > self.crop_scale[1]):
            raise InputError(f"crop_scale = {list(self.crop_scale)} is not a range; give two numbers, as [0.5, 2.0]")
        if self.passes > 1 and not self.crop_scale:
            raise InputError(f"passes = {self.passes} over the same whole images adds nothing; give crop_scale too")
        if self.window and self.stride > self.window:
            raise InputError(f"stride = {self.stride} leaves gaps between windows of {self.window}; give less")
        if self.votes == "pixels" and not self.square:
            raise InputError("votes = pixels needs square = true: patches of all images must lie alike")
