"""Whose images a figure is of: other images of the same names and sizes, and images that can be read now."""

from __future__ import annotations

import io
import json
import os
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dinobench.data import decode
from dinobench.data.layouts import tarshards
from dinobench.evaluators.linear.head_file import save_head
from dinobench.evaluators.linear.heads import LinearHead
from dinobench.pipeline.run import evaluate
from dinobench.pipeline.weights import file_digest
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


def _under_its_old_time(path: Path, data: bytes) -> None:
    """Replace what a file holds and set its time back, as copying tools do."""
    facts = path.stat()
    path.write_bytes(data)
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))


def test_labels_in_a_shard_that_was_replaced_under_its_old_time_are_read_again(tmp_path: Path) -> None:
    for split in ("train", "val"):
        (tmp_path / split).mkdir()
    for name, labels in (("train/0.tar", "01"), ("val/0.tar", "01"), ("swapped.tar", "10")):
        with tarfile.open(tmp_path / name, "w") as archive:
            for number, label in enumerate(labels):
                picture = io.BytesIO()
                Image.fromarray(np.full((8, 8, 3), 40 + 160 * number, np.uint8)).save(picture, "BMP")
                for ending, content in (("bmp", picture.getvalue()), ("cls", label.encode())):
                    member = tarfile.TarInfo(f"{name[:3]}{number}.{ending}")
                    member.size = len(content)
                    archive.addfile(member, io.BytesIO(content))
    assert tarshards.open(tmp_path, "val").labels.tolist() == [0, 1]
    _under_its_old_time(tmp_path / "val/0.tar", (tmp_path / "swapped.tar").read_bytes())
    assert tarshards.open(tmp_path, "val").labels.tolist() == [1, 0]


def test_weights_that_were_replaced_under_their_old_time_are_not_the_earlier_file(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(b"one")
    os.utime(path, (0, 0))
    first = file_digest(path)
    _under_its_old_time(path, b"two")
    assert file_digest(path) != first


def test_the_list_of_training_images_is_part_of_what_was_scored(tmp_path: Path) -> None:
    data, listing, digests = _bitmaps(tmp_path / "data", False), tmp_path / "list.txt", []
    for names in ("dark/0.bmp\nlight/0.bmp\n", "dark/1.bmp\nlight/1.bmp\n"):
        listing.write_text(names)
        (record,) = evaluate(
            "knn", "pixels", str(data), output=tmp_path, settings={"ks": [1], "main_k": 1, "subset": str(listing)}
        )
        digests.append(record.data_digest)
    assert digests[0] != digests[1]


def test_a_head_is_part_of_what_was_scored(tmp_path: Path) -> None:
    data, head, keys = _bitmaps(tmp_path / "data", False), tmp_path / "head.safetensors", []
    for sign in (1.0, -1.0):
        save_head(head, LinearHead(sign * torch.ones(2, 8 * 8 * 3), torch.zeros(2)), "cls")
        settings = {"head": str(head), "image_size": 8}
        (record,) = evaluate("linear", "pixels", str(data), output=tmp_path, settings=settings)
        keys.append(record.run_key)
    assert keys[0] != keys[1]
