"""k-NN beside the released classifier: time and memory, on the same made-up features.

    python benchmarks/knn.py --reference DIR [--train 100000 1280000] [--queries 500] [--repeats 5]
    python benchmarks/knn.py --reference DIR --train 1280000 --ks 20            one k alone
    python benchmarks/knn.py --train 10000 100000 1000000 --queries 1024        cost by the number of rows
    python benchmarks/knn.py --memory --train 1280000 --queries 50000

DIR is a checkout of facebookresearch/dino. Workers hold the same features and take turns: the released code as it is,
the released code with dinobench's two CPU settings (so that settings are not sold as code), dinobench by the engine
that it chooses and by each engine, faiss's IndexFlatIP with dinobench's votes, and the bare blocked matrix product,
which no search in float32 can beat. The released code cuts the test set into hundred chunks; its chunks here are
those of 50,000 images, whatever --queries. Wall and CPU seconds are printed: on a busy machine the latter are the
ones to believe, with --threads 1 (idle threads spin while they wait for a core).
"""

from __future__ import annotations

import argparse
import functools
import multiprocessing
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
import torch
from torch import Tensor
from turns import Turn, medians, take_turns

from dinobench.evaluators.common.search import search
from dinobench.features.matrix import FeatureMatrix, Shard
from dinobench.features.names import Column
from dinobench.metrics.knn import BANK_ROWS, knn_classify, vote
from dinobench.metrics.search.nearest import ENGINES, QUERY_ROWS
from dinobench.metrics.search.neighbors import Neighbors
from dinobench.runtime.clock import peak_memory_bytes, resident_bytes
from dinobench.runtime.cpu import tune_cpu

CLASSES, DIM, KS, TEMPERATURE = 1000, 384, (10, 20, 100, 200), 0.07
FULL_TEST_SET = 50_000
CPU = torch.device("cpu")
SHARD_ROWS = 4096


class PartOfTestSet(int):
    """A number of test images that is divided into chunks as the full test set would be."""

    def __floordiv__(self, chunks: int) -> int:
        return FULL_TEST_SET // chunks


class PartialLabels:
    """Test labels, for the released code."""

    def __init__(self, labels: Tensor) -> None:
        self.labels = labels
        self.shape = (PartOfTestSet(len(labels)),)

    def __getitem__(self, rows: slice) -> Tensor:
        return self.labels[rows]


def make_features(folder: Path, train: int, queries: int) -> None:
    """Write noisy class centers, l2-normalized, the training rows sorted by class as folders give them."""
    rng = np.random.default_rng(0)
    centers = rng.standard_normal((CLASSES, DIM), dtype=np.float32)
    for name, count in (("train", train), ("test", queries)):
        labels = np.arange(count) * CLASSES // count
        if name == "test":
            labels = rng.permutation(labels)
        out = np.lib.format.open_memmap(folder / f"{name}.npy", "w+", np.float32, (count, DIM))
        for start in range(0, count, 50_000):
            rows = 0.4 * centers[labels[start : start + 50_000]]
            rows += rng.standard_normal(rows.shape, dtype=np.float32)
            out[start : start + 50_000] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        np.save(folder / f"{name}_labels.npy", labels)


def load(folder: Path) -> list[Tensor]:
    """Train features and labels, test features and labels."""
    names = ("train", "train_labels", "test", "test_labels")
    return [torch.from_numpy(np.load(folder / f"{name}.npy", mmap_mode="c")) for name in names]  # pages are shared


def released(
    folder: Path, reference: str, ks: tuple[int, ...], device: torch.device = CPU
) -> Callable[[], list[float]]:
    sys.path.insert(0, reference)
    from eval_knn import knn_classifier

    train, labels, test, truth = (part.to(device) for part in load(folder))
    asked = PartialLabels(truth)
    return lambda: [knn_classifier(train, labels, test, asked, k, TEMPERATURE, CLASSES)[0] for k in ks]


def ours(engine: str, folder: Path, reference: str, ks: tuple[int, ...]) -> Callable[[], list[float]]:
    train, labels, test, truth = load(folder)

    def run() -> list[float]:
        found = knn_classify(train, labels, test, ks=ks, temperature=TEMPERATURE, num_classes=CLASSES, engine=engine)
        return [found.accuracy(truth, k) for k in ks]

    return run


def flat_index(
    folder: Path, reference: str, ks: tuple[int, ...], device: torch.device = CPU
) -> Callable[[], list[float]]:
    import faiss

    train, labels, test, truth = load(folder)
    faiss.omp_set_num_threads(torch.get_num_threads())

    def run() -> list[float]:
        index = faiss.IndexFlatIP(DIM)
        if device != CPU and hasattr(faiss, "StandardGpuResources"):  # which faiss for CPUs lacks
            index = faiss.index_cpu_to_all_gpus(index)
        index.add(train.numpy())
        similarities, indices = index.search(test.numpy(), max(ks))
        neighbors = Neighbors(torch.from_numpy(similarities), torch.from_numpy(indices))
        found = vote(neighbors, labels, ks, TEMPERATURE, CLASSES)
        return [found.accuracy(truth, k) for k in ks]

    return run


def bare(folder: Path, reference: str, ks: tuple[int, ...]) -> Callable[[], list[float]]:
    train, _, test, _ = load(folder)

    def run() -> list[float]:
        for block in train.split(BANK_ROWS):
            for part in test.split(QUERY_ROWS):
                part @ block.T
        return []

    return run


