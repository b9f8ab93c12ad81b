"""Every kind of image file becomes RGB or one clear line."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from dinobench.data.channels import read_channels
from dinobench.data.decode import decode_rgb, is_image_name, read_rgb, to_rgb
from dinobench.data.masks import read_labels
from dinobench.runtime.errors import InputError
from tests.conftest import shared_data


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("empty.jpg", "empty"),
        ("text.jpg", "not an image"),
        ("truncated.jpg", "truncated"),
        ("ukbench09268_corrupt.jpg", "corrupt"),
    ],
)
def test_broken_files_are_named_with_the_reason(name: str, reason: str) -> None:
    path = shared_data("broken", name)
    with pytest.raises(InputError) as caught:
        read_rgb(path)
    message = str(caught.value)
    assert str(path) in message
    assert reason in message
    assert "\n" not in message


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "gone.jpg", tmp_path):
        with pytest.raises(InputError, match="cannot read image"):
            read_rgb(path)


@pytest.mark.parametrize("mode", ["L", "LA", "P", "CMYK", "RGBA", "1", "YCbCr", "HSV", "LAB"])
def test_eight_bit_modes_become_rgb_as_pillow_converts_them(mode: str) -> None:
    rng = np.random.default_rng(0)
    image = Image.fromarray(rng.integers(0, 256, (9, 7, 3), dtype=np.uint8))
    image = image.convert("L").convert(mode) if mode in {"LA", "1"} else _as_mode(image, mode)
    assert np.array_equal(np.asarray(to_rgb(image)), np.asarray(image.convert("RGB")))


def _as_mode(image: Image.Image, mode: str) -> Image.Image:
    if mode == "LAB":
        return Image.merge("LAB", image.split())
    return image.convert(mode)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bit_gray_is_scaled_not_clipped(kind: str) -> None:
    levels = np.array([[0, 257, 32896, 65535]], dtype=np.uint16)
    stream = io.BytesIO()
    Image.fromarray(levels).save(stream, kind)
    pixels = np.asarray(decode_rgb(stream.getvalue(), "x"))
    assert pixels[0, :, 0].tolist() == [0, 1, 128, 255]
    assert (pixels == pixels[..., :1]).all()


def test_exif_orientation_is_left_alone() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # rotated by 90 degrees
    stream = io.BytesIO()
    Image.new("RGB", (8, 4)).save(stream, "JPEG", exif=exif)
    assert decode_rgb(stream.getvalue(), "x").size == (8, 4)


def test_a_decompression_bomb_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.BytesIO()
    Image.new("L", (64, 64)).save(stream, "PNG")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(InputError, match="cannot decode image x"):
        decode_rgb(stream.getvalue(), "x")


def _encoded(kind: str) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(stream, kind)
    return stream.getvalue()


@given(
    st.sampled_from(["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "PPM"]), st.integers(0, 2**16), st.binary(max_size=6)
)
def test_damaged_bytes_decode_or_raise_input_error(kind: str, place: int, patch: bytes) -> None:
    data = bytearray(_encoded(kind))
    place %= len(data)
    data[place : place + len(patch)] = patch
    for damaged in (bytes(data), bytes(data[:place])):
        try:
            assert decode_rgb(damaged, "x").mode == "RGB"
        except InputError as error:
            assert "\n" not in str(error)


def test_image_names_are_known_by_suffix() -> None:
    assert is_image_name("a/B.JPEG")
    assert not is_image_name("a/labels.txt")


def test_float_images_are_decoded_or_refused_in_one_line() -> None:
    stream = io.BytesIO()
    Image.fromarray(np.linspace(0, 255, 12, dtype=np.float32).reshape(3, 4)).save(stream, "TIFF")
    pixels = np.asarray(decode_rgb(stream.getvalue(), "x"))
    assert pixels.shape == (3, 4, 3)
    assert pixels[-1, -1].tolist() == [255] * 3


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes on this system")
def test_pipes_and_devices_are_named_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "zero.jpg").symlink_to("/dev/zero")
    for name, kind in (("pipe.jpg", "a pipe"), ("zero.jpg", "a device")):
        with pytest.raises(InputError, match=f"cannot read image .*{name}: it is {kind}; give a file"):
            read_rgb(tmp_path / name)
        with pytest.raises(InputError, match=kind):
            read_labels(tmp_path / name)
        with pytest.raises(InputError, match=kind):
            read_channels(tmp_path / name, 3)


def test_formats_that_start_another_program_are_no_images() -> None:
    with pytest.raises(InputError, match="not an image of a known format"):
        decode_rgb(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n", "x.jpg")


def test_an_image_over_the_limit_names_the_limit_and_the_remedy(tmp_path: Path) -> None:
    path = tmp_path / "pano.png"
    Image.new("1", (20_000, 10_000)).save(path)
    remedy = "200 megapixels, more than Pillow's limit of 179; shrink it, or set DINOBENCH_MAX_MEGAPIXELS=200"
    for read in (read_rgb, read_labels, lambda path: read_channels(path, 3)):
        with pytest.raises(InputError, match=remedy):
            read(path)


def test_the_limit_can_be_set(tmp_path: Path) -> None:
    path = tmp_path / "small.png"
    Image.new("1", (50, 40)).save(path)
    code = (
        "import sys; from pathlib import Path; from dinobench.data.decode import read_rgb; read_rgb(Path(sys.argv[1]))"
    )
    for limit, found in (("0.002", ""), ("0.001", "limit of 0"), ("x", "DINOBENCH_MAX_MEGAPIXELS=x is not a number")):
        environment = {**os.environ, "DINOBENCH_MAX_MEGAPIXELS": limit}
        command = [sys.executable, "-c", code, str(path)]
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        assert found in done.stderr and (done.returncode == 0) == (not found)
