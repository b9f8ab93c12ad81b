"""Class folders as people have them: whatever lies beside, below and between the images."""

from __future__ import annotations

import os
import tarfile
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dinobench.data.check import check_layout
from dinobench.data.decode import IMAGE_SUFFIXES
from dinobench.data.layouts import imagefolder
from dinobench.data.open import layout_of, open_dataset, open_training
from dinobench.runtime.errors import InputError


def folder(root: Path, *names: str) -> Path:
    for number, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4), (number % 256, 0, 0)).save(root / name, "PNG")
    return root


def two_classes(root: Path, train: str = "train", val: str = "val") -> Path:
    return folder(root, *(f"{split}/{kind}/{n}.png" for split in (train, val) for kind in "ab" for n in range(3)))


def test_every_ending_that_pillow_opens_is_an_image() -> None:
    Image.init()
    no_pictures = {".bufr", ".eps", ".fit", ".fits", ".flc", ".fli", ".grib", ".h5", ".hdf", ".iim", ".mpeg", ".mpg"}
    no_pictures |= {".ps", ".wmf", ".emf"}
    opened = {ending for ending, kind in Image.registered_extensions().items() if kind in Image.OPEN}
    assert opened - no_pictures <= IMAGE_SUFFIXES


@pytest.mark.parametrize("ending", ["jfif", "jpe", "GIF", "BMP", "TIFF", "webp", "Jpg"])
def test_images_count_under_any_ending(ending: str, tmp_path: Path) -> None:
    root = two_classes(tmp_path)
    Image.new("RGB", (4, 4)).save(root / "train" / "a" / f"odd.{ending}", "PNG")
    assert f"train/a/odd.{ending}" in imagefolder.open(root, "train").names


def test_hidden_and_system_files_are_no_classes_and_no_images(tmp_path: Path) -> None:
    root = two_classes(tmp_path)
    clean = imagefolder.open(root, "train")
    folder(root, "train/.ipynb_checkpoints/0.png", "train/__MACOSX/0.png", "train/a/._0.png", "train/@eaDir/0.png")
    for name in ("train/a/Thumbs.db", "train/.DS_Store", "train/b/desktop.ini"):
        (root / name).write_bytes(b"x")
    again = imagefolder.open(root, "train")
    assert again.names == clean.names and again.classes == ("a", "b") and again.notes == ()


def test_what_is_left_out_is_counted_by_ending_in_one_line(tmp_path: Path) -> None:
    root = two_classes(tmp_path)
    for name in ("a/0.heic", "a/1.HEIC", "b/notes.txt", "b/0001"):
        (root / "train" / name).write_bytes(b"x")
    notes = imagefolder.open(root, "train").notes
    assert "files that are no images are left out: 2 .heic, 1 .txt" in notes
    assert any("files without an ending are left out (1): train/b/0001" in note for note in notes)


def test_a_class_of_files_without_ending_says_what_to_do(tmp_path: Path) -> None:
    root = two_classes(tmp_path)
    (root / "train" / "c").mkdir()
    (root / "train" / "c" / "0001").write_bytes(b"x")
    with pytest.raises(InputError, match=r"train/c holds no images; it holds 0001: files without an ending; add \.jpg"):
        imagefolder.open(root, "train")


@pytest.mark.parametrize("target", [".", "..", "../..", "../b"])
def test_links_into_the_split_or_above_are_not_followed(target: str, tmp_path: Path) -> None:
    root = two_classes(tmp_path)
    (root / "train" / "a" / "latest").symlink_to(target)
    (root / "train" / "b" / "again").symlink_to(target)
    images = imagefolder.open(root, "train")
    assert len(images) == 6
    assert any("links to what is read already are left out (2): train/a/latest" in note for note in images.notes)


def test_links_to_images_elsewhere_are_followed_once(tmp_path: Path) -> None:
    root, store = two_classes(tmp_path / "data"), folder(tmp_path / "store", "0.png", "1.png")
    (root / "train" / "a" / "more").symlink_to(store)
    (root / "train" / "b" / "x.png").symlink_to(store / "0.png")  # reached in class a already
    (root / "train" / "b" / "y.png").symlink_to(root / "train" / "a" / "0.png")
    (root / "train" / "b" / "z.png").symlink_to(root / "nowhere.png")
    images = imagefolder.open(root, "train")
    assert len(images) == 8 and not {"train/b/x.png", "train/b/y.png", "train/b/z.png"} & set(images.names)
    assert any("links that lead nowhere" in note and "train/b/z.png" in note for note in images.notes)


