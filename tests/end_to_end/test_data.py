"""`dinobench data` as a user calls it."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from dinobench.cli.main import main
from tests.conftest import shared_data


def _run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["data", *arguments])


def _folder(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4)).save(root / name)
    return root


def test_list_shows_every_dataset_and_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "davis").mkdir()
    monkeypatch.setenv("DINOBENCH_DATA", str(tmp_path))
    lines = _run("list").output.splitlines()
    assert any(line.startswith("mini") and "embedded" in line for line in lines)
    assert any(line.startswith("davis ") and f"{tmp_path / 'davis'} (found)" in line for line in lines)
    assert any(line.startswith("imagenet ") and "(absent)" in line and "[twin]" in line for line in lines)


def test_check_counts_and_decodes_real_photographs() -> None:
    result = _run("check", "imagenette", "--data", str(shared_data("imagenette")), "--decode")
    assert result.exit_code == 0, result.output
    assert "train/<class>/*.jpg" in result.output
    assert "val images               400" in result.output
    assert "images decoded           1400" in result.output


def test_check_names_a_file_that_does_not_decode(tmp_path: Path) -> None:
    _folder(tmp_path, "train/a/0.png", "val/a/0.png")
    broken = tmp_path / "val/a/truncated.jpg"
    broken.write_bytes(shared_data("broken", "truncated.jpg").read_bytes())
    assert _run("check", "mine", "--data", str(tmp_path)).exit_code == 0
    result = _run("check", "mine", "--data", str(tmp_path), "--decode")
    assert result.exit_code == 2
    assert result.output.splitlines()[-1].startswith("Error: cannot decode image")
    assert str(broken) in result.output


def test_images_inside_shards_are_decoded_too(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    for split in ("train", "val"):
        with tarfile.open(tmp_path / f"{split}.tar", "w") as archive:
            for name, data in (("0.jpg", b"no image"), ("0.cls", b"0")):
                info = tarfile.TarInfo(name)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
    assert _run("check", str(tmp_path)).exit_code == 0
    result = _run("check", str(tmp_path), "--decode")
    assert result.exit_code == 2
    assert "images decoded           0 of 2" in result.output
    assert "train.tar:0.jpg" in result.output


def test_check_says_what_is_missing(tmp_path: Path) -> None:
    _folder(tmp_path, "train/cat/0.png", "val/dog/0.png")
    result = _run("check", str(tmp_path))
    assert result.exit_code == 2
    assert "only in train/: cat" in result.output
    assert "Traceback" not in result.output
    assert _run("check", "no-such-thing").exit_code == 2


def test_embedded_data_check_out() -> None:
    result = _run("check", "digits")
    assert result.exit_code == 0
    assert "1437 in 10 classes" in result.output


def test_make_writes_a_twin_that_checks(tmp_path: Path) -> None:
    made = _run("make", "voc12", "--output", str(tmp_path / "voc"))
    assert made.exit_code == 0, made.output
    assert _run("check", "voc12", "--data", str(tmp_path / "voc"), "--decode").exit_code == 0
    again = _run("make", "voc12", "--output", str(tmp_path / "voc"))
    assert again.exit_code == 2
    assert "not empty" in again.output


def test_make_suggests_a_known_name_and_leaves_nothing(tmp_path: Path) -> None:
    result = _run("make", "davs", "--output", str(tmp_path / "x"))
    assert result.exit_code == 2
    assert "davis" in result.output.splitlines()[-1]
    assert list(tmp_path.iterdir()) == []


def test_a_part_of_a_benchmark_is_said_to_be_one(tmp_path: Path) -> None:
    assert _run("make", "cars", "--output", str(tmp_path / "cars")).exit_code == 0
    checked = _run("check", "cars", "--data", str(tmp_path / "cars"))
    assert checked.exit_code == 0
    assert "train images where the benchmark has 8144" in checked.output
