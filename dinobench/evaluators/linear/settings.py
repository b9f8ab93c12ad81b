"""Settings of linear classification; the defaults are the paper's protocol (Table 2, appendix F.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from dinobench.evaluators.common.setting_groups import LabeledImagesSettings
from dinobench.runtime.errors import InputError
from dinobench.runtime.settings import Count, Positive, Share, setting

GRID = (0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


@dataclass(frozen=True, kw_only=True)
class Settings(LabeledImagesSettings):
    """How a linear classifier is trained, or which one is scored."""

    features: tuple[str, ...] = setting(
        ("auto",),
        "auto: class token and mean patch of a ViT of width 768 (ViT-B) or more, else its last 4 class tokens",
    )
    lrs: tuple[Positive, ...] = setting(GRID, "learning rates to try, each times batch_size / 256", was="rates")
    epochs: Count = setting(100, "passes over the training images")
    batch_size: Count = setting(1024, "images per optimizer step", unit="images", was="batch")
    held_out: Share = setting(0.01, "share of every training class to choose the head by; 0 chooses on val")
    cached: bool = setting(False, "train on stored features of center crops instead of random crops")
    head: str = setting("", "file of a trained head to score instead of training")
    head_order: Literal["auto", "concatenated", "interleaved"] = setting(
        "auto", "order of cls+mean in the head's file; auto: as the file or the network's family tells", later=True
    )
    forward_batch: Count = setting(
        64, "images per forward pass; lower it where memory is short", unit="images", moves_figure=False
    )
    resume: bool = setting(True, "go on from the last epoch of an interrupted run", moves_figure=False)

    def __post_init__(self) -> None:
        """Refuse a probe that has nothing to try."""
        if not (self.lrs and self.features):
            raise InputError("the linear probe needs at least one learning rate (lrs) and one feature")
