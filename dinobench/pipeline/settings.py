"""Settings of a run, which every task shares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta

from dinobench.runtime.settings import Count, CountOrZero, setting
from dinobench.runtime.trackers import TrackerKind

Seed = Annotated[int, Meta(ge=0, le=2**32 - 1)]


@dataclass(frozen=True, kw_only=True)
class RunSettings:
    """Where and how fast a run computes."""

    device: str = setting("auto", "cpu, cuda, cuda:N, mps or xpu; auto takes the fastest there is", moves_figure=False)
    batch_size: Count = setting(64, "images per forward pass", unit="images", moves_figure=False)
    workers: CountOrZero = setting(0, "threads that decode images; 0 for one per core", moves_figure=False)
    precision: Literal["fp32", "bf16", "fp16"] = setting("fp32", "numbers that the network computes in; fp16 trains")
    compile: bool = setting(False, "pass a frozen network's batches through torch.compile", moves_figure=False)
    verify: Literal["changed", "full"] = setting(
        "changed", "images that are read to tell the data: those whose files changed, or all", moves_figure=False
    )
    log: TrackerKind = setting(
        "", "tracker that gets the figures too, by its own library", moves_figure=False, later=True
    )
    seed: Seed = setting(0, "of every random choice", departs=False)
    train_split: str = setting("", "what the data call their training images; by default train and its like")
    val_split: str = setting("", "what the data call the images to test on; by default val and its like")
