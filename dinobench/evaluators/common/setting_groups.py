"""Settings that several evaluators share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta

from dinobench.runtime.errors import InputError
from dinobench.runtime.settings import Count, CountOrZero, Probability, setting

Percent = Annotated[float, Meta(gt=0, le=100)]
Area = Annotated[float, Meta(gt=0, le=1)]


@dataclass(frozen=True, kw_only=True)
class LabeledImagesSettings:
    """Of tasks that classify frozen features."""

    unreadable: Literal["stop", "skip"] = setting(
        "stop",
        "skip leaves out images that cannot be decoded; the record counts and names them",
        moves_figure=False,
    )
    predictions: bool = setting(
        True, "write the prediction of every image, for `dinobench compare`", moves_figure=False
    )


@dataclass(frozen=True, kw_only=True)
class TrainingRowsSettings:
    """Which training images a low-shot protocol may use."""

    shots: CountOrZero = setting(0, "training images drawn per class; 0 for all", unit="images")
    percent: Percent = setting(100.0, "percentage of every training class that is drawn", unit="%")
    subset: str = setting("", "file in the folder `lists` that names the training images, one a line; empty for all")
    draws: Count = setting(1, "random training subsets, for mean and standard deviation")
    lists: str = setting("", "folder of the file that `subset` names", moves_figure=False)

    def __post_init__(self) -> None:
        """Refuse limits that exclude one another."""
        if (self.shots != 0) + (self.percent != 100) + bool(self.subset) > 1:
            raise InputError("shots, percent and subset exclude one another; give only one of them")
        if self.draws > 1 and not (self.shots or self.percent < 100):
            raise InputError(f"draws = {self.draws} needs a random part of the training set; give shots or percent too")


@dataclass(frozen=True, kw_only=True)
class SearchSettings:
    """How nearest neighbors are found."""

    search: Literal["auto", "exact", "prefilter", "faiss"] = setting(
        "auto",
        "engine that finds nearest neighbors, all exact; auto measures which is the fastest",
        moves_figure=False,
    )


@dataclass(frozen=True, kw_only=True)
class ViewSettings:
    """How a view is cut from an image."""

    crop_scale: tuple[Area, ...] = setting(
        (0.25, 1.0), "least and largest area of a view, as a share of the image's; 0.25 as DINO's global views"
    )
    flip: Probability = setting(0.5, "probability that a view is mirrored")

    def __post_init__(self) -> None:
        """Refuse a range that is none."""
        if len(self.crop_scale) != 2 or self.crop_scale[0] > self.crop_scale[1]:
            raise InputError(
                f"crop_scale = {list(self.crop_scale)} is not a range; give the least and largest area, as [0.25, 1.0]"
            )
