"""Several classes an image: both classifiers on VOC07's twin, and lists that are damaged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dinobench.data.layouts import voc07_labels
from dinobench.data.registry import get_twin
from dinobench.evaluators.base import Scores
from dinobench.evaluators.multi_label.evaluate import evaluate
from dinobench.runtime.errors import InputError
from tests.evaluators.toys import context


@pytest.fixture
def twin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DINOBENCH_CACHE", str(tmp_path / "cache"))
    get_twin("voc07").write(tmp_path / "data")
    return tmp_path / "data"


def _evaluate(data: Path, task: str, **settings: object) -> Scores:
    return evaluate(context(task, "paper", data, data.parent / "out", "random:vit_mini/4", **settings))


@pytest.mark.parametrize("task", ["knn-voc07", "logistic-voc07"])
def test_both_classifiers_score_the_classes_that_are_there(task: str, twin: Path) -> None:
    scores = _evaluate(twin, task)
    assert scores.images == {"train": 16, "val": 12}
    low, high = scores.intervals["map"]
    assert 0 < low <= scores.metrics["map"] <= high <= 100
    by_class = scores.details["average_precision"]
    assert scores.metrics["map"] == pytest.approx(np.mean(list(by_class.values())))
    assert set(by_class) < set(voc07_labels.CLASSES)
    assert any("classes without a training or a test image are left out" in line for line in scores.warnings)


def test_a_class_that_features_show_is_ranked_first(twin: Path) -> None:
    """The test images are the training images, so that the nearest neighbor of each is itself."""
    lists = twin / "VOCdevkit/VOC2007/ImageSets/Main"
    for path in lists.glob("*_test.txt"):
        path.write_text((lists / path.name.replace("test", "trainval")).read_text())
    (lists / "test.txt").write_text("\n".join(reversed((lists / "trainval.txt").read_text().split())))
    given = context("knn-voc07", "paper", twin, twin.parent / "out", "random:vit_mini/4", k=1)
    given._compare_with_training = lambda *arguments: None  # type: ignore[method-assign]
    assert evaluate(given).metrics["map"] == pytest.approx(100)


def test_lists_that_say_something_else_are_named(twin: Path) -> None:
    lists = twin / "VOCdevkit/VOC2007/ImageSets/Main"
    text = (lists / "cat_test.txt").read_text()
    (lists / "cat_test.txt").write_text(text.replace("-1", "maybe", 1))
    with pytest.raises(InputError, match=r"line \d+ of .*cat_test.txt is not an id with 1, 0 or -1"):
        _evaluate(twin, "knn-voc07")
    (lists / "cat_test.txt").write_text(text.partition("\n")[2])
    with pytest.raises(InputError, match=r"cat_test.txt says nothing of 1 images"):
        _evaluate(twin, "knn-voc07")


def test_objects_called_difficult_count_for_nothing(twin: Path) -> None:
    lists = twin / "VOCdevkit/VOC2007/ImageSets/Main"
    for path in lists.glob("*_test.txt"):
        path.write_text(path.read_text().replace(" -1", "  0"))
    assert _evaluate(twin, "knn-voc07").metrics["map"] == 100
    for path in lists.glob("*_test.txt"):
        path.write_text(path.read_text().replace("  1", "  0"))
    with pytest.raises(InputError, match=r"no class of .* has both"):
        _evaluate(twin, "knn-voc07")
