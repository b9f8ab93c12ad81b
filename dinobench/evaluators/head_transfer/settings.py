"""Settings of scoring a trained head on other test sets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from dinobench.evaluators.common.setting_groups import LabeledImagesSettings
from dinobench.runtime.settings import Count, Positive, setting


@dataclass(frozen=True, kw_only=True)
class HeadSettings(LabeledImagesSettings):
    """Which head is scored, or which classifier is made of ImageNet's training images."""

    classifier: Literal["head", "knn", "logistic"] = setting(
        "head", "head: a linear one from a file; knn, logistic: of the training images that `train` names", later=True
    )
    train: str = setting(
        "",
        "ImageNet, from whose training images knn and logistic learn: a folder or its name",
        departs=False,
        later=True,
    )
    k: Count = setting(20, "training images that vote", later=True)
    temperature: Positive = setting(0.07, "of their votes", later=True)
    penalty: Positive = setting(0.1, "of logistic regression, times the number of training images", later=True)
    head: str = setting(
        "", "file of the head: head.safetensors of a run of task linear, or a released one", departs=False
    )
    features: tuple[str, ...] = setting(
        ("auto",), "feature that the head reads; auto: as its file or the network's size tells"
    )
    head_order: Literal["auto", "concatenated", "interleaved"] = setting(
        "auto", "order of cls+mean in the head's file; auto: as the file or the network's family tells"
    )


@dataclass(frozen=True, kw_only=True)
class Settings(HeadSettings):
    """What counts as right."""

    labels: Literal["folders", "real"] = setting(
        "folders", "folders: the image's class; real: any of its reassessed labels (ReaL), images without one left out"
    )
    among: Literal["all", "data"] = setting(
        "all", "classes among which the head chooses: all of its own, or those that the data have"
    )
    split: str = setting("val", "split of the data that is scored")
