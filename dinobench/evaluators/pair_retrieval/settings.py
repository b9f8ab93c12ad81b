"""Settings of retrieval between two splits; the defaults are those of AmsterTime's kit."""

from __future__ import annotations

from dataclasses import dataclass

from dinobench.evaluators.common.setting_groups import SearchSettings
from dinobench.runtime.settings import CountOrZero, setting


@dataclass(frozen=True, kw_only=True)
class Settings(SearchSettings):
    """Which images ask for which."""

    feature: str = setting("cls", "cls, mean (patch tokens), cls.2 (block before the last), or a sum as cls+mean")
    places: CountOrZero = setting(0, "of the ranked list that count; what lies beyond counts 0; 0 for all")
    one: str = setting("old", "split whose images ask for those of `other`")
    other: str = setting("new", "split whose images ask for those of `one`")
