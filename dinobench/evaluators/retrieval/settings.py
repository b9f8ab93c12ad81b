"""Settings of landmark retrieval; the defaults are those of the benchmark's own protocol on Oxford (Table 3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from dinobench.evaluators.common.setting_groups import SearchSettings
from dinobench.runtime.errors import InputError
from dinobench.runtime.settings import Count, CountOrZero, NotNegative, PixelsOrZero, Positive, setting

Scale = Annotated[float, Meta(gt=0, le=4)]


@dataclass(frozen=True, kw_only=True)
class Settings(SearchSettings):
    """How images are described and the database is ranked."""

    crop_query: bool = setting(True, "crop each query to its box, as the benchmark demands")
    image_size: PixelsOrZero = setting(
        224, "longer side at most; 0 for the model's own input size", unit="pixels", was="size"
    )
    scales: tuple[Scale, ...] = setting((1.0,), "scales of the input whose descriptors are averaged")
    feature: str = setting("cls", "cls, gem, mean, max or rmac, or a sum such as cls+gem", was="pooling")
    gem_power: Positive = setting(3.0, "exponent of gem")
    region_whitening: str = setting(
        "", "folder or data set to learn PCA whitening of the regions of rmac from; empty for none", later=True
    )
    whitening: str = setting("", "folder or data set to learn PCA whitening from; empty for none")
    whitening_dim: CountOrZero = setting(0, "dimensions that whitening keeps; 0 for all")
    whitening_power: NotNegative = setting(0.5, "power of the eigenvalues that are divided out; 0 for plain PCA")
    expansion: CountOrZero = setting(0, "neighbors added by alpha query expansion; 0 for none")
    alpha: NotNegative = setting(3.0, "power of the similarity in query expansion; 0 for the plain average")
    distractors: str = setting("", "folder of further database images, such as R1M; empty for none")
    ks: tuple[Count, ...] = setting((1, 5, 10), "cut-offs of mP@k", moves_figure=False)

    def __post_init__(self) -> None:
        """Refuse empty lists, and whitened regions where there are none."""
        if self.region_whitening and self.feature != "rmac":
            raise InputError(f"region_whitening belongs to feature = rmac, not {self.feature}; leave it out")
        for name, example in (("scales", "[1.0]"), ("ks", "[1, 5, 10]")):
            if not getattr(self, name):
                raise InputError(f"{name} is empty; give at least one number, such as --set {name}={example}")
