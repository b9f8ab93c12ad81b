from __future__ import annotations

import multiprocessing
import socket

import numpy as np
import pytest
import torch
import torch.distributed as dist

from dinobench.evaluators.common.search import RowsInMemory, search
from dinobench.runtime.errors import InputError
from tests.features.stored import stored
from tests.pretend_gpu import pretend_gpu

CPU = torch.device("cpu")
QUERIES = torch.randn(9, 16, generator=torch.Generator().manual_seed(1))
BANK = 3 * torch.randn(230, 16, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def bank(tmp_path):
    return stored(tmp_path, {"cls": BANK}, 50)


def _wanted(k):
    cosine = torch.nn.functional.cosine_similarity(QUERIES[:, None], BANK[None], dim=2)
    return cosine.topk(k)


@pytest.mark.parametrize("k", [1, 7, 230])
@pytest.mark.parametrize("method", ["exact", "prefilter", "faiss", "auto"])
@pytest.mark.parametrize("where", ["memory", "disk"])
def test_every_way_finds_the_same(bank, k, method, where):
    if method == "faiss":
        pytest.importorskip("faiss")
    found = search(QUERIES, RowsInMemory(BANK) if where == "memory" else bank, k, method, CPU)
    torch.testing.assert_close(found.similarities, _wanted(k).values)
    assert torch.equal(found.indices, _wanted(k).indices)


def _one_of_many(rank, processes, port, bank, k, method, answers):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=processes)
    answers.put(search(QUERIES, bank, k, method, CPU).indices.numpy())
    dist.barrier()
    dist.destroy_process_group()


@pytest.mark.parametrize(
    ("processes", "k", "method"), [(2, 7, "exact"), (3, 60, "exact"), (7, 5, "exact"), (7, 5, "faiss")]
)
def test_processes_merge_exactly(bank, processes, k, method):
    if method == "faiss":
        pytest.importorskip("faiss")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    started = [
        context.Process(target=_one_of_many, args=(rank, processes, port, bank, k, method, answers))
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
    with pytest.raises(InputError, match="did you mean exact"):
        search(QUERIES, RowsInMemory(BANK), 1, "exac", CPU)


def test_faiss_answers_on_the_device_that_asked():
    pytest.importorskip("faiss")
    with pretend_gpu():
        found = search(QUERIES, RowsInMemory(BANK), 3, "faiss", torch.device("cuda"))
        assert found.indices.device.type == found.similarities.device.type == "cuda"
        assert torch.equal(found.indices.cpu(), _wanted(3).indices)
