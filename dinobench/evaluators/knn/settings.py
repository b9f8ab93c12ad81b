"""Settings of k-NN classification; the defaults are the paper's protocol (appendix F.1)."""

from __future__ import annotations

from dataclasses import dataclass

from dinobench.evaluators.common.setting_groups import LabeledImagesSettings, SearchSettings, TrainingRowsSettings
from dinobench.runtime.errors import InputError
from dinobench.runtime.settings import Count, Positive, setting


@dataclass(frozen=True, kw_only=True)
class Settings(SearchSettings, LabeledImagesSettings, TrainingRowsSettings):
    """How k-NN classifies."""

    ks: tuple[Count, ...] = setting((10, 20, 100, 200), "numbers of neighbors that vote; each is scored")
    main_k: Count = setting(20, "the k of the figure; one of ks")
    temperatures: tuple[Positive, ...] = setting(
        (0.07,), "of the votes exp(cosine / temperature); the first is the figure's"
    )
    features: tuple[str, ...] = setting(
        ("cls",), "cls, mean (patch tokens), cls.2 (block before the last); the first is the figure's"
    )
    leave_one_out: bool = setting(False, "classify the training images by one another")

    def __post_init__(self) -> None:
        """Refuse values that exclude one another."""
        super().__post_init__()
        if not (self.temperatures and self.features):
            raise InputError("k-NN needs at least one temperature and one feature")
        if self.main_k not in self.ks:
            raise InputError(f"main_k = {self.main_k} is not among ks = {list(self.ks)}; set main_k to one of them")
        if self.leave_one_out and (self.shots or self.percent < 100 or self.subset):
            raise InputError("leave_one_out scores all training images; leave out shots, percent and subset")
