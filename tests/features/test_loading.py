from __future__ import annotations

import threading

import numpy as np
import pytest

from dinobench.data.dataset import from_files
from dinobench.data.transforms import evaluation_transform
from dinobench.features.loading import in_chunks, map_ahead, pixel_batches
from dinobench.features.preparation import evaluation


def test_ahead_keeps_the_order_and_stays_bounded():
    started = []
    results = map_ahead(lambda item: started.append(item) or item * 2, range(50), workers=3)
    assert next(results) == 0
    assert len(started) <= 5
    assert list(results) == [item * 2 for item in range(1, 50)]


def test_ahead_passes_errors_on_and_ends_its_threads():
    def fail(item):
        raise ValueError(item)

    with pytest.raises(ValueError, match="0"):
        list(map_ahead(fail, range(5), workers=2))
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("decode")]


def test_unreadable_images_are_named_and_left_out(tmp_path, images):
    for index in range(5):
        images.read(index).save(tmp_path / f"{index}.png")
    (tmp_path / "2.png").write_bytes(b"no image")
    files = from_files("toy", tmp_path, [f"{index}.png" for index in range(5)], [0] * 5, ["a"])
    transform = evaluation_transform(16, 16, "bicubic", (0, 0, 0), (1, 1, 1))
    first, second = pixel_batches(files, in_chunks(np.arange(5), 3), evaluation(transform))
    assert first.indices.tolist() == [0, 1]
    assert first.pixels.shape == (2, 16, 16, 3)
    assert "2.png" in first.unreadable[2]
    assert second.indices.tolist() == [3, 4]
    np.testing.assert_array_equal(second.pixels[0], np.asarray(images.read(3)))
