"""Folders of torch.distributed.checkpoint: torch's own, and ones that are damaged or made to do harm."""

from __future__ import annotations

import io
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed.checkpoint as distributed
from torch import Tensor
from torch.distributed.checkpoint.filesystem import _StorageInfo
from torch.distributed.checkpoint.metadata import (
    ChunkStorageMetadata,
    Metadata,
    MetadataIndex,
    TensorProperties,
    TensorStorageMetadata,
)

from dinobench.models.loading.shards import open_checkpoint
from dinobench.models.loading.spec import load_backbone
from dinobench.runtime.errors import InputError
from tests.models.broken_files import saved, vit

pytestmark = pytest.mark.filterwarnings("ignore:torch.distributed is disabled")


def in_parts(folder: Path, whole: Tensor, corners: list[tuple[int, ...]], parts: list[Any]) -> Metadata:
    """A folder as several processes write it, each part in a file of its own."""
    places = {}
    folder.mkdir(exist_ok=True)
    for number, (corner, part) in enumerate(zip(corners, parts, strict=True)):
        stream = io.BytesIO()
        torch.save(part, stream)
        (folder / f"__{number}_0.distcp").write_bytes(stream.getvalue())
        index = MetadataIndex("weight", torch.Size(corner), number)
        places[index] = _StorageInfo(f"__{number}_0.distcp", 0, len(stream.getvalue()))
    chunks = [ChunkStorageMetadata(torch.Size(corner), whole.shape) for corner in corners]
    entry = TensorStorageMetadata(TensorProperties(whole.dtype), whole.shape, chunks)
    return Metadata({"weight": entry}, planner_data={"weight": ("model", "weight")}, storage_data=places)


def opened(folder: Path, metadata: Metadata) -> Any:
    (folder / ".metadata").write_bytes(pickle.dumps(metadata))
    return open_checkpoint(folder / ".metadata")


def test_what_torch_saves_is_the_same_network(tmp_path: Path) -> None:
    whole = load_backbone(str(saved(vit(), tmp_path / "whole.pth")))
    distributed.save({"model": vit(), "epoch": 7}, checkpoint_id=tmp_path / "parts", no_dist=True)
    loaded = load_backbone(str(tmp_path / "parts"))
    assert (loaded.name, loaded.sha256, loaded.epoch) == ("parts", whole.sha256, 7)


def test_parts_of_several_processes_are_joined(tmp_path: Path) -> None:
    whole = torch.arange(24.0).reshape(4, 6)
    parts = [whole[:3], whole[3:, :2].clone(), whole[3:, 2:].clone()]
    metadata = in_parts(tmp_path, whole, [(0, 0), (3, 0), (3, 2)], parts)
    content = opened(tmp_path, metadata).content
    assert torch.equal(content["model"]["weight"], whole)


def _other_shape(metadata: Metadata) -> None:
    metadata.state_dict_metadata["weight"].size = torch.Size((1 << 40, 1 << 10))


def _other_corner(metadata: Metadata) -> None:
    places = metadata.storage_data
    metadata.storage_data = {MetadataIndex("weight", torch.Size((5, 0)), 0): next(iter(places.values()))}


def _another_file(name: str) -> Callable[[Metadata], None]:
    def change(metadata: Metadata) -> None:
        for place in metadata.storage_data.values():
            place.relative_path = name

    return change


def _compressed(metadata: Metadata) -> None:
    for place in metadata.storage_data.values():
        place.transform_descriptors = ["zstd"]


def _over_each_other(metadata: Metadata) -> None:
    place = next(iter(metadata.storage_data.values()))
    for number in range(4):
        metadata.state_dict_metadata[f"more{number}"] = metadata.state_dict_metadata["weight"]
        metadata.storage_data[MetadataIndex(f"more{number}", torch.Size((0, 0)), 0)] = place


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_other_shape, "do not fill its shape"),
        (_other_corner, "outside its shape"),
        (_another_file("../outside.distcp"), "not taken as a name"),
        (_another_file("none.distcp"), "No such file"),
        (_compressed, "compressed"),
        (_over_each_other, "over each other"),
    ],
)
def test_a_folder_that_does_not_fit_is_one_line(change: Callable[[Metadata], None], words: str, tmp_path: Path) -> None:
    whole = torch.arange(24.0).reshape(4, 6)
    metadata = in_parts(tmp_path, whole, [(0, 0)], [whole])
    change(metadata)
    with pytest.raises(InputError, match=words):
        opened(tmp_path, metadata)


def test_views_of_one_number_and_cut_files_are_refused(tmp_path: Path) -> None:
    wide = torch.zeros(1).expand(1 << 16)
    with pytest.raises(InputError, match="repeats its numbers"):
        opened(tmp_path / "views", in_parts(tmp_path / "views", wide, [(0,)], [wide]))
    whole = torch.arange(24.0).reshape(4, 6)
    metadata = in_parts(tmp_path / "cut", whole, [(0, 0)], [whole])
    part = tmp_path / "cut" / "__0_0.distcp"
    part.write_bytes(part.read_bytes()[:-9])
    with pytest.raises(InputError, match="truncated"):
        opened(tmp_path / "cut", metadata)


class _Runs:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("made",)


def test_nothing_in_the_files_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    whole = torch.arange(24.0).reshape(4, 6)
    metadata = in_parts(tmp_path / "a", whole, [(0, 0)], [whole])
    metadata.planner_data = {"weight": _Runs()}
    with pytest.raises(InputError, match="asks for posix"):
        opened(tmp_path / "a", metadata)
    with pytest.raises(InputError, match="format_utils"):
        opened(tmp_path / "b", in_parts(tmp_path / "b", whole, [(0, 0)], [_Runs()]))
    assert not (tmp_path / "made").exists()
