"""The twins of the fine-tuning data sets: they open by their own layout and are the same for the same seed."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from dinobench.data.check import check_layout
from dinobench.data.registry import dataset_layouts, get_layout, get_twin

TWINS = ("cifar10", "cifar100", "inat18", "inat19", "flowers", "cars")


def _digest(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix != ".mat":  # .mat headers carry the date
            digest.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()


@pytest.mark.parametrize("name", TWINS)
def test_a_twin_opens_by_its_layout_and_splits_do_not_overlap(name: str, tmp_path: Path) -> None:
    get_twin(name).write(tmp_path)
    layout = get_layout(dataset_layouts()[name])
    assert check_layout(dataset_layouts()[name], tmp_path).problems == ()
    train, val = layout.open(tmp_path, "train"), layout.open(tmp_path, "val")
    assert set(train.labels) == set(val.labels)
    assert len(set(train.labels)) >= 10
    seen = {np.asarray(train.read(index)).tobytes() for index in range(len(train))}
    assert all(np.asarray(val.read(index)).tobytes() not in seen for index in range(len(val)))


@pytest.mark.parametrize("name", ["cifar10", "inat19"])
def test_a_twin_is_the_same_for_the_same_seed_only(name: str, tmp_path: Path) -> None:
    for folder, seed in (("a", 0), ("b", 0), ("c", 1)):
        get_twin(name).write(tmp_path / folder, seed=seed)
    first, again, other = (_digest(tmp_path / folder) for folder in "abc")
    assert first == again != other