def test_a_link_to_a_hidden_store_is_followed(tmp_path: Path) -> None:
    root = two_classes(tmp_path)
    folder(root, "train/.store/0.png")
    (root / "train" / "c").symlink_to(".store")
    folder(root, "val/c/0.png")
    assert imagefolder.open(root, "train").names[-1] == "train/c/0.png"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_called_like_an_image_is_left_out(tmp_path: Path) -> None:
    root = two_classes(tmp_path)
    os.mkfifo(root / "train" / "a" / "x.jpg")
    images = imagefolder.open(root, "train")
    assert len(images) == 6 and any("pipes" in note for note in images.notes)


def test_one_name_in_two_unicode_forms_is_one_class(tmp_path: Path) -> None:
    composed, parted = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))
    root = folder(tmp_path, f"train/{composed}/0.png", "train/b/0.png", f"val/{parted}/0.png", "val/b/0.png")
    train, val = (imagefolder.open(root, split) for split in ("train", "val"))
    assert train.classes == val.classes == ("b", composed)
    assert val.labels.tolist() == [0, 1]
    folder(root, f"train/{parted}/1.png")
    both = imagefolder.open(root, "train")
    assert both.labels.tolist() in ([0, 1, 1], [1, 1, 0]) and any("accents" in note for note in both.notes)


def test_fewer_classes_in_val_are_said_and_more_refused(tmp_path: Path) -> None:
    root = folder(tmp_path, "train/a/0.png", "train/b/0.png", "train/c/0.png", "val/c/0.png")
    val = imagefolder.open(root, "val")
    assert val.classes == ("a", "b", "c") and val.labels.tolist() == [2]
    assert "val has images of 1 of the 3 classes" in val.notes
    folder(root, "val/d/0.png")
    for split in ("train", "val"):
        with pytest.raises(InputError, match=r"only in train/: a, b; only in val/: d"):
            imagefolder.open(root, split)
    assert len(check_layout("imagefolder", root).problems) == 1


@pytest.mark.parametrize(
    ("train", "val"), [("Train", "Val"), ("training", "validation"), ("train", "valid"), ("train", "test")]
)
def test_splits_are_found_by_other_names_and_said(train: str, val: str, tmp_path: Path) -> None:
    root = two_classes(tmp_path, train, val)
    images = imagefolder.open(root, "val")
    assert images.names[0] == f"{val}/a/0.png"
    assert f"val is the folder {val}/" in images.notes


def test_any_folder_can_be_named_as_a_split(tmp_path: Path) -> None:
    root = two_classes(tmp_path, "train", "fold3")
    assert len(imagefolder.open(root, "fold3")) == 6
    with pytest.raises(InputError, match=r"no class folders in val/; it holds fold3/, train/"):
        imagefolder.open(root, "val")


@pytest.mark.parametrize("depth", ["data", "a/data", "ILSVRC/Data/CLS-LOC"])
def test_a_root_above_the_splits_is_found(depth: str, tmp_path: Path) -> None:
    two_classes(tmp_path / depth)
    images = imagefolder.open(tmp_path, "val")
    assert len(images) == 6 and f"the splits lie in {depth}/" in images.notes
    assert len(open_training(str(tmp_path))) == 6


def test_several_data_sets_below_a_root_are_named(tmp_path: Path) -> None:
    two_classes(tmp_path / "one")
    two_classes(tmp_path / "two")
    with pytest.raises(InputError, match="several data sets: one, two; give the folder of one"):
        imagefolder.open(tmp_path, "train")


def test_the_training_part_alone_names_the_folder_above(tmp_path: Path) -> None:
    root = two_classes(tmp_path)
    with pytest.raises(InputError, match=f"training part of a data set; give {root}"):
        imagefolder.open(root / "train", "val")
    assert len(open_training(str(root / "train"))) == 6


