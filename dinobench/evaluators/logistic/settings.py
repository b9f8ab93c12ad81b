"""Settings of logistic regression; the defaults are the paper's protocol (Tables 10 and 12)."""

from __future__ import annotations

from dataclasses import dataclass

from dinobench.evaluators.common.setting_groups import LabeledImagesSettings, TrainingRowsSettings
from dinobench.runtime.settings import Count, NotNegative, Positive, Share, setting


@dataclass(frozen=True, kw_only=True)
class Settings(LabeledImagesSettings, TrainingRowsSettings):
    """How a multinomial logistic regression is fitted."""

    feature: str = setting(
        "cls",
        "cls, mean (patch tokens), prenorm (cls before the last norm), cls.2 (block before), or a sum as cls+mean",
    )
    unit_length: bool = setting(True, "scale each image's feature to length 1", later=True)
    intercept: bool = setting(False, "each class has an intercept, which is not penalized", later=True)
    cs: tuple[Positive, ...] = setting(
        (), "scikit-learn's C to choose from on held-out training images; empty for the penalty below", later=True
    )
    held_out: Share = setting(0.1, "of the training images, by which C is chosen", later=True)
    center: bool = setting(False, "take its own mean from each image's feature before its length (MSN)", later=True)
    penalty: Positive = setting(0.1, "l2 weight times the number of training images; 0.1 is scikit-learn's C = 10")
    tolerance: NotNegative = setting(
        1e-5, "stop where the objective is this near its minimum, by the norm of its gradient"
    )
    max_iterations: Count = setting(1000, "of L-BFGS at most")
