"""A data set's folder is found at the root and one level below it, and two of them are named."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from dinobench.data.check import check_layout
from dinobench.data.open import open_dataset
from dinobench.data.registry import dataset_layouts, get_twin
from dinobench.runtime.errors import InputError


@pytest.mark.parametrize(
    ("name", "inner"),
    [("flowers", "flowers-102"), ("cars", "stanford_cars"), ("davis2016", "DAVIS"), ("inat19", "2019")],
)
def test_the_folder_above_serves(name: str, inner: str, tmp_path: Path) -> None:
    layout = dataset_layouts()[name]
    get_twin(name).write(tmp_path / inner)
    above, itself = open_dataset(str(tmp_path), "val", layout, name), open_dataset(str(tmp_path / inner), "val", layout)
    assert above.names == itself.names and above.labels.tolist() == itself.labels.tolist()
    assert check_layout(layout, tmp_path, name).problems == ()
    shutil.copytree(tmp_path / inner, tmp_path / "second")
    with pytest.raises(InputError, match=r"holds several data sets: .*second.*; give the folder of one"):
        open_dataset(str(tmp_path), "val", layout, name)


@pytest.mark.parametrize("place", ["", "VOCdevkit", "VOCdevkit/VOC2012"])
def test_voc_is_found_from_each_of_its_folders_and_from_above(place: str, tmp_path: Path) -> None:
    get_twin("voc12").write(tmp_path / "voc")
    expected = open_dataset(str(tmp_path / "voc"), "val", "voc12").names
    assert open_dataset(str(tmp_path / "voc" / place), "val", "voc12").names == expected
    assert open_dataset(str(tmp_path), "val", "voc12").names == expected


def test_a_voc_list_of_any_editor_is_read(tmp_path: Path) -> None:
    get_twin("voc12").write(tmp_path)
    listing = tmp_path / "VOCdevkit/VOC2012/ImageSets/Segmentation/val.txt"
    expected = open_dataset(str(tmp_path), "val", "voc12").names
    listing.write_bytes(("\ufeff" + listing.read_text().replace("\n", " \r\n\r\n")).encode())
    assert open_dataset(str(tmp_path), "val", "voc12").names == expected
