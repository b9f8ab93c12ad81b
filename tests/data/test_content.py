"""What a set of images holds decides its identity; files that have not changed are not read again."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dinobench.data import content
from dinobench.data.content import digest_of, remembered_digests, stamp_of
from dinobench.data.dataset import ImageSet, from_arrays, from_files
from dinobench.data.manifest import listing_of, manifest_of

OLD = 10**9 * 1_000_000_000  # a time long ago, in nanoseconds


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DINOBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(content, "_TOO_FRESH", -(10**18))  # also files of this second are remembered
    return tmp_path / "cache"


@pytest.fixture
def images(tmp_path: Path) -> ImageSet:
    names = [f"{number}.bin" for number in range(5)]
    for number, name in enumerate(names):
        (tmp_path / name).write_bytes(bytes([number]) * 10)
    return from_files("x", tmp_path, names, [0] * 5, ["a"])


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that were read."""
    seen: list[Path] = []
    read = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: (seen.append(path), read(path))[1])
    return seen


def test_an_edit_that_keeps_the_size_changes_the_identity(images: ImageSet, tmp_path: Path) -> None:
    before = manifest_of(images)
    (tmp_path / "3.bin").write_bytes(b"x" * 10)
    assert manifest_of(images) != before
    assert listing_of(images) == listing_of(images)


def test_unchanged_files_are_read_once_and_edited_ones_again(
    images: ImageSet, tmp_path: Path, reads: list[Path]
) -> None:
    first = images.digests()
    assert images.digests() == first and len(reads) == 5
    (tmp_path / "3.bin").write_bytes(b"x" * 10)
    assert images.digests() != first and len(reads) == 6
    images.digests(full=True)
    assert len(reads) == 11


def test_a_file_replaced_under_its_old_time_is_read_again(images: ImageSet, tmp_path: Path) -> None:
    path = tmp_path / "0.bin"
    os.utime(path, ns=(OLD, OLD))
    first = images.digests()
    (tmp_path / "new").write_bytes(b"y" * 10)
    os.utime(tmp_path / "new", ns=(OLD, OLD))
    (tmp_path / "new").replace(path)
    assert images.digests() != first


def test_a_file_of_this_second_is_not_remembered(
    images: ImageSet, reads: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(content, "_TOO_FRESH", 10**18)
    assert images.digests() == images.digests() and len(reads) == 10


def test_a_moved_folder_is_the_same_data(images: ImageSet, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    moved.mkdir()
    for name in images.names:
        (tmp_path / name).rename(moved / name)
    assert manifest_of(from_files("x", moved, images.names, [0] * 5, ["a"])).sha256 == _expected(images)


def _expected(images: ImageSet) -> str:
    import hashlib

    text = "a\0" + "".join(f"{n}\0{digest_of(bytes([i]) * 10).hex()}\0" + "0\0" for i, n in enumerate(images.names))
    return hashlib.sha256(text.encode()).hexdigest()


def test_pixels_in_memory_have_an_identity_too() -> None:
    pixels = np.zeros((2, 4, 4, 3), np.uint8)
    changed = pixels.copy()
    changed[1, 2, 2] = 1
    one, other = (from_arrays("x", part, [0, 0], ["a"], ["p", "q"]) for part in (pixels, changed))
    assert manifest_of(one) != manifest_of(other)


def test_an_unreadable_file_is_asked_again(images: ImageSet, tmp_path: Path, reads: list[Path]) -> None:
    (tmp_path / "0.bin").unlink()
    (tmp_path / "0.bin").mkdir()
    broken = images.digests()
    (tmp_path / "0.bin").rmdir()
    (tmp_path / "0.bin").write_bytes(bytes(10))
    assert images.digests()[0] == digest_of(bytes(10)) != broken[0]


@pytest.mark.parametrize("damage", [lambda path: path.write_bytes(b"no database" * 999), lambda path: path.unlink()])
def test_a_damaged_index_costs_time_alone(images: ImageSet, cache: Path, damage: Callable[[Path], None]) -> None:
    before = images.digests()
    damage(cache / "digests" / "content.sqlite")
    assert images.digests() == before


def test_a_cache_that_cannot_be_written_costs_time_alone(images: ImageSet, cache: Path) -> None:
    cache.write_text("a file")
    assert len(images.digests()) == 5


def test_threads_and_processes_share_the_index(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}" for number in range(200)]
    for number, path in enumerate(paths):
        path.write_bytes(bytes([number]))
    places, stamps = [str(path) for path in paths], [stamp_of(path) for path in paths]
    found: list[list[bytes]] = []
    ask = lambda: found.append(remembered_digests(places, stamps, lambda number: paths[number].read_bytes()))  # noqa: E731
    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [[digest_of(bytes([number])) for number in range(200)]] * 6


def test_an_image_and_its_cut_are_different_data(tmp_path: Path) -> None:
    from dataclasses import replace

    from dinobench.data.layouts.cars import BoxSource

    Image.new("RGB", (9, 9)).save(tmp_path / "a.png")
    whole = from_files("x", tmp_path, ["a.png"], [0], ["a"])
    cut = [
        replace(whole, source=BoxSource(tmp_path, whole.names, np.array([box]))) for box in ([1, 1, 4, 4], [1, 1, 5, 5])
    ]
    assert len({manifest_of(each).sha256 for each in (whole, *cut)}) == 3
