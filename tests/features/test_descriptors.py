"""Stored descriptors: computed once, resumed, shared."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from filelock import FileLock
from numpy.typing import NDArray
from torch import Tensor

from dinobench.features.descriptors import stored_descriptors
from dinobench.runtime.errors import InputError


class Computer:
    """Gives row i the value i, in reversed pairs, and remembers what it was asked for."""

    def __init__(self, broken_from: int = 10**9) -> None:
        self.asked: list[int] = []
        self.broken_from = broken_from

    def __call__(self, indices: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], Tensor]]:
        self.asked += indices.tolist()
        for start in range(0, len(indices), 2):
            pair = indices[start : start + 2][::-1]
            if pair.max() >= self.broken_from:
                raise KeyboardInterrupt
            yield pair, torch.from_numpy(pair[:, None].astype(np.float32))


def rows(folder: Path, compute: Computer, count: int = 7, **identity: str) -> list[float]:
    matrix = stored_descriptors(
        identity, {"data": "toy"}, [str(i) for i in range(count)], compute, folder=folder, shard_rows=3
    )
    return matrix.tensor()[:, 0].tolist()


def test_rows_come_in_the_order_of_images_and_are_computed_once(tmp_path: Path) -> None:
    compute = Computer()
    assert rows(tmp_path, compute) == rows(tmp_path, compute) == list(range(7))
    assert compute.asked == list(range(7))


def test_another_identity_is_computed_afresh(tmp_path: Path) -> None:
    compute = Computer()
    rows(tmp_path, compute, pooling="cls")
    rows(tmp_path, compute, pooling="gem")
    assert compute.asked == 2 * list(range(7))


def test_a_killed_run_goes_on_where_it_stopped(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        rows(tmp_path, Computer(broken_from=4))
    compute = Computer()
    assert rows(tmp_path, compute) == list(range(7))
    assert compute.asked == [3, 4, 5, 6]


def test_two_at_once_share_the_work(tmp_path: Path) -> None:
    computers, found = [Computer(), Computer()], []
    threads = [threading.Thread(target=lambda c=computer: found.append(rows(tmp_path, c))) for computer in computers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [list(range(7))] * 2
    assert sorted(computers[0].asked + computers[1].asked) == list(range(7))


def test_nothing_and_no_numbers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="toy holds no image"):
        rows(tmp_path, Computer(), count=0)
    with pytest.raises(InputError, match="not finite"):
        stored_descriptors({}, {}, ["a.jpg"], lambda i: iter([(i, torch.tensor([[torch.nan]]))]), folder=tmp_path)


def test_waiting_for_another_process_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows(tmp_path, Computer())
    (folder,) = (path for path in tmp_path.iterdir() if path.is_dir())
    (folder / "00001.json").unlink()
    lock = FileLock(folder / "locks" / "00001", thread_local=False)
    lock.acquire()
    threading.Timer(0.3, lock.release).start()
    assert rows(tmp_path, Computer()) == list(range(7))
    assert "another process computes features of toy" in capsys.readouterr().err


def test_use_is_noted_for_pruning(tmp_path: Path) -> None:
    rows(tmp_path, Computer())
    note = next(tmp_path.glob("*/entry.json"))
    os.utime(note, (0, 0))
    rows(tmp_path, Computer())
    assert note.stat().st_mtime > 0
