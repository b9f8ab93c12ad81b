"""Settings of retrieval by class."""

from __future__ import annotations

from dataclasses import dataclass

from dinobench.evaluators.common.setting_groups import LabeledImagesSettings, SearchSettings
from dinobench.runtime.errors import InputError
from dinobench.runtime.settings import Count, setting


@dataclass(frozen=True, kw_only=True)
class Settings(SearchSettings, LabeledImagesSettings):
    """Which images ask, and how far their lists go."""

    features: tuple[str, ...] = setting(
        ("cls",), "cls, mean (patch tokens), cls.2 (block before the last); the first is the figure's"
    )
    ks: tuple[Count, ...] = setting((1, 2, 4, 8), "places up to which recall looks")
    split: str = setting("val", "split whose images ask for one another")

    def __post_init__(self) -> None:
        """Refuse empty lists."""
        for name, example in (("features", "cls"), ("ks", "[1, 2, 4, 8]")):
            if not getattr(self, name):
                raise InputError(f"{name} is empty; give at least one, such as --set {name}={example}")
