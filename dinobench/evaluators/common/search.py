"""Nearest training features: by blocks, by faiss, or shared out over processes; all exact."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn.functional import normalize

from dinobench.features.matrix import FeatureMatrix
from dinobench.metrics.neighbors import Neighbors, merge, nearest
from dinobench.metrics.screens import Bf16Screen, BytesScreen, Screen
from dinobench.runtime.errors import InputError
from dinobench.runtime.precision import cpu_has_bf16, cpu_has_int8
from dinobench.runtime.suggest import unknown

METHODS = ("blocks", "faiss")
BANK_ROWS = 65536  # bank rows per block
SCREENED_QUERIES = 256  # fewer do not make up for rounding the bank


class Bank(Protocol):
    """Rows that can be read block by block."""

    def __len__(self) -> int:
        """Number of rows."""

    def blocks(self, rows: int) -> Iterator[Tensor]:
        """(about `rows`, D) at a time, in order."""


class RowsInMemory:
    """A tensor as a bank."""

    def __init__(self, features: Tensor) -> None:
        self.features = features

    def __len__(self) -> int:
        return len(self.features)

    def blocks(self, rows: int) -> Iterator[Tensor]:
        """Views of (rows, D)."""
        return iter(torch.split(self.features, rows))


def search(queries: Tensor, bank: Bank, k: int, method: str, device: torch.device) -> Neighbors:
    """The `k` rows of `bank` with the largest cosine to each query (M, D).

    Under a process group each process searches its share of a stored bank, and the answers are merged exactly.

    Raises:
        InputError: an unknown method, or faiss is not installed.
    """
    if method not in METHODS:
        raise unknown("search", method, METHODS)
    find = _by_faiss if method == "faiss" else _by_blocks
    asked = normalize(queries.to(device), dim=1)
    if isinstance(bank, FeatureMatrix) and dist.is_initialized() and dist.get_world_size() > 1:
        share, start = bank.share(dist.get_rank(), dist.get_world_size())
        return merged_over_processes(find(asked, share, min(k, len(share))), start, k)
    return find(asked, bank, k)


def merged_over_processes(mine: Neighbors, start: int, k: int) -> Neighbors:
    """The k nearest of all processes' answers to the same queries.

    Args:
        mine: (M, <= k) answer of this process, from its share of the bank.
        start: bank row at which the share begins.
        k: neighbors wanted.
    """
    gap = k - mine.indices.shape[1]  # a share may hold fewer rows than k
    padded = Neighbors(
        torch.nn.functional.pad(mine.similarities, (0, gap), value=-torch.inf).contiguous(),
        torch.nn.functional.pad(mine.indices + start, (0, gap)).contiguous(),
    )
    similarities, indices = (
        [torch.empty_like(part) for _ in range(dist.get_world_size())] for part in (padded.similarities, padded.indices)
    )
    dist.all_gather(similarities, padded.similarities)
    dist.all_gather(indices, padded.indices)
    best, *others = (Neighbors(*pair) for pair in zip(similarities, indices, strict=True))
    for other in others:
        best = merge(best, other, k)
    return best


def _by_blocks(queries: Tensor, bank: Bank, k: int) -> Neighbors:
    return nearest(queries, _normalized(bank, queries), k, screens=screens_for(queries))


def screens_for(queries: Tensor) -> tuple[type[Screen], ...]:
    """Looks that save exact products: for many float32 queries, where the CPU is fast at shorter numbers."""
    if queries.device.type != "cpu" or queries.dtype != torch.float32 or len(queries) < SCREENED_QUERIES:
        return ()
    fast = {BytesScreen: cpu_has_int8(), Bf16Screen: cpu_has_bf16()}
    return tuple(screen for screen, pays in fast.items() if pays)


def _normalized(bank: Bank, like: Tensor) -> Iterator[Tensor]:
    def normalized(block: Tensor) -> Tensor:
        return normalize(block.to(like), dim=1)

    return map(normalized, bank.blocks(BANK_ROWS))  # a loop would keep a block while the next is read


def _by_faiss(queries: Tensor, bank: Bank, k: int) -> Neighbors:
    try:
        import faiss
    except ImportError as error:
        raise InputError("search=faiss needs faiss; install dinobench[cpu] or, with a GPU, dinobench[gpu]") from error
    if k == 0:  # the share of a process where there are more processes than shards
        return Neighbors(queries.new_empty(len(queries), 0), queries.new_empty((len(queries), 0), dtype=torch.int64))
    index: Any = faiss.IndexFlatIP(queries.shape[1])
    if queries.device.type == "cuda" and hasattr(faiss, "StandardGpuResources"):  # which faiss-cpu lacks
        index = faiss.index_cpu_to_all_gpus(index)
    for block in bank.blocks(BANK_ROWS):
        index.add(normalize(block, dim=1).cpu().numpy())
    similarities, indices = index.search(queries.cpu().numpy(), k)
    return Neighbors(torch.from_numpy(similarities), torch.from_numpy(indices)).to(queries.device)
