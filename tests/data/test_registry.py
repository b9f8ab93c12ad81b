"""Layouts and twins are found by file name and keep their contract."""

from __future__ import annotations

import pytest

from dinobench.data.check import check_layout
from dinobench.data.registry import dataset_layouts, get_layout, get_twin, layout_names, twin_names
from dinobench.runtime.errors import InputError

OTHER_LABELS = {"voc07_labels", "voc12_boxes", "voc12_classes"}  # of a data set whose images another layout has


@pytest.mark.parametrize("name", layout_names())
def test_every_layout_keeps_the_contract(name: str, tmp_path) -> None:  # type: ignore[no-untyped-def]
    layout = get_layout(name)
    assert layout.DATASETS or name in OTHER_LABELS
    assert "ROOT" in layout.EXPECTED_TREE
    findings = check_layout(name, tmp_path)
    assert findings.problems, "an empty folder has problems"
    with pytest.raises(InputError) as caught:
        layout.open(tmp_path / "absent", "val")
    assert "\n" not in str(caught.value)


def test_every_twin_is_of_a_known_dataset() -> None:
    assert set(twin_names()) <= set(dataset_layouts())
    assert all(callable(get_twin(name).write) for name in twin_names())


def test_a_dataset_belongs_to_one_layout() -> None:
    claimed = [dataset for name in layout_names() for dataset in get_layout(name).DATASETS]
    assert len(claimed) == len(set(claimed))


def test_mistyped_names_get_a_suggestion() -> None:
    with pytest.raises(InputError, match="did you mean imagefolder"):
        get_layout("imagefoler")
    with pytest.raises(InputError, match="did you mean copydays"):
        get_twin("copyday")
