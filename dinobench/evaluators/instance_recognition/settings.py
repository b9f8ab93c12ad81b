"""Settings of recognition of instances; the defaults are those that no tuning needs."""

from __future__ import annotations

from dataclasses import dataclass

from dinobench.evaluators.common.setting_groups import SearchSettings
from dinobench.runtime.errors import InputError
from dinobench.runtime.settings import Count, CountOrZero, Positive, setting


@dataclass(frozen=True, kw_only=True)
class Settings(SearchSettings):
    """How a query is answered."""

    feature: str = setting("cls", "cls, mean (patch tokens), cls.2 (block before the last), or a sum as cls+mean")
    whitened: CountOrZero = setting(
        0, "dimensions kept by a whitening PCA of the training features; 0 leaves features as they are"
    )
    ks: tuple[Count, ...] = setting((1,), "numbers of neighbors, the best of which on the split val is used")
    sharpness: tuple[Positive, ...] = setting(
        (1.0,), "factors of cosines before they are exponentiated, the best of which on the split val is used"
    )
    split: str = setting("test", "split of the data that is scored")

    def __post_init__(self) -> None:
        """Refuse empty lists."""
        for name in ("ks", "sharpness"):
            if not getattr(self, name):
                raise InputError(f"{name} is empty; give at least one value")
