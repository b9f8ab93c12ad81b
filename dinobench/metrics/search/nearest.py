"""Exact nearest neighbors by inner product, in blocks of bounded memory, by the fastest of several engines."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Protocol

import torch
from torch import Tensor

from dinobench.metrics.search.exact import ExactSearch
from dinobench.metrics.search.faiss_flat import FaissSearch, faiss_is_imported, faiss_is_installed
from dinobench.metrics.search.int8_scores import int8_is_fast
from dinobench.metrics.search.neighbors import Neighbors, concatenate, merge, no_neighbors, settle_ties, split
from dinobench.metrics.search.prefilter import PrefilteredSearch

ENGINES = ("exact", "prefilter", "faiss")
"""exact: all products; prefilter: candidates by int8 products (CPU); faiss: IndexFlatIP (CPU)."""

QUERY_ROWS = 1024  # queries per table of products
FIRST_ROWS = 16384  # rows that are searched before a trial, so that the k-th best are roughly known
TRIAL_QUERIES = 128  # for which each engine searches the block of the trial
TRIAL_SHARE = 4  # all trials together take one in so many queries at most
WORTH_A_TRIAL = 2**29  # products up to the end of a block; with fewer the choice cannot save what it costs
WORTH_AN_IMPORT = 2**25  # products with which faiss saves the time that its import takes
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
        engine: one of `ENGINES`, or "auto": each of them searches an early block for a few queries of its own, and
            the fastest goes on; a small search has the one that is likely to be the fastest. Other devices than the
            CPU and other numbers than float32 have the engine "exact" alone.
        query_block: queries per table of products.

    Raises:
        ValueError: an unknown engine, or one that does not take these queries.
    """
    search = _Search(queries, k, _engine_names(queries, engine), query_block)
    for block in bank:
        search.search_block(block.to(queries))
    return search.answer()


def _engine_names(queries: Tensor, engine: str) -> tuple[str, ...]:
    """The engines to choose from, the one that is likely to be the fastest first."""
    if engine not in ("auto", *ENGINES):
        raise ValueError(f"engine is {engine!r}; use auto, {', '.join(ENGINES)}")
    on_cpu, single = queries.device.type == "cpu", queries.dtype == torch.float32
    if engine == "faiss" and not single:
        raise ValueError(f"faiss takes float32 queries, not {queries.dtype}; use engine='exact'")
    quantized = on_cpu and single and int8_is_fast()
    if engine != "auto":
        return ("exact",) if engine == "prefilter" and not quantized else (engine,)
    by_faiss = ("faiss",) if on_cpu and single and faiss_is_installed() else ()
    if not quantized:  # a CPU without VNNI, where faiss's products are the fastest
        return (*by_faiss, "exact")
    return ("exact", *(("prefilter",) if len(queries) >= QUANTIZED_QUERIES else ()), *by_faiss)


def _without_trial(names: Sequence[str], products: int) -> str:
    """The first engine; "faiss" only where it is imported or saves more time than its import takes."""
    worth = products >= WORTH_AN_IMPORT or faiss_is_imported()
    return next((name for name in names if name != "faiss" or worth), names[0])


def make_engine(name: str, parts: Sequence[Tensor]) -> Engine:
    """The engine of that name for queries in `parts`."""
    if name == "faiss":
        return FaissSearch(parts)
    if parts[0].device.type != "cpu":
        return ExactSearch(parts)
    return PrefilteredSearch(parts, quantized=name == "prefilter")


class _Search:
    """A search under way; an early block decides on the engine."""

    def __init__(self, queries: Tensor, k: int, names: Sequence[str], query_block: int) -> None:
        self.queries, self.k, self.names, self.query_block = queries, k, names, query_block
        self.engines: dict[str, Engine] = {}
        self.best: list[Neighbors] = [no_neighbors(queries)]
        self.rows = 0

    def search_block(self, block: Tensor) -> None:
        """Search the next block of the bank (n, D)."""
        if few := self._trial_queries(block):
            own, others = self.queries.tensor_split([few * len(self.names)])
            self._begin(self.names, [*torch.split(own, few), *torch.split(others, self.query_block)])
            if not self.rows:
                first = min(FIRST_ROWS, len(block) // 4)
                self._search_rows(block[:first])
                block = block[first:]
            self._try_engines(block)
            return
        if not self.engines:
            name = _without_trial(self.names, len(block) * len(self.queries))
            self._begin([name], torch.split(self.queries, self.query_block))
        self._search_rows(block)

    def answer(self) -> Neighbors:
        """The neighbors of all queries."""
        name = next(iter(self.engines))
        self.engines.clear()  # frees their memory before the answer takes it
        return replace(concatenate(self.best), engine=name)

    def _trial_queries(self, block: Tensor) -> int:
        """How many queries each engine tries; 0 where a trial is not worth it."""
        if len(self.names) == 1 or (self.rows + len(block)) * len(self.queries) < WORTH_A_TRIAL:
            return 0
        return min(TRIAL_QUERIES, len(self.queries) // (TRIAL_SHARE * len(self.names)))

    def _begin(self, names: Sequence[str], parts: Sequence[Tensor]) -> None:
        self.parts = [part for part in parts if len(part)] or [self.queries]
        self.engines = {name: make_engine(name, self.parts) for name in names}
        self.best = split(concatenate(self.best), [len(part) for part in self.parts])

    def _try_engines(self, rows: Tensor) -> None:
        """Search `rows` for one part of the queries by each engine, for the others by the one that was fastest."""
        seconds = {name: self._measure_engine(name, number, rows) for number, name in enumerate(self.engines)}
        fastest = min(seconds, key=seconds.__getitem__)
        self.names, self.engines = (fastest,), {fastest: self.engines[fastest]}
        for number in range(len(seconds), len(self.parts)):
            self._search_part(fastest, number, rows)
        self.rows += len(rows)

    def _measure_engine(self, name: str, number: int, rows: Tensor) -> float:
        """Seconds that the engine would take for all queries, judged by part `number`, which it searches."""
        begun = time.perf_counter()
        self.engines[name].start_block(rows)
        started = time.perf_counter()
        self._search_part(name, number, rows)
        share = len(self.parts[number]) / len(self.queries)
        return started - begun + (time.perf_counter() - started) / share

    def _search_rows(self, rows: Tensor) -> None:
        name = next(iter(self.engines))
        self.engines[name].start_block(rows)
        for number in range(len(self.parts)):
            self._search_part(name, number, rows)
        self.rows += len(rows)

    def _search_part(self, name: str, number: int, rows: Tensor) -> None:
        known = self.best[number]
        candidates = self.engines[name].candidates(number, known, self.k)
        found = settle_ties(candidates, self.parts[number], rows, self.k)
        self.best[number] = merge(known, found.shifted(self.rows), self.k)
