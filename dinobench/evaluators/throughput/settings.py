"""Settings of the throughput measurement; the defaults are the paper's (Tables 1 and 2)."""

from __future__ import annotations

from dataclasses import dataclass

from dinobench.runtime.settings import Count, CountOrZero, PixelsOrZero, setting


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What is timed."""

    batch_size: Count = setting(128, "images per forward pass", unit="images", was="batch")
    image_size: PixelsOrZero = setting(0, "side of the images; 0 for the model's own", unit="pixels", was="size")
    repeats: Count = setting(10, "timed passes; the figure is their median")
    warm_up: CountOrZero = setting(3, "passes before the timed ones")
