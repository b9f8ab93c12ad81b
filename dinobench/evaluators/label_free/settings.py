"""Settings of the measures without labels; the defaults are those of the papers that propose them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from dinobench.evaluators.common.setting_groups import ViewSettings
from dinobench.runtime.errors import InputError
from dinobench.runtime.settings import Count, CountOrZero, NotNegative, setting


@dataclass(frozen=True, kw_only=True)
class Settings(ViewSettings):
    """Which features are measured, and on how many images."""

    features: tuple[str, ...] = setting(
        ("cls",), "cls, mean (patch tokens), cls.2 (block before the last); the first is the figure's"
    )
    samples: CountOrZero = setting(
        25600, "images whose spectrum is measured, drawn where there are more; 0 for all", unit="images"
    )
    first_rank: Count = setting(6, "rank of the first eigenvalue that alpha is fitted to")
    last_rank: Count = setting(100, "rank of the last one")
    view_images: Count = setting(1000, "images, at most, of which views are drawn for LiDAR and alignment")
    views: CountOrZero = setting(50, "views of each of them; 0 leaves out LiDAR and alignment")
    delta: NotNegative = setting(1e-4, "LiDAR's addition to the diagonal of the scatter within images")
    unreadable: Literal["stop", "skip"] = setting(
        "stop", "skip leaves out images that cannot be decoded; the record counts them", moves_figure=False
    )

    def __post_init__(self) -> None:
        """Refuse a run without a feature, a single view, and an empty range."""
        super().__post_init__()
        if not self.features:
            raise InputError("features is empty; give at least one, such as --set features=cls")
        if self.views == 1:
            raise InputError("views = 1 says nothing of how views differ; give 2 or more, or 0 to leave them out")
        if self.last_rank <= self.first_rank:
            raise InputError(f"last_rank = {self.last_rank} must lie above first_rank = {self.first_rank}")
