"""A zip around one checkpoint opens as the checkpoint."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
import torch

from dinobench.models.loading.container import open_container
from dinobench.models.loading.model_paths import checkpoint_path
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
        ("two", "2 checkpoints, a.pth, b.pth; name one of them, as two.zip/a.pth"),
        ("zips", "zip within a zip"),
        ("damaged", r"damaged.zip \(d.pth\)"),
    ):
        with pytest.raises(InputError, match=message):
            open_container(tmp_path / f"{name}.zip")


def test_a_file_of_a_zipped_folder_opens_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DINOBENCH_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "shared.zip"
    with zipfile.ZipFile(folder, "w") as archive:
        archive.write(checkpoint(tmp_path), "models/InfoMin_800.pth")
        archive.writestr("models/CMC.pth", b"another")
    path = checkpoint_path(f"{folder}/models/InfoMin_800.pth")
    assert path.name == "InfoMin_800.pth"  # by which its card is known
    assert open_container(path).content["network"]["a"].tolist() == [0, 1, 2, 3, 4]
    written = path.stat().st_mtime_ns
    assert checkpoint_path(f"{folder}/models/InfoMin_800.pth").stat().st_mtime_ns == written
    with zipfile.ZipFile(folder, "w") as archive:
        archive.writestr("models/InfoMin_800.pth", b"of another download")
    assert checkpoint_path(f"{folder}/models/InfoMin_800.pth").read_bytes() == b"of another download"


def test_what_a_zipped_folder_does_not_hold_or_hides_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DINOBENCH_CACHE", str(tmp_path / "cache"))
    with zipfile.ZipFile(tmp_path / "f.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.pth", b"one")
        archive.writestr("large.pth", bytes(10_000_000))
        archive.writestr("../up.pth", b"two")
    (tmp_path / "words.zip").write_text("no zip")
    for name, message in (
        ("f.zip/b.pth", "f.zip holds no b.pth; it holds a.pth, large.pth, ../up.pth"),
        ("f.zip/large.pth", "would unpack to 10 MB; refused"),
        ("words.zip/a.pth", "truncated or damaged"),
    ):
        with pytest.raises(InputError, match=message):
            checkpoint_path(f"{tmp_path}/{name}")
    above = checkpoint_path(f"{tmp_path}/f.zip/../up.pth")
    assert above.name == "up.pth"
    assert above.is_relative_to(tmp_path / "cache")  # by its last name alone
