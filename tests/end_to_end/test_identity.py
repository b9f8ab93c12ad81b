"""Whose images a figure is of: other images of the same names and sizes, and images that can be read now."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dinobench.data import decode
from tests.end_to_end.test_eval import run


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DINOBENCH_CACHE", str(tmp_path / "cache"))


def _bitmaps(root: Path, mixed: bool) -> Path:
    """Two classes of plain gray, dark and light; in a mixed set half of the validation images are of the other gray."""
    for split in ("train", "val"):
        for label, gray in (("dark", 40), ("light", 200)):
            (root / split / label).mkdir(parents=True)
            for number in range(4):
                other = mixed and split == "val" and number % 2
                level = (240 - gray if other else gray) + number
                Image.fromarray(np.full((8, 8, 3), level, np.uint8)).save(root / split / label / f"{number}.bmp")
    return root


def _top1(root: Path, records: Path) -> tuple[float, str]:
    arguments = ["--set", "ks=[1]", "--set", "main_k=1", "--output", records]
    done = run("eval", "--task", "knn", "--model", "pixels", "--data", root, *arguments)
    assert done.exit_code == 0, done.output
    newest = max(records.glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
    record = json.loads(newest.read_text())
    return record["metrics"]["top1"], record["data"]["splits"]["val"]["sha256"]


def test_other_images_of_the_same_names_and_sizes_get_their_own_figure(tmp_path: Path) -> None:
    one, other = _bitmaps(tmp_path / "one" / "data", False), _bitmaps(tmp_path / "other" / "data", True)
    figure, digest = _top1(one, tmp_path / "records")
    figure_of_other, digest_of_other = _top1(other, tmp_path / "records")
    assert (figure, figure_of_other) == (100.0, 50.0)
    assert digest != digest_of_other
    shutil.rmtree(one)
    other.rename(one)
    assert _top1(one, tmp_path / "records") == (50.0, digest_of_other)


def test_an_image_that_can_be_read_now_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = _bitmaps(tmp_path / "data", False)
    arguments = ["--task", "knn", "--model", "pixels", "--data", data, "--set", "ks=[1]", "--set", "main_k=1"]
    whole = (data / "train/dark/0.bmp").read_bytes()
    (data / "train/dark/0.bmp").write_bytes(whole[:-9].ljust(len(whole), b"\0")[:-1])
    refused = run("eval", *arguments, "--output", tmp_path / "records")
    assert refused.exit_code == 2 and "train/dark/0.bmp: image file is truncated" in refused.output
    (data / "train/dark/0.bmp").write_bytes(whole)
    assert run("eval", *arguments, "--output", tmp_path / "records").exit_code == 0

    # The same file, under a limit that is raised afterwards.
    monkeypatch.setenv("DINOBENCH_CACHE", str(tmp_path / "second cache"))
    with monkeypatch.context() as limited:
        limited.setattr(decode.Image, "MAX_IMAGE_PIXELS", 8)
        refused = run("eval", *arguments, "--output", tmp_path / "records")
        assert refused.exit_code == 2 and "megapixels" in refused.output
    assert run("eval", *arguments, "--output", tmp_path / "records").exit_code == 0