# name: what runs, and whether with dinobench's CPU settings
VARIANTS = {
    "released": (released, False),
    "released, same CPU settings": (released, True),
    "dinobench": (partial(ours, "auto"), True),
    **{f"dinobench, {engine}": (partial(ours, engine), True) for engine in ENGINES},
    "faiss": (flat_index, True),
    "bare matrix product": (bare, True),
}


def prepared(name: str, folder: Path, reference: str, ks: tuple[int, ...], threads: int) -> Callable[[], list[float]]:
    make, tuned = VARIANTS[name]
    if threads:
        torch.set_num_threads(threads)
    if tuned:
        tune_cpu()
    return make(folder, reference, ks)


def measure(folder: Path, reference: str, ks: tuple[int, ...], repeats: int, threads: int) -> dict[str, list[Turn]]:
    """Accuracies of each variant, taking turns."""
    names = [name for name in VARIANTS if reference or not name.startswith("released")]
    return take_turns({name: partial(prepared, name, folder, reference, ks, threads) for name in names}, repeats)


@functools.cache
def import_seconds() -> float:
    """CPU seconds of the import of faiss in a process that has torch, median of five: part of its first search."""
    timed = "import time, torch; begun = time.process_time(); import faiss; print(time.process_time() - begun)"
    command = [sys.executable, "-c", timed]
    return median(float(subprocess.run(command, capture_output=True, check=True).stdout) for _ in range(5))


def show(results: dict[str, list[Turn]], train: int, queries: int) -> None:
    first, baseline = {}, next(iter(results))
    for name, runs in results.items():
        wall, cpu = first[name] = medians(runs)
        ratios = "  ".join(f"{then / now:5.1f}x" for then, now in zip(first[baseline], (wall, cpu), strict=True))
        accuracies = " ".join(f"{value:.2f}" for value in runs[0].result)
        print(f"  {name:<28} {1e3 * wall / queries:8.3f} {1e3 * cpu / queries:8.3f} ms/query   {ratios}   {accuracies}")
    product = first["bare matrix product"]
    found, other = first["dinobench"], first["faiss"]
    print(
        f"  dinobench / faiss: {found[0] / other[0]:.2f} wall, {found[1] / other[1]:.2f} CPU; "
        f"dinobench / bare product: {found[0] / product[0]:.2f} wall, {found[1] / product[1]:.2f} CPU"
        f"; {1e9 * found[0] / queries / train:.2f} ns per query and row"
        f"; the import of faiss {1e3 * import_seconds() / queries:.3f} ms CPU/query, which the rows leave out"
    )


def write_shards(folder: Path) -> None:
    """The training features as the feature store keeps them."""
    train = np.load(folder / "train.npy", mmap_mode="r")
    for number, start in enumerate(range(0, len(train), SHARD_ROWS)):
        np.save(folder / f"{number}.npy", train[start : start + SHARD_ROWS])


def search_shards(folder: Path, queries: int) -> None:
    """Peak resident memory of a search in a bank that stays on disk, as `dinobench eval --task knn` does it."""
    tune_cpu()
    labels = torch.from_numpy(np.load(folder / "train_labels.npy"))
    counts = [min(SHARD_ROWS, len(labels) - start) for start in range(0, len(labels), SHARD_ROWS)]
    shards = tuple(Shard((folder / f"{n}.npy",), np.ones(count, bool)) for n, count in enumerate(counts))
    bank = FeatureMatrix((Column("cls"),), shards, np.arange(len(labels)), {})
    asked = torch.from_numpy(np.load(folder / "test.npy"))[:queries]
    before, start = peak_memory_bytes(), time.perf_counter()
    found = search(asked, bank, max(KS), "auto", torch.device("cpu"))
    vote(found, labels, KS, TEMPERATURE, CLASSES)
    kept = {field: (resident_bytes(field) or 0) / 2**30 for field in ("RssAnon", "RssFile")}
    print(
        f"  bank on disk, {len(asked)} queries: peak {peak_memory_bytes() / 2**30:.2f} GiB, "
        f"of which {before / 2**30:.2f} before the search; {time.perf_counter() - start:.1f} s; "
        f"at the end {kept['RssAnon']:.2f} its own, {kept['RssFile']:.2f} pages of files"
    )


def measure_memory(folder: Path, queries: int) -> None:
    """In a process of its own, whose peak is the search's."""
    write_shards(folder)
    process = multiprocessing.get_context("spawn").Process(target=search_shards, args=(folder, queries))
    process.start()
    process.join()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reference", default="", help="checkout of facebookresearch/dino")
    parser.add_argument("--train", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--queries", type=int, default=500)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--ks", type=int, nargs="+", default=list(KS))
    parser.add_argument("--threads", type=int, default=0, help="per process, 0 for one per core")
    parser.add_argument("--memory", action="store_true", help="peak memory with the bank on disk, and nothing else")
    given = parser.parse_args()
    for train in given.train:
        with tempfile.TemporaryDirectory() as folder:
            make_features(Path(folder), train, given.queries)
            print(f"{train} training features, {given.queries} queries, k = {given.ks}")
            if given.memory:
                measure_memory(Path(folder), given.queries)
            else:
                results = measure(Path(folder), given.reference, tuple(given.ks), given.repeats, given.threads)
                show(results, train, given.queries)


if __name__ == "__main__":
    main()
