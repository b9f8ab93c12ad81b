"""Names of features: what an evaluator asks for, and how a backbone's answer becomes rows of numbers.

A feature is a sum of columns, as in "cls.4+cls.3+cls.2+cls.1" or "cls+mean", concatenated in that order. A column is
`cls` (class token, or a convnet's pooled output) or `mean` (mean of the patch tokens) of the last block; `.N` takes the
N-th block from the end instead.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from torch import Tensor

from dinobench.models.networks.backbone import Features
from dinobench.runtime.errors import InputError

_COLUMN = re.compile(r"(cls|mean)(?:\.([1-9]\d*))?")


@dataclass(frozen=True, order=True)
class Column:
    """One (N, D) array of features.

    Attributes:
        kind: "cls" or "mean".
        layer: block counted from the end, 1 for the last.
    """

    kind: str
    layer: int = 1

    def __str__(self) -> str:
        """The canonical name, e.g. "cls.1"."""
        return f"{self.kind}.{self.layer}"

    def take(self, layers: tuple[Features, ...]) -> Tensor:
        """(B, D) of a backbone's answer, oldest block first."""
        features = layers[-self.layer]
        return features.cls if self.kind == "cls" else features.patches.flatten(1, 2).mean(1)


def parse_feature(name: str) -> tuple[Column, ...]:
    """The columns of a feature.

    Raises:
        InputError: a name that is no feature.
    """
    matches = [_COLUMN.fullmatch(term.strip()) for term in name.split("+")]
    columns = tuple(Column(match[1], int(match[2] or 1)) for match in matches if match)
    if len(columns) < len(matches):
        raise InputError(f"unknown feature {name!r}; join cls, mean, cls.N, mean.N (N-th block from the end) by +")
    return columns


def depth_of(columns: tuple[Column, ...]) -> int:
    """How many of the last blocks the columns need."""
    return max(column.layer for column in columns)
