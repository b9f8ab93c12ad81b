"""Columns of a table in groups, so that a look at each group's maximum tells which entries are worth a look."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor

COLUMNS = 32  # a table's width is a multiple of it


class Groups(ABC):
    """How the columns of a (Q, n) table form groups of equal size."""

    @abstractmethod
    def of(self, table: Tensor) -> Tensor:
        """View of (Q, n) as (Q, groups, columns of a group)."""

    @abstractmethod
    def members(self, table: Tensor, chosen: Tensor) -> Tensor:
        """(p, columns of a group) entries of the `chosen` (p,) groups, which are counted row by row."""

    @abstractmethod
    def columns(self, table: Tensor, chosen: Tensor, place: Tensor) -> Tensor:
        """Columns that stand at `place` in the `chosen` groups."""


class Near(Groups):
    """Neighbors in memory."""

    def of(self, table: Tensor) -> Tensor:
        """A view of runs."""
        return table.view(len(table), -1, COLUMNS)

    def members(self, table: Tensor, chosen: Tensor) -> Tensor:
        """Runs, copied whole."""
        return table.view(-1, COLUMNS).index_select(0, chosen)

    def columns(self, table: Tensor, chosen: Tensor, place: Tensor) -> Tensor:
        """Run after run."""
        return chosen * COLUMNS % table.shape[1] + place


class Far(Groups):
    """Far apart: torch is slow at the maximum of neighbors in bf16."""

    def of(self, table: Tensor) -> Tensor:
        """A view with strides."""
        return table.view(len(table), COLUMNS // 2, -1).transpose(1, 2)

    def members(self, table: Tensor, chosen: Tensor) -> Tensor:
        """Gathered one by one."""
        groups = self.of(table)
        return groups[chosen // groups.shape[1], chosen % groups.shape[1]]

    def columns(self, table: Tensor, chosen: Tensor, place: Tensor) -> Tensor:
        """A stride apart."""
        groups = self.of(table).shape[1]
        return chosen % groups + place * groups
