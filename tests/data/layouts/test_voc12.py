from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from dinobench.data.layouts import voc12
from dinobench.data.registry import get_twin
from dinobench.runtime.errors import InputError
from tests.conftest import shared_data


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("voc12")
    get_twin("voc12").write(root)
    return root


def test_any_of_the_three_roots_serves(twin: Path) -> None:
    names = [voc12.open(root, "val").names for root in (twin, twin / "VOCdevkit", twin / "VOCdevkit" / "VOC2012")]
    assert names[0] == names[1] == names[2]
    assert len(names[0]) == 12


def test_void_is_the_union_of_both_masks() -> None:
    images = voc12.open(shared_data("voc12"), "val")
    labels = [voc12.object_labels(images, index) for index in range(len(images))]
    assert all((each == 255).any() for each in labels)  # these object masks hold no void of their own
    assert all(each.shape == images.read(index).size[::-1] for index, each in enumerate(labels))


def test_class_masks_may_be_absent(twin: Path, tmp_path: Path) -> None:
    root = shutil.copytree(twin, tmp_path / "copy")
    shutil.rmtree(root / "VOCdevkit" / "VOC2012" / "SegmentationClass")
    with_classes, without = voc12.open(twin, "val"), voc12.open(root, "val")
    np.testing.assert_array_equal(voc12.object_labels(with_classes, 0), voc12.object_labels(without, 0))


def test_a_missing_mask_is_named(twin: Path, tmp_path: Path) -> None:
    root = shutil.copytree(twin, tmp_path / "copy")
    victim = next((root / "VOCdevkit" / "VOC2012" / "SegmentationObject").glob("2008_*.png"))
    victim.unlink()
    with pytest.raises(InputError, match=victim.name):
        voc12.open(root, "val")
    assert any(victim.name in line for line in voc12.check(root).problems)


def test_a_folder_without_lists_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"val\.txt"):
        voc12.open(tmp_path, "val")
