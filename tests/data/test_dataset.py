"""ImageSets are immutable, subset right, and say nothing of torch."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dinobench.data.dataset import ImageSet, from_arrays, from_files
from dinobench.runtime.errors import InputError


@pytest.fixture
def drawn() -> ImageSet:
    pixels = np.random.default_rng(0).integers(0, 256, (6, 4, 4, 3), dtype=np.uint8)
    return from_arrays("drawn", pixels, [0, 1, 2, 0, 1, 2], ("a", "b", "c"), [f"image{i}" for i in range(6)])


def test_arrays_and_read_agree(drawn: ImageSet) -> None:
    arrays = drawn.arrays()
    assert arrays is not None
    assert all(np.array_equal(np.asarray(drawn.read(i)), arrays[i]) for i in range(len(drawn)))


def test_a_subset_keeps_identity_order_and_classes(drawn: ImageSet) -> None:
    part = drawn.subset([4, 1, 2]).subset([2, 0])
    whole = drawn.arrays()
    chosen = part.arrays()
    assert whole is not None
    assert chosen is not None
    assert part.names == ("image2", "image4")
    assert part.labels.tolist() == [2, 1]
    assert part.classes == drawn.classes
    assert np.array_equal(chosen, whole[[2, 4]])
    assert np.array_equal(np.asarray(part.read(1)), whole[4])


def test_nothing_can_be_changed(drawn: ImageSet) -> None:
    with pytest.raises(AttributeError):
        drawn.name = "other"  # type: ignore[misc]
    with pytest.raises(ValueError, match="read-only"):
        drawn.labels[0] = 2
    arrays = drawn.arrays()
    assert arrays is not None
    with pytest.raises(ValueError, match="read-only"):
        arrays[0] = 0


def test_labels_outside_the_classes_are_refused(drawn: ImageSet) -> None:
    for label in (3, -2):
        with pytest.raises(InputError, match="outside its 3 classes"):
            from_files("x", Path(), ["a"], [label], drawn.classes)


def test_unlabeled_images_say_so(drawn: ImageSet) -> None:
    assert drawn.labeled
    assert not from_files("x", Path(), ["a"], [-1], ()).labeled


def test_files_are_read_from_a_worker(tmp_path: Path) -> None:
    Image.new("RGB", (5, 3), (1, 2, 3)).save(tmp_path / "a.png")
    images = pickle.loads(pickle.dumps(from_files("x", tmp_path, ["a.png"], [0], ("only",))))
    assert images.read(0).getpixel((0, 0)) == (1, 2, 3)
    assert images.arrays() is None
    assert images.byte_sizes().tolist() == [(tmp_path / "a.png").stat().st_size]


def test_a_file_that_vanished_is_named(tmp_path: Path) -> None:
    images = from_files("x", tmp_path, ["gone.png"], [0], ("only",))
    with pytest.raises(InputError, match=r"gone\.png"):
        images.byte_sizes()


def test_opening_data_does_not_import_torch() -> None:
    code = "import sys, dinobench.data.open; sys.exit('torch' in sys.modules or 'sklearn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
