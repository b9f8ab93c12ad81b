"""`dinobench picture` as a user types it."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from dinobench.cli.main import main
from tests.evaluators.toys import picture

MODEL = ("--model", "random:vit_mini/8", "--size", "64")


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / name for name in ("a.png", "b.png")]
    for number, path in enumerate(paths):
        picture(number, (96 + 32 * number, 80)).save(path)
    return paths


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["picture", *map(str, arguments)])


@pytest.mark.parametrize("more", [("pca",), ("pca", "--whole"), ("nearest", "--at", 10, 79)])
def test_a_picture_of_each_image_and_a_sheet(more: tuple[object, ...], photos: list[Path], tmp_path: Path) -> None:
    kind, *options = more
    done = run(kind, *photos, *MODEL, *options, "--output", tmp_path / "out")
    assert done.exit_code == 0, done.output
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {f"{kind}.png", f"{kind}_000_a.png", f"{kind}_001_b.png"}
    assert Image.open(tmp_path / "out" / f"{kind}_001_b.png").size == (96, 64)
    if kind == "nearest":
        assert Image.open(tmp_path / "out" / "nearest_000_a.png").convert("RGB").getpixel((4, 60)) == (255, 0, 0)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nearest", "--at", 96, 3), "lies outside"),
        (("pca", "--size", "4"), "smaller than one patch"),
        (("pca", "--set", "colour=1"), "unknown setting"),
        (("pca", "--model", "absent.pth"), "absent.pth"),
    ],
)
def test_bad_input_is_one_line(arguments: tuple[object, ...], words: str, photos: list[Path], tmp_path: Path) -> None:
    kind, *options = arguments
    done = run(kind, photos[0], *MODEL, *options, "--output", tmp_path / "out")
    assert done.exit_code == 2
    assert words in done.output
    assert not (tmp_path / "out").exists()
