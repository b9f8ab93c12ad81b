"""What the probe says of the teacher in the course of a run, and of a run that continues a network what its guard does.

All processes measure together and get the same answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dinobench.models.networks.backbone import Backbone
from dinobench.runtime.processes import agree, fail_together
from dinobench.training.guard import StartGuard
from dinobench.training.probe import KnnProbe, ViewProbe


class FeatureWatch:
    """The accuracies of a run.

    Args:
        probe: where the data have one.
        guarded: whether the run is to be held at its start's accuracy, where there is a probe.

    Attributes:
        untrained: accuracy before the first step, in percent.
        best: the highest so far.
        answers: whether each query was right, at the last measurement of a guarded run.
        rank: of the features (RankMe), likewise; None where labels are asked.
    """

    def __init__(self, probe: KnnProbe | ViewProbe | None, *, guarded: bool) -> None:
        self._probe = probe
        agree(probe and probe.identity, "what the probe measures", "give all processes the same images")
        self.measures = probe is not None
        self.guarded = guarded and self.measures
        self.guard = StartGuard()
        self.answers = list[bool]()
        self.rank: float | None = None
        self.best = -1.0
        self.untrained: float | None = None

    def measure(self, backbone: Backbone) -> float:
        """Accuracy of the teacher's backbone in percent."""
        assert self._probe is not None
        with fail_together("probe"):
            if not self.guarded:
                return self._probe(backbone)
            found = self._probe.answers(backbone)
        self.answers, self.rank = found.right, found.rank
        return 100 * sum(self.answers) / len(self.answers)

    def measure_start(self, backbone: Backbone) -> None:
        """What the features must pass; for a guarded run also the floor."""
        if self.measures:
            self.untrained = self.measure(backbone)
        if self.guarded:
            self.guard.start = self.guard.kept = self.answers
            self.guard.rank = self.rank
            self.best = 0.0 if self.untrained is None else self.untrained

    def figures(self, accuracy: float | None) -> dict[str, float]:
        """What the probe has just measured, by name."""
        probed = {} if accuracy is None else {"knn": accuracy}
        return probed if accuracy is None or self.rank is None else {**probed, "rankme": self.rank}

    def is_best(self, accuracy: float) -> bool:
        """Whether the accuracy just measured is the highest, of features that fill the space; it is the one to pass."""
        if accuracy <= self.best or self.guard.rank_fall(self.rank):
            return False
        self.best = accuracy
        if self.guarded:
            self.guard.kept = self.answers
        return True

    def fall(self, accuracy: float, *, last: bool) -> str:
        """The fall below the start in words: beyond chance, at the end of the run any; "" where there is none."""
        fall = (self.guard.rank_fall(self.rank) or self.guard.fall(self.answers)) if self.guarded else ""
        if not fall and self.guarded and last and self.untrained is not None and accuracy < self.untrained:
            return f"the end at {accuracy:.2f}% is below the start"
        return fall

    def take_back(self) -> None:
        """The best checkpoint's weights are in place again."""
        self.guard.falls += 1
        self.answers = list(self.guard.kept)

    def verdict(self) -> str:
        """Start and end of the run, paired."""
        return self.guard.verdict(self.answers, "" if self._probe is None else self._probe.measure)

    def restore(self, state: Mapping[str, Any]) -> None:
        """Put back what a checkpoint holds."""
        self.best, self.untrained = state["best"], state.get("untrained")
        progress = state.get("progress", {})
        if progress:
            self.guard = StartGuard(**progress["guard"])
