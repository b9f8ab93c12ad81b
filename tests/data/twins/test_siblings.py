"""Twins of ImageNet's test sets lie as their layouts expect, and share the classes of ImageNet's twin."""

from __future__ import annotations

from pathlib import Path

import pytest

from dinobench.data.check import check_layout
from dinobench.data.layouts import imagefolder, imagenet_c, imagenet_variant
from dinobench.data.registry import dataset_layouts, get_twin, twin_names


@pytest.mark.parametrize("name", ["imagenet-a", "imagenet-r", "imagenet-sketch", "imagenetv2", "objectnet"])
def test_classes_are_those_of_the_twin_of_imagenet(name: str, tmp_path: Path) -> None:
    assert name in twin_names()
    get_twin(name).write(tmp_path / name)
    get_twin("imagenet").write(tmp_path / "imagenet")
    assert check_layout(dataset_layouts()[name], tmp_path / name).problems == ()
    images = imagenet_variant.open(tmp_path / name, "val")
    accepted = imagenet_variant.accepted_wnids(images)
    known = {wnid for names in accepted.values() for wnid in names}
    trained = set(imagefolder.open(tmp_path / "imagenet", "train").classes)
    assert len(images) == 48
    assert trained - known == (set() if name != "objectnet" else {max(trained)})
    assert known <= trained


def test_corruptions_have_all_severities(tmp_path: Path) -> None:
    get_twin("imagenet-c").write(tmp_path)
    findings = check_layout("imagenet_c", tmp_path)
    assert (findings.problems, findings.counts) == ((), {"corruptions": 2, "images": 160})
    assert list(imagenet_c.corruptions(tmp_path)) == ["fog", "pixelate"]
