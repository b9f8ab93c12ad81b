from __future__ import annotations

import pathlib
import struct

import numpy as np
import pytest
from PIL import Image

from dinobench.data.channels import read_channels
from dinobench.data.open import open_dataset
from dinobench.runtime.errors import InputError

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 5, 4), dtype=np.uint8)


def test_arrays_bands_and_pages_are_read_as_they_are(tmp_path):
    np.save(tmp_path / "a.npy", PIXELS)
    np.save(tmp_path / "b.npy", PIXELS.astype(np.uint16) * 257)
    Image.fromarray(PIXELS).save(tmp_path / "c.png")
    pages = [Image.fromarray(PIXELS[..., band]) for band in range(4)]
    pages[0].save(tmp_path / "d.tif", save_all=True, append_images=pages[1:])
    for name in ("a.npy", "b.npy", "c.png", "d.tif"):
        assert np.array_equal(read_channels(tmp_path / name, 4), PIXELS), name


def test_what_does_not_fit_is_one_line(tmp_path):
    np.save(tmp_path / "a.npy", PIXELS)
    with pytest.raises(InputError, match=r"a\.npy holds \(6, 5, 4\) where \(height, width, 5\)"):
        read_channels(tmp_path / "a.npy", 5)
    np.save(tmp_path / "f.npy", PIXELS / 255)
    with pytest.raises(InputError, match="float64 where 8 or 16 bits"):
        read_channels(tmp_path / "f.npy", 4)
    np.save(tmp_path / "o.npy", np.array([{}]), allow_pickle=True)
    (tmp_path / "empty.npy").touch()
    (tmp_path / "text.tif").write_text("no image")
    for name in ("o.npy", "empty.npy", "text.tif", "gone.npy"):
        with pytest.raises(InputError, match="cannot read") as caught:
            read_channels(tmp_path / name, 4)
        assert "\n" not in str(caught.value)


def test_a_folder_of_arrays_opens_like_one_of_images(tmp_path):
    for split in ("train", "val"):
        for label, kind in enumerate(("dark", "light")):
            folder = tmp_path / split / kind
            folder.mkdir(parents=True)
            np.save(folder / "0.npy", PIXELS // (2 - label))
    images = open_dataset(str(tmp_path), "train")
    assert images.names == ("train/dark/0.npy", "train/light/0.npy")
    assert np.array_equal(images.pixels(1, 4), PIXELS)
    with pytest.raises(InputError, match="set in_channels to fit"):
        images.read(0)
    with pytest.raises(InputError, match="4 channels need a folder"):
        open_dataset("digits", "val").pixels(0, 4)


@pytest.mark.parametrize(
    "header", [b"{'descr': '|u1', 'fortran_order': False, 'shape': (99999, 99999, 4)}", b"{'descr"]
)
def test_an_array_that_claims_more_than_its_file_is_one_line(tmp_path: pathlib.Path, header: bytes) -> None:
    path = tmp_path / "claims.npy"
    path.write_bytes(b"\x93NUMPY\x01\x00" + (118).to_bytes(2, "little") + header.ljust(118))
    with pytest.raises(InputError, match=r"cannot read .*claims\.npy"):
        read_channels(path, 4)


def test_a_header_that_claims_far_more_than_the_file_holds_takes_no_memory(tmp_path):
    path = tmp_path / "x.tif"
    Image.fromarray(np.zeros((10, 12, 4), np.uint8)).save(path)
    data = path.read_bytes()
    wide = data.replace(
        struct.pack("<HHI", 256, 4, 1) + struct.pack("<I", 12), struct.pack("<HHII", 256, 4, 1, 1 << 24)
    )
    assert wide != data
    path.write_bytes(wide)
    with pytest.raises(InputError, match="claims 671088640 values"):
        read_channels(path, 4)
