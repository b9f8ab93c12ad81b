"""`hf:` data through a local folder that `datasets` wrote: no network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dinobench.data.huggingface import open_hub, split_spec
from dinobench.data.manifest import manifest_of
from dinobench.data.open import open_dataset
from dinobench.runtime.errors import InputError

datasets = pytest.importorskip("datasets")


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, np.ndarray]:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 6, 7, 3), dtype=np.uint8)
    columns = {"coarse": [0] * 5, "picture": [Image.fromarray(image) for image in pixels], "label": [0, 1, 2, 1, 0]}
    features = datasets.Features(
        {
            "coarse": datasets.Value("int64"),
            "picture": datasets.Image(),
            "label": datasets.ClassLabel(names=["ant", "bee", "cow"]),
        }
    )
    table = datasets.Dataset.from_dict(columns, features=features)
    folder = tmp_path_factory.mktemp("hub") / "tiny"
    datasets.DatasetDict({"train": table, "validation": table.select([3, 1])}).save_to_disk(folder)
    return folder, pixels


def test_images_labels_and_classes_come_through(stored: tuple[Path, np.ndarray]) -> None:
    folder, pixels = stored
    images = open_dataset(f"hf:{folder}", "train")
    assert images.classes == ("ant", "bee", "cow")
    assert images.labels.tolist() == [0, 1, 2, 1, 0]
    assert all(np.array_equal(np.asarray(images.read(index)), pixels[index]) for index in range(5))


def test_our_split_names_find_theirs(stored: tuple[Path, np.ndarray]) -> None:
    folder, pixels = stored
    val = open_hub(str(folder), "val")
    assert np.array_equal(np.asarray(val.read(0)), pixels[3])
    named = open_hub(f"{folder}/validation", "train")
    assert manifest_of(named).sha256 == manifest_of(val).sha256


def test_sizes_are_those_of_the_encoded_images(stored: tuple[Path, np.ndarray]) -> None:
    images = open_hub(str(stored[0]), "train")
    sizes = images.byte_sizes()
    assert sizes.dtype == np.int64
    assert (sizes > 50).all()
    assert images.subset([2, 0]).byte_sizes().tolist() == sizes[[2, 0]].tolist()


def test_what_cannot_be_opened_is_one_line(stored: tuple[Path, np.ndarray], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no split 'holdout'; it has train, validation"):
        open_hub(f"{stored[0]}/holdout", "train")
    datasets.Dataset.from_dict({"text": ["a"]}).save_to_disk(tmp_path / "words")
    with pytest.raises(InputError, match="no image column"):
        open_hub(str(tmp_path / "words"), "train")


@pytest.mark.parametrize(
    ("spec", "parsed"),
    [
        ("mnist", ("mnist", "val")),
        ("mnist/test", ("mnist", "test")),
        ("user/flowers", ("user/flowers", "val")),
        ("user/flowers/train", ("user/flowers", "train")),
        ("user/flowers/part-3", ("user/flowers", "part-3")),
    ],
)
def test_the_last_part_may_be_a_split(spec: str, parsed: tuple[str, str]) -> None:
    assert split_spec(spec, "val") == parsed


@pytest.mark.parametrize("kind", ["words", "numbers"])
def test_labels_of_other_splits_are_numbered_by_training(kind: str, tmp_path: Path) -> None:
    image = Image.new("RGB", (3, 3))
    names = {"words": ["cat", "dog", "emu"], "numbers": [2, 5, 10]}[kind]

    def table(labels: list) -> object:
        features = {"image": datasets.Image(), "label": datasets.Value("string" if kind == "words" else "int64")}
        columns = {"image": [image] * len(labels), "label": labels}
        return datasets.Dataset.from_dict(columns, features=datasets.Features(features))

    splits = {
        "train": table(names),
        "validation": table(names[2:]),
        "test": table([names[0], 99 if kind == "numbers" else "fox"]),
    }
    datasets.DatasetDict(splits).save_to_disk(tmp_path / "set")
    train, val = (open_dataset(f"hf:{tmp_path / 'set'}", split) for split in ("train", "val"))
    assert train.classes == val.classes == tuple(map(str, names))
    assert val.labels.tolist() == [2] and val.notes == ("validation has images of 1 of the 3 classes",)
    with pytest.raises(InputError, match=r"only in val/: (99|fox)"):
        open_dataset(f"hf:{tmp_path / 'set'}", "test")
