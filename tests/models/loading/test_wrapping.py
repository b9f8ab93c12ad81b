"""A zip around one checkpoint opens as the checkpoint."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
import torch

from dinobench.models.loading.container import open_container
from dinobench.runtime.errors import InputError


def checkpoint(folder: Path) -> Path:
    path = folder / "network.pth.tar"
    torch.save({"network": {"a": torch.arange(5.0)}}, path)
    return path


def test_a_zip_around_one_checkpoint_opens_as_it(tmp_path: Path) -> None:
    inside = checkpoint(tmp_path)
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.write(inside, "folder/network.pth.tar")
        archive.writestr("__MACOSX/folder/._network.pth.tar", b"no")
        archive.writestr("folder/README.txt", b"words")
    contents = open_container(tmp_path / "x.zip")
    assert contents.content["network"]["a"].tolist() == [0, 1, 2, 3, 4]


def test_a_zip_of_several_or_of_zips_or_of_damage_is_refused(tmp_path: Path) -> None:
    inside = checkpoint(tmp_path)
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        archive.write(inside, "a.pth")
        archive.write(inside, "b.pth")
    with zipfile.ZipFile(tmp_path / "one.zip", "w") as archive:
        archive.write(inside, "a.pth")
    with zipfile.ZipFile(tmp_path / "zips.zip", "w") as archive:
        archive.write(tmp_path / "one.zip", "c.pth")
    with zipfile.ZipFile(tmp_path / "damaged.zip", "w") as archive:
        archive.writestr("d.pth", b"words and no weights")
    for name, message in (
        ("two", "2 checkpoints"),
        ("zips", "zip within a zip"),
        ("damaged", r"damaged.zip \(d.pth\)"),
    ):
        with pytest.raises(InputError, match=message):
            open_container(tmp_path / f"{name}.zip")
