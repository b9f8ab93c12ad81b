from __future__ import annotations

import pytest
import torch

from dinobench.data.dataset import from_files
from dinobench.data.transforms import evaluation_transform
from dinobench.features.extract import extract_features
from dinobench.runtime.errors import InputError
from tests.features.conftest import PREPROCESSING


def _one_by_one(backbone, images):
    p = PREPROCESSING
    transform = evaluation_transform(p.size, p.resize, p.interpolation, p.mean, p.std)
    with torch.no_grad():
        return [backbone.intermediate_layers(transform(images.read(i))[None], 3) for i in range(len(images))]


@pytest.mark.parametrize("batch_size", [1, 7, 64])
def test_equals_one_image_at_a_time(backbone, images, batch_size):
    layers = _one_by_one(backbone, images)
    cls = extract_features(backbone, PREPROCESSING, images, batch_size=batch_size)
    torch.testing.assert_close(cls, torch.cat([layer[-1].cls for layer in layers]))
    both = extract_features(backbone, PREPROCESSING, images, "cls.3+mean", batch_size=batch_size)
    wanted = [torch.cat([layer[0].cls, layer[-1].patches.mean((1, 2))], 1) for layer in layers]
    torch.testing.assert_close(both, torch.cat(wanted))


def test_bf16_is_near_fp32(backbone, images):
    exact, rough = (extract_features(backbone, PREPROCESSING, images, precision=name) for name in ("fp32", "bf16"))
    assert rough.dtype == torch.float32
    torch.testing.assert_close(rough, exact, rtol=0.05, atol=0.05)


def test_refusals(backbone, images, tmp_path):
    with pytest.raises(InputError, match="4 last blocks, but the model has 3"):
        extract_features(backbone, PREPROCESSING, images, "cls.4")
    with pytest.raises(InputError, match="unknown precision 'fp8'"):
        extract_features(backbone, PREPROCESSING, images, precision="fp8")
    with pytest.raises(InputError, match="no image"):
        extract_features(backbone, PREPROCESSING, images.subset([]))
    (tmp_path / "bad.jpg").write_bytes(b"")
    broken = from_files("broken", tmp_path, ["bad.jpg"], [0], ["a"])
    with pytest.raises(InputError, match=r"bad\.jpg"):
        extract_features(backbone, PREPROCESSING, broken)
