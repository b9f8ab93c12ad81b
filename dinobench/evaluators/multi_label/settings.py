"""Settings of classification into several classes at once (paper, Table 10, column VOC07)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from dinobench.evaluators.common.setting_groups import SearchSettings
from dinobench.runtime.settings import Count, NotNegative, Positive, setting


@dataclass(frozen=True, kw_only=True)
class Settings(SearchSettings):
    """How each class is scored."""

    classifier: Literal["knn", "logistic"] = setting("knn", "votes of neighbors, or a regression for each class")
    feature: str = setting("cls", "cls, mean (patch tokens), cls.2 (block before the last), or a sum such as cls+mean")
    k: Count = setting(20, "neighbors that vote")
    temperature: Positive = setting(0.07, "of the votes exp(cosine / temperature)")
    penalty: Positive = setting(0.1, "l2 weight times the number of training images")
    tolerance: NotNegative = setting(1e-5, "stop where the objective is this near its minimum")
    max_iterations: Count = setting(1000, "of L-BFGS at most")
