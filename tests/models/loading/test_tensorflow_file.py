"""TensorFlow's checkpoints: known by their index, read by TensorFlow's reader, and not believed."""

from __future__ import annotations

import os
import sys
import zipfile
from pathlib import Path

import pytest

from dinobench.models.loading import tensorflow_file
from dinobench.models.loading.container import open_container
from dinobench.runtime.errors import InputError

NAMES = {"base_model/conv2d/kernel": [3, 3, 3, 4], "base_model/conv2d/kernel/Momentum": [3, 3, 3, 4]}


STAND_IN = """
from types import SimpleNamespace
import numpy as np
SHAPES = {shapes}
class Reader:
    def get_variable_to_shape_map(self): return SHAPES
    def get_variable_to_dtype_map(self): return {{name: SimpleNamespace(name="float32") for name in SHAPES}}
    def get_tensor(self, name): return np.full(SHAPES[name], 0.5, np.float32)
train = SimpleNamespace(load_checkpoint=lambda prefix: Reader())
"""


def write_checkpoint(folder: Path, size: int = 1000) -> Path:
    (folder / "model.ckpt-9.data-00000-of-00001").write_bytes(bytes(size))
    path = folder / "model.ckpt-9.index"
    path.write_bytes(bytes(40) + tensorflow_file.MAGIC)
    return path


def give_reader(monkeypatch: pytest.MonkeyPatch, folder: Path, shapes: dict[str, list[int]]) -> None:
    """A `tensorflow` for other processes, whose reader has tensors of these shapes."""
    (folder / "modules").mkdir()
    (folder / "modules" / "tensorflow.py").write_text(STAND_IN.format(shapes=shapes))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder / "modules"), *sys.path]))


def test_an_index_and_a_zip_of_it_open_without_the_slots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    give_reader(monkeypatch, tmp_path, NAMES)
    path = write_checkpoint(tmp_path)
    with zipfile.ZipFile(tmp_path / "ResNet50_1x.zip", "w") as archive:
        for file in tmp_path.glob("model.ckpt-9.*"):
            archive.write(file, f"ResNet50_1x/{file.name}")
    for each in (path, tmp_path / "ResNet50_1x.zip"):
        contents = open_container(each)
        assert list(contents.content) == ["base_model/conv2d/kernel"]
        assert float(contents.content["base_model/conv2d/kernel"].mean()) == 0.5
        assert contents.ignored == ("base_model/conv2d/kernel/Momentum",)


def test_an_index_that_names_more_than_its_data_hold_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_reader(monkeypatch, tmp_path, {"base_model/conv2d/kernel": [10**6, 10**6]})
    with pytest.raises(InputError, match=r"names 4000000\.0 MB of numbers and its data files hold 0\.0 MB"):
        open_container(write_checkpoint(tmp_path))


def test_what_is_missing_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_checkpoint(tmp_path)
    (tmp_path / "tensorflow.py").write_text("raise ImportError")  # as where it is not installed
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *sys.path]))
    with pytest.raises(InputError, match=r"pip install 'dinobench\[tensorflow\]'"):
        open_container(path)
    (tmp_path / "model.ckpt-9.data-00000-of-00001").unlink()
    with pytest.raises(InputError, match=r"keep its name, and its \.data- files beside it"):
        open_container(path)
