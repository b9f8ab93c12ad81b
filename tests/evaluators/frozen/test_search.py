from __future__ import annotations

import multiprocessing
import socket

import numpy as np
import pytest
import torch
import torch.distributed as dist

from dinobench.evaluators.frozen import search as search_module
from dinobench.evaluators.frozen.search import RowsInMemory, search
from dinobench.runtime.errors import InputError
from tests.features.stored import stored

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
@pytest.mark.parametrize("method", ["blocks", "faiss"])
@pytest.mark.parametrize("where", ["memory", "disk"])
def test_every_way_finds_the_same(bank, k, method, where):
    if method == "faiss":
        pytest.importorskip("faiss")
    found = search(QUERIES, RowsInMemory(BANK) if where == "memory" else bank, k, method, CPU)
    torch.testing.assert_close(found.similarities, _wanted(k).values)
    assert torch.equal(found.indices, _wanted(k).indices)


def _one_of_many(rank, processes, port, bank, k, answers):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=processes)
    answers.put(search(QUERIES, bank, k, "blocks", CPU).indices.numpy())
    dist.barrier()
    dist.destroy_process_group()


@pytest.mark.parametrize(("processes", "k"), [(2, 7), (3, 60), (7, 5)])
def test_processes_merge_exactly(bank, processes, k):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    started = [
        context.Process(target=_one_of_many, args=(rank, processes, port, bank, k, answers))
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


def test_a_bf16_look_finds_the_same_and_is_taken_where_it_pays(monkeypatch):
    generator = torch.Generator().manual_seed(0)
    queries, rows = (torch.randn(n, 16, generator=generator) for n in (300, 5000))
    screens = []
    nearest = search_module.nearest
    monkeypatch.setattr(
        search_module, "nearest", lambda *given, screen: screens.append(screen) or nearest(*given, screen=screen)
    )
    found = []
    for fast in (False, True):
        monkeypatch.setattr(search_module, "cpu_has_bf16", lambda fast=fast: fast)
        found.append(search(queries, RowsInMemory(rows), 5, "blocks", CPU))
        search(queries[:20], RowsInMemory(rows), 5, "blocks", CPU)
        search(queries.double(), RowsInMemory(rows.double()), 5, "blocks", CPU)
    assert screens == [False, False, False, True, False, False]
    torch.testing.assert_close(found[0].similarities, found[1].similarities)
    assert torch.equal(found[0].indices, found[1].indices)
