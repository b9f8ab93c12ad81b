"""Exact nearest neighbors by inner product, in blocks of bounded memory, by the fastest of several engines."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Protocol

import torch
from torch import Tensor

from dinobench.metrics.search.exact import ExactSearch
from dinobench.metrics.search.faiss_flat import FaissSearch, faiss_is_installed
from dinobench.metrics.search.int8_scores import int8_is_fast
from dinobench.metrics.search.neighbors import Neighbors, concatenate, merge, no_neighbors, settle_ties
from dinobench.metrics.search.prefilter import PrefilteredSearch

ENGINES = ("exact", "prefilter", "faiss")
"""exact: all products; prefilter: candidates by int8 products (CPU); faiss: IndexFlatIP (CPU)."""

QUERY_ROWS = 1024  # queries per table of products
FIRST_ROWS = 16384  # rows that are searched before the trial, so that the k-th best are roughly known
TRIAL_ROWS = 4096  # rows that each engine searches in the trial
WORTH_A_TRIAL = 65536  # rows in the first block; with fewer the choice cannot save more than it costs
QUANTIZED_QUERIES = 256  # with fewer queries it never pays to quantize the bank


class Engine(Protocol):
    """Searches one block of the bank after another, for all parts of the queries."""

    def start_block(self, rows: Tensor) -> None:
        """Go on to the next block (n, D)."""

    def candidates(self, number: int, known: Neighbors, k: int) -> Neighbors:
        """Rows of the block for part `number`, given the neighbors `known` from earlier blocks.

        Returns:
            (Q, any number), in any order: the rows that may belong to the k nearest, among them those whose products
            cannot be told apart from the k-th, and perhaps more.
        """


def nearest(
    queries: Tensor, bank: Iterable[Tensor], k: int, *, engine: str = "auto", query_block: int = QUERY_ROWS
) -> Neighbors:
    """The `k` rows of `bank` with the largest inner product to each query; exact, whatever the engine.

    Memory beyond the inputs: one table of `query_block` rows as long as a block of the bank, and the answer.

    Args:
        queries: (M, D), on the device to compute on.
        bank: blocks (n_i, D) of consecutive rows; each is moved to the queries' device and dtype in its turn.
        k: at most the bank's rows.
        engine: one of `ENGINES`, or "auto": each of them searches a short piece of the bank, and the fastest goes on.
            Other devices than the CPU and other numbers than float32 have the engine "exact" alone.
        query_block: queries per table of products.

    Raises:
        ValueError: an unknown engine, or one that does not take these queries.
    """
    parts = torch.split(queries, query_block)
    search = _Search(parts, k, _engine_names(queries, engine))
    for block in bank:
        for rows in search.pieces(block.to(queries)):
            search.go_on(rows)
    return search.answer()


def _engine_names(queries: Tensor, engine: str) -> tuple[str, ...]:
    """The engines to choose from, the one to begin with first; "prefilter" where it pays, else "exact"."""
    if engine not in ("auto", *ENGINES):
        raise ValueError(f"engine is {engine!r}; use auto, {', '.join(ENGINES)}")
    on_cpu, single = queries.device.type == "cpu", queries.dtype == torch.float32
    if engine == "faiss" and not single:
        raise ValueError(f"faiss takes float32 queries, not {queries.dtype}; use engine='exact'")
    quantized = on_cpu and single and int8_is_fast()
    if engine != "auto":
        return ("exact",) if engine == "prefilter" and not quantized else (engine,)
    usable = {
        "exact": True,
        "prefilter": quantized and len(queries) >= QUANTIZED_QUERIES,
        "faiss": on_cpu and single and faiss_is_installed(),
    }
    return tuple(name for name, so in usable.items() if so)


def make_engine(name: str, parts: Sequence[Tensor]) -> Engine:
    """The engine of that name for queries in `parts`."""
    if name == "faiss":
        return FaissSearch(parts)
    if parts[0].device.type != "cpu":
        return ExactSearch(parts)
    return PrefilteredSearch(parts, quantized=name == "prefilter")


class _Search:
    """A search under way. As long as it has several engines, they search one short piece of the bank each."""

    def __init__(self, parts: Sequence[Tensor], k: int, names: tuple[str, ...]) -> None:
        self.parts, self.k = parts, k
        self.engines = {name: make_engine(name, parts) for name in names}
        self.seconds: dict[str, float] = {}
        self.best = [no_neighbors(part) for part in parts]
        self.rows = 0

    def pieces(self, block: Tensor) -> Iterator[Tensor]:
        """The block whole; of the first block short pieces as long as there are several engines, then the rest."""
        if len(block) < WORTH_A_TRIAL:
            self._keep_engine(next(iter(self.engines)))
        while len(self.engines) > 1:
            length = TRIAL_ROWS if self.rows else FIRST_ROWS
            yield block[:length]
            block = block[length:]
        yield block

    def go_on(self, rows: Tensor) -> None:
        """Search the next rows of the bank; of a trial's engines the first searches a piece before any is timed."""
        if self.rows == 0 or len(self.engines) == 1:
            self._search_with(rows, next(iter(self.engines)))
            return
        name = next(name for name in self.engines if name not in self.seconds)
        start = time.perf_counter()
        self._search_with(rows, name)
        self.seconds[name] = time.perf_counter() - start
        if len(self.seconds) == len(self.engines):
            self._keep_engine(min(self.seconds, key=self.seconds.__getitem__))

    def answer(self) -> Neighbors:
        """The neighbors of all queries."""
        name = next(iter(self.engines))
        self.engines.clear()  # frees their memory before the answer takes it
        return replace(concatenate(self.best), engine=name)

    def _search_with(self, rows: Tensor, name: str) -> None:
        engine = self.engines[name]
        engine.start_block(rows)
        for number, known in enumerate(self.best):
            found = settle_ties(engine.candidates(number, known, self.k), self.parts[number], rows, self.k)
            self.best[number] = merge(known, found.shifted(self.rows), self.k)
        self.rows += len(rows)

    def _keep_engine(self, name: str) -> None:
        self.engines = {name: self.engines[name]}