@pytest.mark.parametrize("place", ["ILSVRC2012_img_val.tar", "train/n01440764.tar", "val/images.tar"])
def test_class_folders_win_over_archives_beside_them(place: str, tmp_path: Path) -> None:
    root = two_classes(tmp_path)
    tarfile.open(root / place, "w").close()
    assert layout_of(str(root)) == "imagefolder"
    notes = check_layout("imagefolder", root).notes
    assert any("are not read" in note and Path(place).name in note for note in notes)


def test_class_archives_that_were_not_unpacked_are_said(tmp_path: Path) -> None:
    picture = folder(tmp_path, "x.png") / "x.png"
    (tmp_path / "data" / "train").mkdir(parents=True)
    for name in ("n01440764", "n01443537"):
        with tarfile.open(tmp_path / "data" / "train" / f"{name}.tar", "w") as archive:
            archive.add(picture, f"{name}_1.JPEG")
    with pytest.raises(InputError, match="archives that are called like ImageNet's classes"):
        open_dataset(str(tmp_path / "data"), "train")


def test_letters_that_hold_class_folders_are_no_classes(tmp_path: Path) -> None:
    root = folder(tmp_path, *(f"{s}/{c[0]}/{c}/0.png" for s in ("train", "val") for c in ("abbey", "airport", "bar")))
    with pytest.raises(InputError, match=r"letters that hold folders \(a/abbey\): classes lie one level deeper"):
        imagefolder.open(root, "train")


def test_shelves_of_class_folders_are_said(tmp_path: Path) -> None:
    kinds = ("animals/cat", "animals/dog", "cars/bus", "cars/van")
    root = folder(tmp_path, *(f"{split}/{kind}/0.png" for split in ("train", "val") for kind in kinds))
    assert any("2 classes are the folders of train/" in note for note in imagefolder.open(root, "train").notes)
    plain = folder(tmp_path / "plain", *(f"train/{kind}/images/{n}.png" for kind in "ab" for n in range(2)))
    assert imagefolder.open(plain, "train").notes == ()


def test_training_takes_every_image_of_the_folder(tmp_path: Path) -> None:
    root = folder(tmp_path, *(f"train/{n}.png" for n in range(4)), "train/extra/0.png")
    images = open_training(str(root))
    assert len(images) == 5 and not images.labeled
    assert images.notes[0] == f"training on all 5 images below {root}/train, in any folder"
    assert (
        "4 images lie in train/ itself, in no class folder: they are left out" in imagefolder.open(root, "train").notes
    )


def test_training_on_clean_class_folders_stays_labeled(tmp_path: Path) -> None:
    root = two_classes(tmp_path)
    ours, asked = open_training(str(root)), open_dataset(str(root), "train")
    assert ours.names == asked.names and ours.labels.tolist() == asked.labels.tolist()


def test_class_folders_without_splits_are_divided_and_said(tmp_path: Path) -> None:
    root = folder(tmp_path, *(f"{kind}/{n:02d}.png" for kind in ("cat", "dog", "emu") for n in range(10)))
    train, val = (imagefolder.open(root, split) for split in ("train", "val"))
    assert np.bincount(val.labels).tolist() == [2, 2, 2] and len(train) == 24
    assert not set(train.names) & set(val.names)
    assert val.names == imagefolder.open(root, "val").names
    assert any("has no train/ and val/: 6 of 30 images" in note for note in val.notes)
    assert len(open_training(str(root))) == 30


def test_a_flat_val_leaves_training_usable_and_says_what_to_do(tmp_path: Path) -> None:
    names = [f"val/ILSVRC2012_val_{n:08d}.JPEG" for n in (1, 2)]
    root = folder(tmp_path, "train/n01440764/0.png", "train/n01443537/0.png", *names)
    assert len(imagefolder.open(root, "train")) == 2
    with pytest.raises(InputError) as caught:
        imagefolder.open(root, "val")
    assert "no class folders in val/ but 2 images" in str(caught.value)
    assert f"move each into {root}/val/<class>/, or put LOC_val_solution.csv" in str(caught.value)
