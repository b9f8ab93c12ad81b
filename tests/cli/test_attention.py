"""`dinobench attention` as a user types it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from dinobench.cli.main import main


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["attention", *map(str, arguments)])


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    rng = np.random.default_rng(0)
    paths = [tmp_path / folder / "photo.png" for folder in ("a", "b")]
    for path in paths:
        path.parent.mkdir()
        Image.fromarray(rng.integers(0, 256, (40, 50, 3), dtype=np.uint8)).save(path)
    return paths


def test_maps_masks_grid_and_overlay_are_written(photos: list[Path], tmp_path: Path) -> None:
    done = run(photos[0], "--model", "random:vit_mini/4", "--size", 32, "--output", tmp_path / "out")
    assert done.exit_code == 0, done.output
    names = {path.name for path in (tmp_path / "out" / "photo").iterdir()}
    assert {"grid.png", "overlay.png", "head_1.png", "mask_3.png"} <= names
    assert Image.open(tmp_path / "out" / "photo" / "head_1.png").size == (40, 32)


@pytest.mark.parametrize(
    ("size", "drawn"), [((), (480, 480)), (("--size", "33x64"), (32, 64)), (("--size", 80), (100, 80))]
)
def test_sizes_are_those_of_the_released_script(size: tuple, drawn: tuple, photos: list[Path], tmp_path: Path) -> None:
    done = run(photos[0], "--model", "random:vit_mini/4", *size, "--output", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert Image.open(tmp_path / "out" / "photo" / "head_1.png").size == drawn


def test_images_of_one_name_and_a_video(photos: list[Path], tmp_path: Path) -> None:
    done = run(*photos, "--model", "random:vit_mini/4", "--size", 0, "--video", "--output", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"00000_photo", "00001_photo", "attention.gif"}


@pytest.mark.parametrize(
    "arguments, words",
    [
        (("--share", "60"), "between 0 and 1"),
        (("--size", "480x"), "WIDTHxHEIGHT"),
        (("--size", "3x480"), "smaller than one patch"),
        (("--model", "random:resnet18"), "no self-attention"),
        (("--set", "device=tpu"), "device"),
    ],
)
def test_bad_input_is_one_line(arguments: tuple, words: str, photos: list[Path], tmp_path: Path) -> None:
    model = () if "--model" in arguments else ("--model", "random:vit_mini/4")
    done = run(photos[0], *model, "--size", 32, "--output", tmp_path / "out", *arguments)
    assert done.exit_code == 2
    assert words in done.output
    assert "Traceback" not in done.output


def test_an_image_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("no image")
    done = run(tmp_path / "text.jpg", "--model", "random:vit_mini/4", "--output", tmp_path / "out")
    assert done.exit_code == 2
    assert "text.jpg" in done.output


def test_a_video_of_different_sizes_is_refused_before_anything_is_drawn(photos: list[Path], tmp_path: Path) -> None:
    Image.new("RGB", (20, 30)).save(photos[1])
    done = run(*photos, "--model", "random:vit_mini/4", "--video", "--output", tmp_path / "out")
    assert done.exit_code == 2
    assert f"{photos[1]} is 20 x 30" in done.output
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("setting", "hint"),
    [
        ("size=32", "use --size"),
        ("shares=[0.3]", "use --share"),
        ("void=left_out", "--set takes device"),
        ("compile=true", "--set takes"),
    ],
)
def test_settings_that_would_do_nothing_are_refused(
    photos: list[Path], tmp_path: Path, setting: str, hint: str
) -> None:
    done = run(photos[0], "--model", "random:vit_mini/4", "--output", tmp_path / "out", "--set", setting)
    assert done.exit_code == 2
    assert "does nothing in `dinobench attention`" in done.output and hint in done.output


def test_models_stand_side_by_side(photos: list[Path], tmp_path: Path) -> None:
    models = ("--model", "random:vit_mini/4", "--model", "random:vit_mini/8", "--model", "random:vit_mini/8")
    done = run(photos[0], *models, "--size", 32, "--format", "pdf", "--output", tmp_path / "out")
    assert done.exit_code == 0, done.output
    found = {path.name for path in (tmp_path / "out" / "photo").iterdir()}
    assert found == {"models.pdf", "random_vit_mini_4", "00001_random_vit_mini_8", "00002_random_vit_mini_8"}
    refused = run(photos[0], *models, "--video", "--output", tmp_path / "video")
    assert refused.exit_code == 2 and "--video draws one model" in refused.output
