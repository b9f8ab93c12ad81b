"""`--data list.csv` and COCO's json: read, or refused in one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from dinobench.cli.main import main
from dinobench.data.open import open_dataset
from dinobench.runtime.errors import InputError
from tests.data.layouts.test_people_folders import folder

KINDS = ("cat", "dog")
NAMES = tuple(f"images/{kind}{number}.png" for kind in KINDS for number in range(5))


def write(path: Path, rows: list[tuple[str, ...]], header: tuple[str, ...] = ("path", "label"), mark: str = ",") -> str:
    path.write_bytes(("\ufeff" + "\r\n".join(mark.join(row) for row in [header, *rows])).encode())
    return str(path)


def labeled(names: tuple[str, ...] = NAMES) -> list[tuple[str, ...]]:
    return [(name, Path(name).name[:3]) for name in names]


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_a_list_without_splits_is_divided_and_said(mark: str, tmp_path: Path) -> None:
    folder(tmp_path, *NAMES)
    spec = write(tmp_path / "list.csv", labeled(), mark=mark)
    train, val = (open_dataset(spec, split) for split in ("train", "val"))
    assert train.classes == val.classes == KINDS
    assert sorted([*train.names, *val.names]) == sorted(NAMES) and val.labels.tolist() == [0, 1]
    assert "2 of 10 images are drawn for val" in val.notes[0]
    checked = CliRunner().invoke(main, ["data", "check", spec])
    assert checked.exit_code == 0 and "val images" in checked.output


def test_a_column_tells_the_splits(tmp_path: Path) -> None:
    folder(tmp_path, *NAMES)
    rows = [(*row, "valid" if number % 5 == 4 else "training") for number, row in enumerate(labeled())]
    spec = write(tmp_path / "list.csv", rows, ("image", "class", "split"))
    val = open_dataset(spec, "val")
    assert val.names == (NAMES[4], NAMES[9]) and val.notes == ()
    with pytest.raises(InputError, match="no images for split test; it has train, val"):
        open_dataset(spec, "test")


@pytest.mark.parametrize("given", ["my_train.csv", "my_val.csv"])
def test_the_list_of_the_other_split_lies_beside(given: str, tmp_path: Path) -> None:
    folder(tmp_path, *NAMES)
    write(tmp_path / "my_train.csv", labeled(NAMES[:4] + NAMES[5:9]))
    write(tmp_path / "my_val.csv", labeled((NAMES[4],)))
    val = open_dataset(str(tmp_path / given), "val")
    assert val.names == (NAMES[4],) and val.classes == KINDS
    assert "val has images of 1 of the 2 classes" in val.notes
    write(tmp_path / "my_val.csv", [(NAMES[4], "emu")])
    with pytest.raises(InputError, match="only in val/: emu"):
        open_dataset(str(tmp_path / given), "train")


@pytest.mark.parametrize(
    ("rows", "header", "message"),
    [
        ([], ("path", "label"), "lists no image"),
        ([(NAMES[0], "cat")], ("picture", "label"), "none of files"),
        ([(NAMES[0], "cat")], ("path", "text"), "none of labels"),
        ([(NAMES[0], "")], ("path", "label"), "row without label"),
        ([(NAMES[0], "cat"), (NAMES[0], "dog")], ("path", "label"), "two labels, cat and dog"),
        ([("images/gone.png", "cat"), (NAMES[0], "cat")], ("path", "label"), "missing: images/gone.png"),
        ([("../secret.png", "cat")], ("path", "label"), "names another folder"),
        ([("/etc/secret.png", "cat")], ("path", "label"), "absolute"),
    ],
)
def test_bad_lists_are_refused_in_one_line(rows: list, header: tuple[str, ...], message: str, tmp_path: Path) -> None:
    folder(tmp_path, *NAMES)
    with pytest.raises(InputError, match=message) as caught:
        open_dataset(write(tmp_path / "list.csv", rows, header), "train")
    assert "\n" not in str(caught.value)


def coco(path: Path, kinds: list[list[int]]) -> str:
    images = [{"id": 10 + number, "file_name": Path(name).name} for number, name in enumerate(NAMES)]
    annotations = [{"image_id": 10 + n, "category_id": kind} for n, own in enumerate(kinds) for kind in own]
    path.parent.mkdir(parents=True, exist_ok=True)
    categories = [{"id": 7, "name": "dog"}, {"id": 3, "name": "cat"}]
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    return str(path)


def test_coco_json_with_one_category_an_image(tmp_path: Path) -> None:
    folder(tmp_path, *NAMES)
    spec = coco(tmp_path / "annotations" / "all.json", [[3, 3]] * 5 + [[7]] * 5)
    val = open_dataset(spec, "val")
    assert val.classes == KINDS and val.labels.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("kinds", "message"), [([[3, 7]] * 10, "several categories"), ([[3]] * 9, "no annotation for 1")]
)
def test_coco_json_without_one_label_an_image_is_refused(kinds: list[list[int]], message: str, tmp_path: Path) -> None:
    folder(tmp_path, *NAMES)
    with pytest.raises(InputError, match=message):
        open_dataset(coco(tmp_path / "all.json", kinds), "val")
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(InputError, match="not a json in COCO's form"):
        open_dataset(str(tmp_path / "other.json"), "val")


def test_labels_of_thousands_of_digits_are_names(tmp_path: Path) -> None:
    folder(tmp_path, *NAMES)
    spec = write(tmp_path / "list.csv", [(name, "9" * 5000 if "dog" in name else "7") for name in NAMES])
    assert open_dataset(spec, "train").classes == ("7", "9" * 5000)


@pytest.mark.parametrize("name", ["x" * 300, "a/" * 2000 + "b.png", "../../x.png"])
def test_paths_that_no_system_takes_are_one_line(name: str, tmp_path: Path) -> None:
    folder(tmp_path, *NAMES)
    with pytest.raises(InputError, match="not taken as a path"):
        open_dataset(write(tmp_path / "list.csv", [(name, "cat"), *labeled()]), "train")


def test_a_list_written_on_windows_has_its_paths_read(tmp_path: Path) -> None:
    folder(tmp_path, *NAMES)
    spec = write(tmp_path / "list.csv", [(name.replace("/", "\\"), kind) for name, kind in labeled()])
    assert sorted(open_dataset(spec, "train").names + open_dataset(spec, "val").names) == sorted(NAMES)


def test_a_number_that_is_a_list_is_one_line(tmp_path: Path) -> None:
    folder(tmp_path, *NAMES)
    content = {"images": [{"id": [1], "file_name": NAMES[0]}], "categories": [], "annotations": []}
    (tmp_path / "x.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match="COCO's form"):
        open_dataset(str(tmp_path / "x.json"), "train")
