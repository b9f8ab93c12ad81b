from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dinobench.data.masks import palette, read_labels, write_labels
from dinobench.runtime.errors import InputError
from tests.conftest import shared_data


def test_the_palette_is_the_one_of_real_annotations() -> None:
    path = shared_data("davis", "Annotations", "480p", "libby", "00000.png")
    with Image.open(path) as image:
        stored = np.array(image.getpalette()).reshape(-1, 3)
    np.testing.assert_array_equal(palette()[: len(stored)], stored)


def test_labels_survive_the_file(tmp_path: Path) -> None:
    labels = np.random.default_rng(0).integers(0, 256, (13, 17), dtype=np.uint8)
    write_labels(tmp_path / "deep" / "mask.png", labels)
    np.testing.assert_array_equal(read_labels(tmp_path / "deep" / "mask.png"), labels)


@pytest.mark.parametrize("kind", ["missing", "colors", "16 bit", "text", "truncated"])
def test_what_is_no_mask_is_refused_by_name(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "mask.png"
    if kind == "colors":
        Image.new("RGB", (4, 4)).save(path)
    if kind == "16 bit":
        Image.fromarray(np.full((4, 4), 300, dtype=np.uint16)).save(path)
    if kind == "text":
        path.write_text("no image")
    if kind == "truncated":
        write_labels(path, np.random.default_rng(0).integers(0, 256, (90, 90), dtype=np.uint8))
        path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(InputError, match=r"mask\.png"):
        read_labels(path)
