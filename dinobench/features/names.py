"""Names of features: what an evaluator asks for, and how a backbone's answer becomes rows of numbers.

A feature is a sum of columns, as in "cls.4+cls.3+cls.2+cls.1" or "cls+mean", concatenated in that order. A column is
`cls` (class token, or a convnet's pooled output), `mean` (mean of the patch tokens) or `prenorm` (class token before
the final norm) of the last block; `.N` takes the N-th block from the end instead.

Beside these vectors there are maps, D numbers for each cell of a grid: `patches` (patch tokens after the final norm, or
a convnet's last map; `.N` as above) and `keys` (keys of the last self-attention). Vectors and maps do not stand in one
feature.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from torch import Tensor

from dinobench.models.networks.backbone import Features
from dinobench.runtime.errors import InputError

_VECTOR = re.compile(r"(cls|mean|prenorm)(?:\.([1-9]\d*))?")
_MAP = re.compile(r"(patches|keys)(?:\.([1-9]\d*))?")


@dataclass(frozen=True, order=True)
class Column:
    """One array of features: (N, D) of vectors, (N, h, w, D) of maps.

    Attributes:
        kind: "cls", "mean" or "prenorm", "patches" or "keys".
        layer: block counted from the end, 1 for the last.
    """

    kind: str
    layer: int = 1

    def __str__(self) -> str:
        """The canonical name, e.g. "cls.1"."""
        return f"{self.kind}.{self.layer}"

    def take(self, layers: tuple[Features, ...]) -> Tensor:
        """(B, D) or (B, h, w, D) of a backbone's answer, oldest block first; InputError where the network has none."""
        features = layers[-self.layer]
        if self.kind in ("patches", "mean"):
            return features.patches if self.kind == "patches" else features.patches.flatten(1, 2).mean(1)
        found = features.cls if self.kind == "cls" else features.prenorm
        if found is None:
            raise InputError(f"feature {self} needs a vision transformer of ours with a class token; take cls")
        return found


def parse_feature(name: str) -> tuple[Column, ...]:
    """The columns of a feature of vectors.

    Raises:
        InputError: a name that is no such feature.
    """
    columns = _columns_of(name, _VECTOR)
    if columns is None:
        raise InputError(
            f"unknown feature {name!r}; join cls, mean, prenorm, or such as cls.N (N-th block from the end) by +"
        )
    return columns


def names_maps(name: str) -> bool:
    """Whether a feature is of maps, as far as its first word says."""
    return _MAP.match(name.strip()) is not None


def parse_maps(name: str) -> tuple[Column, ...]:
    """The columns of a feature of maps, which are concatenated by channel.

    Raises:
        InputError: a name that is no such feature.
    """
    columns = _columns_of(name, _MAP)
    if columns is None or any(column.kind == "keys" and column.layer > 1 for column in columns):
        raise InputError(
            f"unknown feature of maps {name!r}; join patches, patches.N (N-th block from the end) and keys by +"
        )
    return columns


def parse_columns(name: str) -> tuple[Column, ...]:
    """The columns of a feature of vectors or of maps.

    Raises:
        InputError: a name that is neither.
    """
    return parse_maps(name) if names_maps(name) else parse_feature(name)


def _columns_of(name: str, column: re.Pattern[str]) -> tuple[Column, ...] | None:
    """The columns whose names are joined by +; None where one is no `column`."""
    matches = [column.fullmatch(term.strip()) for term in name.split("+")]
    columns = tuple(Column(match[1], int(match[2] or 1)) for match in matches if match)
    return columns if len(columns) == len(matches) else None


def depth_of(columns: tuple[Column, ...]) -> int:
    """How many of the last blocks the columns need."""
    return max(column.layer for column in columns)
