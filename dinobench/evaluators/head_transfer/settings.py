"""Settings of scoring a trained head on other test sets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from dinobench.evaluators.common.setting_groups import LabeledImagesSettings
from dinobench.runtime.settings import setting


@dataclass(frozen=True, kw_only=True)
class HeadSettings(LabeledImagesSettings):
    """Which head is scored."""

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
