from __future__ import annotations

import multiprocessing
import socket

import numpy as np
import pytest
import torch
import torch.distributed as dist

from dinobench.evaluators.frozen.search import RowsInMemory, search
from dinobench.features.matrix import FeatureMatrix, Shard
from dinobench.features.names import Column
from dinobench.runtime.errors import InputError

CPU = torch.device("cpu")
QUERIES = torch.randn(9, 16, generator=torch.Generator().manual_seed(1))
BANK = 3 * torch.randn(230, 16, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def stored(tmp_path):
    shards = []
    for number, part in enumerate(BANK.split(50)):
        np.save(tmp_path / f"{number}.npy", part.numpy())
        shards.append(Shard((tmp_path / f"{number}.npy",), np.ones(len(part), bool)))
    return FeatureMatrix((Column("cls"),), tuple(shards), np.arange(len(BANK)), {})


def _wanted(k):
    cosine = torch.nn.functional.cosine_similarity(QUERIES[:, None], BANK[None], dim=2)
    return cosine.topk(k)


@pytest.mark.parametrize("k", [1, 7, 230])
@pytest.mark.parametrize("method", ["blocks", "faiss"])
@pytest.mark.parametrize("where", ["memory", "disk"])
def test_every_way_finds_the_same(stored, k, method, where):
    if method == "faiss":
        pytest.importorskip("faiss")
    found = search(QUERIES, RowsInMemory(BANK) if where == "memory" else stored, k, method, CPU)
    torch.testing.assert_close(found.similarities, _wanted(k).values)
    assert torch.equal(found.indices, _wanted(k).indices)


def _one_of_many(rank, processes, port, stored, k, answers):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=processes)
    answers.put(search(QUERIES, stored, k, "blocks", CPU).indices.numpy())
    dist.barrier()
    dist.destroy_process_group()


@pytest.mark.parametrize(("processes", "k"), [(2, 7), (3, 60), (7, 5)])
def test_processes_merge_exactly(stored, processes, k):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    started = [
        context.Process(target=_one_of_many, args=(rank, processes, port, stored, k, answers))
        for rank in range(processes)
    ]
    for process in started:
        process.start()
    found = [answers.get(timeout=60) for _ in started]
    for process in started:
        process.join(timeout=60)
        assert process.exitcode == 0
    for indices in found:
        np.testing.assert_array_equal(indices, _wanted(k).indices)


def test_an_unknown_method():
    with pytest.raises(InputError, match="did you mean blocks"):
        search(QUERIES, RowsInMemory(BANK), 1, "block", CPU)
