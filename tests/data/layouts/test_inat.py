from __future__ import annotations

import json
from pathlib import Path

import pytest
import torchvision

from dinobench.data.check import check_layout
from dinobench.data.layouts import inat
from dinobench.data.open import open_dataset
from dinobench.data.registry import get_twin
from dinobench.runtime.errors import InputError
from tests.conftest import shared_data


@pytest.fixture(params=["2018", "2019"])
def twin(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Path]:
    get_twin(f"inat{request.param[2:]}").write(tmp_path)
    return request.param, tmp_path


def test_files_and_labels_of_both_splits_are_torchvisions(twin: tuple[str, Path]) -> None:
    year, root = twin
    (root / year).symlink_to(root / f"train_val{year}")
    theirs = torchvision.datasets.INaturalist(root, version=year)
    expected = {(f"train_val{year}/{theirs.all_categories[label]}/{name}", label) for label, name in theirs.index}
    ours = [inat.open(root, split) for split in ("train", "val")]
    assert {(n, int(c)) for images in ours for n, c in zip(images.names, images.labels, strict=True)} == expected
    assert sum(map(len, ours)) == len(expected) > 0
    assert check_layout("inat", root).problems == ()


def test_the_real_2019_listing_is_read_whole() -> None:
    path = shared_data("inat", "val2019.json")
    names, labels, classes = inat.read_listing(path)
    raw = json.loads(path.read_text())
    category = {item["image_id"]: item["category_id"] for item in raw["annotations"]}
    assert (len(names), len(classes)) == (3030, 1010)
    assert names == [image["file_name"] for image in raw["images"]]
    assert labels.tolist() == [category[image["id"]] for image in raw["images"]]
    assert all(int(Path(name).parent.name) == label for name, label in zip(names, labels, strict=True))


def test_missing_images_are_named_and_counted() -> None:
    with pytest.raises(InputError, match=r"3030 of 3030 images .*val2019.json are missing: train_val2019/Plants/644/"):
        inat.open(shared_data("inat"), "val")
    assert len(check_layout("inat", shared_data("inat")).problems) == 2


def _listing(**changes: object) -> dict[str, object]:
    listing = {
        "images": [{"id": 1, "file_name": "a.jpg"}],
        "annotations": [{"image_id": 1, "category_id": 0}],
        "categories": [{"id": 0, "name": "x"}],
    }
    return {**listing, **changes}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not valid json"),
        ("[]", "json list"),
        (json.dumps(_listing(annotations=[])), "no annotation for a.jpg"),
        (json.dumps(_listing(annotations=[{"image_id": 1, "category_id": 7}])), "category 7, outside its 1"),
        (json.dumps(_listing(categories=None)), "not a COCO-style"),
        (json.dumps({"images": []}), "categories"),
        (json.dumps(_listing(images=[])), "empty split"),
    ],
)
def test_bad_listings_are_refused_in_one_line(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "val2019.json").write_text(content)
    with pytest.raises(InputError, match=message) as caught:
        inat.open(tmp_path, "val")
    assert "\n" not in str(caught.value)


def test_none_or_two_years_in_one_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no trainYEAR\.json"):
        inat.open(tmp_path, "train")
    for year in (2018, 2019):
        (tmp_path / f"train{year}.json").write_text("{}")
    with pytest.raises(InputError, match=r"train2018.json, train2019.json"):
        inat.open(tmp_path, "train")
    with pytest.raises(InputError, match="unknown split"):
        inat.open(tmp_path, "test")


@pytest.mark.parametrize("name", ["inat18", "inat19"])
def test_of_two_years_in_one_root_the_wanted_one_is_opened(name: str, tmp_path: Path) -> None:
    for twin in ("inat18", "inat19"):
        get_twin(twin).write(tmp_path)
    images = open_dataset(str(tmp_path), "val", "inat", name)
    assert images.name == f"{name}/val" and images.names[0].startswith(f"train_val20{name[-2:]}/")
    (tmp_path / f"val20{name[-2:]}.json").unlink()
    with pytest.raises(InputError, match=f"must hold val20{name[-2:]}.json but holds val20"):
        open_dataset(str(tmp_path), "val", "inat", name)


def test_a_folder_one_level_below_is_found(tmp_path: Path) -> None:
    get_twin("inat19").write(tmp_path / "inat2019")
    assert len(open_dataset(str(tmp_path), "val", "inat", "inat19")) > 0
