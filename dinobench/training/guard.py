"""The guard of a run that continues a network: features worse than the start's are named, and taken back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dinobench.metrics.bootstrap import Difference, paired_difference

MOST_FALLS = 3
LEAST_RANK = 0.5  # of the start's; chance moves it by a few hundredths, see docs/continue-training.md


@dataclass
class StartGuard:
    """Compares the probe's answers with those of the start, query by query.

    Attributes:
        start: whether each query was right before the first step.
        falls: how often the run was taken back to its best checkpoint.
        kept: the answers of the best checkpoint.
        rank: directions that the features of the start fill (RankMe); None where labels are asked.
    """

    start: list[bool] = field(default_factory=list)
    falls: int = 0
    kept: list[bool] = field(default_factory=list)
    rank: float | None = None

    @property
    def rate(self) -> float:
        """Factor of the learning rate: half for each fall."""
        return 0.5**self.falls

    @property
    def ended(self) -> bool:
        """Whether the run has fallen too often to go on."""
        return self.falls >= MOST_FALLS

    @property
    def floor(self) -> str:
        """What the run must not fall below, in words."""
        filled = "" if self.rank is None else f", features that fill {self.rank:.1f} directions (RankMe)"
        return f"{100 * np.mean(self.start):.2f}%{filled}"

    def difference(self, now: list[bool]) -> Difference:
        """How far the answers of now lie above the start's, in percent."""
        return paired_difference(100 * np.array(now), 100 * np.array(self.start))

    @property
    def is_blind(self) -> bool:
        """Whether the start is right so seldom that even a network that is never right would be within chance."""
        return not self.fall([False] * len(self.start))

    def rank_fall(self, rank: float | None) -> str:
        """The collapse to less than half of the start's directions in words, "" where there is none."""
        if rank is None or self.rank is None or rank >= LEAST_RANK * self.rank:
            return ""
        return f"the features fill {rank:.1f} directions (RankMe), less than half of the start's {self.rank:.1f}"

    def fall(self, now: list[bool]) -> str:
        """The fall below the start in words, "" where chance explains it."""
        found = self.difference(now)
        if found.high >= 0:
            return ""
        return f"{100 * np.mean(now):.2f}%, {_span(found)} against the start's {100 * np.mean(self.start):.2f}%"

    def verdict(self, now: list[bool], measure: str) -> str:
        """Start and end of the run, paired, and which is better."""
        found = self.difference(now)
        first, last = 100 * np.mean(self.start), 100 * np.mean(now)
        if found.low > 0:
            said = "the end is better than the start"
        elif found.high < 0:
            said = "the start was better: use it"
        elif now == self.start:
            said = "the start was better: use it" if self.falls else "the training changed no answer"
        else:
            said = "the difference is within chance"
        return f"{measure}: start {first:.2f}%, end {last:.2f}%, difference {_span(found)}; {said}"

    def as_dict(self) -> dict[str, Any]:
        """Plain values for a checkpoint."""
        return {"start": self.start, "falls": self.falls, "kept": self.kept, "rank": self.rank}


def _span(found: Difference) -> str:
    return f"{found.value:+.2f} points [{found.low:+.2f}, {found.high:+.2f}]"
