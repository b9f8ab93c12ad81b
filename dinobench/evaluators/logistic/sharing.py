"""Logistic regression shared over processes: the first one minimizes, all compute blocks of the objective for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from dinobench.metrics.logistic import LogisticFit, RowBlocks, block_term, fit_blocks, row_blocks
from dinobench.runtime.processes import (
    copy_from_first,
    from_first,
    gather_from_processes,
    gather_objects,
    rank,
    world_size,
)


def shared_fit(features: Tensor, labels: Tensor, classes: int, **how: Any) -> LogisticFit:
    """`shared_block_fit` of rows in memory, features (n, D) and labels (n,), the same in all processes."""
    return shared_block_fit(row_blocks(features, labels), classes, **how)


def shared_block_fit(blocks: RowBlocks, classes: int, **how: Any) -> LogisticFit:
    """What `fit_blocks` gives in one process, to the last bit: the sums go over blocks in order.

    Args:
        blocks: of rows, the same in all processes; each asks for its own.
        classes: C.
        how: further arguments of `fit_blocks`.
    """
    if world_size() == 1:
        return fit_blocks(blocks, classes, **how)
    shared = SharedTerms(blocks, classes)
    found = None
    if rank() == 0:
        fit = fit_blocks(blocks, classes, terms=shared.asked, **how)
        found = replace(fit, weight=fit.weight.cpu())
        shared.end()
    else:
        shared.serve()
    everywhere: LogisticFit = from_first(lambda: found, "the fitted classifier")  # type: ignore[assignment]
    return replace(everywhere, weight=everywhere.weight.to(shared.nothing))


class SharedTerms:
    """The terms of all blocks, of which each process computes some.

    Args:
        blocks, classes: as for `shared_block_fit`.
    """

    def __init__(self, blocks: RowBlocks, classes: int) -> None:
        self.blocks = blocks
        sample, _ = blocks[0]
        self.nothing = sample.new_zeros(classes, sample.shape[1])

    def asked(self, weight: Tensor) -> Iterator[tuple[float, Tensor]]:
        """In the first process: the terms at `weight` (C, D), in order."""
        self._message(weight, goes_on=True)
        return self._terms(weight)

    def serve(self) -> None:
        """In the others: compute what the first process asks for, until it ends."""
        while True:
            goes_on, weight = self._message(self.nothing, goes_on=True)
            if not goes_on:
                return
            for _ in self._terms(weight):
                pass

    def end(self) -> None:
        """In the first process: the minimum is found."""
        self._message(self.nothing, goes_on=False)

    def _message(self, weight: Tensor, *, goes_on: bool) -> tuple[bool, Tensor]:
        """What the first process says: whether it asks for the terms, and at which weight."""
        said = torch.cat([weight.new_tensor([goes_on]), weight.flatten()])
        copy_from_first(said)
        return bool(said[0]), said[1:].view_as(weight)

    def _terms(self, weight: Tensor) -> Iterator[tuple[float, Tensor]]:
        for first in range(0, len(self.blocks), world_size()):
            own = first + rank()
            likelihood, part = block_term(weight, *self.blocks[own]) if own < len(self.blocks) else (0.0, self.nothing)
            likelihoods = gather_objects(likelihood, "likelihood of a block")
            parts = gather_from_processes(part).view(world_size(), *weight.shape)
            yield from list(zip(likelihoods, parts, strict=True))[: len(self.blocks) - first]
