"""Rows of the feature store that two processes find on caches of their own."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from dinobench.data.open import open_images
from dinobench.evaluators.common.labeled_features import stored_matrix
from dinobench.features import loading
from dinobench.runtime.errors import InputError
from tests.evaluators.toys import context, picture
from tests.group import in_processes


def _rows(rank: int, folder: Path, lost: dict[int, int]) -> Any:
    """What the process can read, where the image with the number `lost` of its rank cannot be read."""
    os.environ["DINOBENCH_CACHE"] = str(folder / f"cache{rank}")
    read = loading._image_pixels

    def read_or_lose(images: Any, index: int, *rest: Any) -> Any:
        if index == lost.get(rank):
            raise InputError(f"{images.names[index]} cannot be read: input/output error")
        return read(images, index, *rest)

    loading._image_pixels = read_or_lose
    asked = context("knn", "paper", folder / "images", folder, "random:vit_mini/8")
    return stored_matrix(asked, None, open_images(folder / "images"), "cls").rows.tolist()


@pytest.mark.parametrize("lost", [{0: 1}, {1: 1}, {0: 1, 1: 2}])
def test_images_that_one_process_cannot_read_end_all(lost: dict[int, int], tmp_path: Path) -> None:
    _write_images(tmp_path / "images")
    for error in in_processes(_rows, 2, tmp_path, lost):
        assert isinstance(error, InputError)
        assert "which images of images cannot be read differs between processes" in str(error)


def test_images_that_none_can_read_are_left_out_by_all(tmp_path: Path) -> None:
    _write_images(tmp_path / "images")
    assert in_processes(_rows, 2, tmp_path, {0: 2, 1: 2}) == [[0, 1, 3]] * 2


def _write_images(folder: Path) -> None:
    folder.mkdir()
    for number in range(4):
        picture(number).save(folder / f"{number}.png")
