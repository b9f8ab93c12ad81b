"""Ground truth of the revisited benchmark: the real files, and files that must be refused."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dinobench.data.layouts import revisitop
from dinobench.runtime.errors import InputError
from tests.conftest import shared_data


def content(**changes: Any) -> dict[str, Any]:
    entry = {"bbx": [1, 2.5, 30, 20], "easy": [0], "hard": np.array([2]), "junk": [], **changes}
    return {"gnd": [entry], "imlist": ["a", "b", "c"], "qimlist": ["q"]}


def written(root: Path, truth: object, images: tuple[str, ...] = ("a", "b", "c", "q")) -> Path:
    path = root / "toy" / "gnd_toy.pkl"
    (root / "toy" / "jpg").mkdir(parents=True)
    path.write_bytes(pickle.dumps(truth, protocol=2))
    for name in images:
        Image.new("RGB", (40, 30)).save(root / "toy" / "jpg" / f"{name}.jpg")
    return path


@pytest.mark.parametrize("name, images, easy", [("roxford5k", 4993, 3029), ("rparis6k", 6322, None)])
def test_the_real_files_are_read(name: str, images: int, easy: int | None) -> None:
    path = shared_data("revisitop", name, f"gnd_{name}.pkl")
    truth = revisitop.read_ground_truth(path)
    assert (len(truth.database), len(truth.queries), truth.boxes.shape) == (images, 70, (70, 4))
    raw = pickle.loads(path.read_bytes())  # the benchmark's own file, known to hold builtins only
    for entry, judged, box in zip(raw["gnd"], truth.judged, truth.boxes, strict=True):
        assert all(judged[group].tolist() == entry[group] for group in revisitop.GROUPS)
        assert box.tolist() == entry["bbx"]
    assert easy is None or sum(len(judged["easy"]) for judged in truth.judged) == easy
    with pytest.raises(InputError, match=f"{images} of {images} images"):
        revisitop.open(path.parent, "database")


def test_images_come_in_the_order_of_the_ground_truth(tmp_path: Path) -> None:
    root = written(tmp_path, content()).parent
    assert revisitop.open(root, "database").names == ("jpg/a.jpg", "jpg/b.jpg", "jpg/c.jpg")
    assert revisitop.open(root, "query").read(0).size == (40, 30)
    assert revisitop.check(root).problems == ()


def test_missing_images_are_counted_and_named(tmp_path: Path) -> None:
    root = written(tmp_path, content(), images=("a", "q")).parent
    with pytest.raises(InputError, match=r"2 of 3 images .*jpg/b.jpg, jpg/c.jpg"):
        revisitop.open(root, "database")
    findings = revisitop.check(root)
    assert findings.counts["images missing"] == 2 and "jpg/b.jpg" in findings.problems[0]


def test_json_says_the_same_as_the_pickle(tmp_path: Path) -> None:
    path = tmp_path / "gnd.json"
    path.write_text(json.dumps(content(hard=[2])))
    truth = revisitop.read_ground_truth(path)
    assert truth.judged[0]["hard"].tolist() == [2] and truth.boxes.tolist() == [[1, 2.5, 30, 20]]


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"junk": [3]}, "outside the 3 images"),
        ({"easy": [0.5]}, "whole numbers"),
        ({"bbx": [5, 5, 1, 1]}, "bbx"),
    ],
)
def test_contradictions_are_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        revisitop.read_ground_truth(written(tmp_path, content(**changes)))


def test_another_version_is_refused(tmp_path: Path) -> None:
    truth = {**content(), "gnd": [{"bbx": [0, 0, 1, 1], "ok": [0], "junk": []}]}
    with pytest.raises(InputError, match="found bbx, junk, ok, expected easy, hard, junk"):
        revisitop.read_ground_truth(written(tmp_path, truth))


@pytest.mark.parametrize(
    "truth", [{"gnd": []}, [1, 2], {**content(), "qimlist": []}, {**content(), "imlist": ["a"] * 3}]
)
def test_other_pickles_are_refused(tmp_path: Path, truth: object) -> None:
    with pytest.raises(InputError, match="gnd_toy"):
        revisitop.read_ground_truth(written(tmp_path, truth))


def test_a_pickle_that_calls_something_is_refused(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "touched",))

    with pytest.raises(InputError):
        revisitop.read_ground_truth(written(tmp_path, [pickle.dumps, Evil()]))
    assert not (tmp_path / "touched").exists()


def test_a_folder_without_ground_truth_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="found 0"):
        revisitop.open(tmp_path, "query")
    assert revisitop.check(tmp_path).problems


def test_any_ending_is_found_named_or_not(tmp_path: Path) -> None:
    root = tmp_path / "toy"
    (root / "jpg").mkdir(parents=True)
    truth = {**content(), "imlist": ["a", "b.png", "c"], "qimlist": ["q.png"]}
    (root / "gnd_toy.pkl").write_bytes(pickle.dumps(truth, protocol=2))
    for name in ("a.jpg", "a.png", "b.png", "c.webp", "q.png"):
        Image.new("RGB", (40, 30)).save(root / "jpg" / name)
    assert revisitop.open(root, "database").names == ("jpg/a.jpg", "jpg/b.png", "jpg/c.webp")
    assert revisitop.open(root, "query").names == ("jpg/q.png",)
    assert revisitop.check(root).problems == ()


def test_images_are_found_in_the_root_and_in_folders_of_landmarks(tmp_path: Path) -> None:
    root = written(tmp_path, content(), images=("q",)).parent
    (root / "paris" / "defense").mkdir(parents=True)
    for place in ("a.jpg", "paris/defense/b.jpg", "paris/c.jpg"):
        Image.new("RGB", (8, 8)).save(root / place)
    assert revisitop.open(root, "database").names == ("a.jpg", "paris/defense/b.jpg", "paris/c.jpg")
    assert len(revisitop.check(root).files) == 4


def test_names_with_folders_are_found_there_with_any_ending(tmp_path: Path) -> None:
    truth = {**content(), "imlist": ["x/a", "y/a", "b"]}
    root = written(tmp_path, truth, images=("b", "q")).parent
    for place in ("jpg/x/a.JPG", "jpg/y/a.png"):
        (root / place).parent.mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(root / place)
    assert revisitop.open(root, "database").names == ("jpg/x/a.JPG", "jpg/y/a.png", "jpg/b.jpg")


def test_archives_left_packed_and_matlab_files_are_named(tmp_path: Path) -> None:
    root = written(tmp_path, content(), images=()).parent
    (root / "oxbuild_images-v1.tgz").touch()
    with pytest.raises(InputError, match=r"3 of 3 images .*unpack oxbuild_images-v1\.tgz there"):
        revisitop.open(root, "database")
    (root / "gnd_toy.pkl").rename(root / "gnd_toy.mat")
    with pytest.raises(InputError, match=r"has gnd_toy\.mat and no gnd_toy\.pkl"):
        revisitop.open(root, "database")


def test_the_root_of_the_released_script_serves(tmp_path: Path) -> None:
    root = tmp_path / "datasets"
    root.mkdir()
    for name in ("roxford5k", "rparis6k"):
        path = written(tmp_path / name, content())
        path.rename(path.with_name(f"gnd_{name}.pkl"))
        path.parent.rename(root / name)
    assert revisitop.open_one(root, "query", "rparis6k").root == root / "rparis6k"
    with pytest.raises(InputError, match=r"holds roxford5k/gnd_roxford5k\.pkl, rparis6k/gnd_rparis6k\.pkl; give the"):
        revisitop.open(root, "query")


def test_repeated_ids_stay_as_the_file_has_them(tmp_path: Path) -> None:
    truth = revisitop.read_ground_truth(written(tmp_path, content(easy=[0, 0], hard=[0, 2])))
    assert truth.judged[0]["easy"].tolist() == [0, 0] and truth.judged[0]["hard"].tolist() == [0, 2]
