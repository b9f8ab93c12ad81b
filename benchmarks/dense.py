"""Nearest patches of a memory on disk beside the faiss route of open-hummingbird-eval, on the same made-up patches.

    python benchmarks/dense.py [--patches 250000] [--queries 1024] [--k 30] [--repeats 5]
    python benchmarks/dense.py --memory [--patches 10240000]        peak memory of our search alone

open-hummingbird-eval (hbird/nn/search_faiss.py) keeps all patches in memory, adds them to a flat index of inner
products and searches it for the patches of a batch of images; its class asks for a GPU, so that here the same index is
faiss's on the CPU. Ours reads normalized float32 patches from shards on disk, block by block. Sides have processes of
their own and take turns; wall and CPU seconds are medians, and on a busy machine the latter are the ones to believe
(OMP_NUM_THREADS=1). Patches are random: a search without an index of clusters costs the same whatever they hold.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from turns import medians, take_turns

from dinobench.evaluators.common.search import search
from dinobench.features.matrix import FeatureMatrix, Shard
from dinobench.features.names import Column
from dinobench.runtime.clock import peak_memory_bytes, resident_bytes
from dinobench.runtime.cpu import tune_cpu

DIM, SHARD_ROWS = 384, 4096
CPU = torch.device("cpu")


def write_patches(folder: Path, count: int) -> None:
    """Shards of float32 rows of length 1, drawn with seed 0."""
    rng = np.random.default_rng(0)
    for number, start in enumerate(range(0, count, SHARD_ROWS)):
        rows = rng.standard_normal((min(SHARD_ROWS, count - start), DIM), dtype=np.float32)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        np.save(folder / f"{number:04d}.npy", rows)


def patch_matrix(folder: Path) -> FeatureMatrix:
    """The shards as the feature store gives them."""
    paths = sorted(folder.glob("*.npy"))
    counts = [len(np.load(path, mmap_mode="r")) for path in paths]
    shards = tuple(Shard((path,), np.ones(count, dtype=bool)) for path, count in zip(paths, counts, strict=True))
    return FeatureMatrix((Column("cls"),), shards, np.arange(sum(counts)), {})


def queries_of(count: int) -> Tensor:
    return torch.nn.functional.normalize(torch.randn(count, DIM, generator=torch.Generator().manual_seed(1)), dim=1)


def prepare_ours(folder: Path, queries: int, k: int, engine: str) -> Callable[[], Any]:
    tune_cpu()
    matrix, asked = patch_matrix(folder), queries_of(queries)

    def run() -> tuple[np.ndarray, int]:
        return search(asked, matrix, k, engine, CPU).indices.numpy(), peak_memory_bytes()

    return run


def prepare_faiss(folder: Path, queries: int, k: int) -> Callable[[], Any]:
    import faiss

    index, asked = faiss.IndexFlatIP(DIM), queries_of(queries).numpy()
    index.add(patch_matrix(folder).tensor().numpy())

    def run() -> tuple[np.ndarray, int]:
        return index.search(asked, k)[1], peak_memory_bytes()

    return run


def measure_memory(folder: Path, queries: int, k: int) -> None:
    matrix, before = patch_matrix(folder), peak_memory_bytes()
    found = search(queries_of(queries), matrix, k, "auto", CPU)
    kept = {field: (resident_bytes(field) or 0) / 2**30 for field in ("RssAnon", "RssFile")}
    print(
        f"{len(matrix):,} x {DIM} patches on disk ({len(matrix) * DIM * 4 / 1e9:.1f} GB), {queries} queries, engine "
        f"{found.engine}: peak {peak_memory_bytes() / 2**30:.2f} GiB, of which {before / 2**30:.2f} before the search; "
        f"at the end {kept['RssAnon']:.2f} its own, {kept['RssFile']:.2f} pages of files"
    )


def measure_times(folder: Path, queries: int, k: int, repeats: int) -> None:
    sides: dict[str, Callable[[], Callable[[], Any]]] = {
        "faiss, in memory": partial(prepare_faiss, folder, queries, k),
        "ours, from disk": partial(prepare_ours, folder, queries, k, "auto"),
    }
    turns = take_turns(sides, repeats)
    base = medians(turns["faiss, in memory"])
    for name, each in turns.items():
        wall, cpu = medians(each)
        peak = max(turn.result[1] for turn in each) / 2**30
        print(f"{name}: {wall:.2f} s, {cpu:.2f} CPU s ({base[1] / cpu:.2f} times faiss's speed), peak {peak:.2f} GiB")
    one, other = (each[0].result[0] for each in turns.values())
    shared = np.mean([len(set(a) & set(b)) / k for a, b in zip(one.tolist(), other.tolist(), strict=True)])
    print(f"neighbors that both name: {100 * shared:.3f}%")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patches", type=int, default=250_000)
    parser.add_argument("--queries", type=int, default=1024, help="Patches of an image of 512 pixels, patches of 16.")
    parser.add_argument("--k", type=int, default=30)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--memory", action="store_true", help="Only the peak memory of our search.")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="dinobench-dense-") as name:
        write_patches(Path(name), options.patches)
        if options.memory:
            measure_memory(Path(name), options.queries, options.k)
        else:
            measure_times(Path(name), options.queries, options.k, options.repeats)


if __name__ == "__main__":
    main()
