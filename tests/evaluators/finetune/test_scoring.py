from __future__ import annotations

import numpy as np
import pytest
import torch

from dinobench.data.dataset import from_files
from dinobench.data.transforms import evaluation_transform
from dinobench.evaluators.finetune import scoring
from dinobench.evaluators.finetune.batches import Normalizer
from dinobench.evaluators.finetune.scoring import Crops, predict
from dinobench.models.networks.backbone import Preprocessing
from dinobench.runtime.errors import InputError
from tests.conftest import shared_data
from tests.evaluators.finetune.toys import CPU, SIDE, colored


class _Brightest(torch.nn.Module):
    """Scores a class by the mean of its channel."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.mean((2, 3))


HOW = Preprocessing(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
TRANSFORM = evaluation_transform(SIDE, SIDE, "bicubic", HOW.mean, HOW.std)


NormalizE = Normalizer(HOW, CPU, channels_last=False)


@pytest.mark.parametrize("batch_size", [1, 4, 64])
def test_every_image_is_predicted_once_in_order(batch_size: int) -> None:
    images = colored(10, 0)
    found = predict(_Brightest(), Crops(images, TRANSFORM, batch_size, 2), NormalizE, 3, CPU)
    assert found.shape == (10, 3)
    assert np.array_equal(found[:, 0].numpy(), images.labels)


@pytest.mark.parametrize(("limit", "reads"), [(2**30, 10), (100, 20)])
def test_crops_are_decoded_once_where_they_fit(limit: int, reads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring, "KEEP_BYTES", limit)
    images = colored(10, 0)
    seen: list[int] = []
    read = type(images).read
    monkeypatch.setattr(type(images), "read", lambda self, index: seen.append(index) or read(self, index))
    crops = Crops(images, TRANSFORM, 4, 1)
    first, second = (predict(_Brightest(), crops, NormalizE, 3, CPU) for _ in range(2))
    assert torch.equal(first, second)
    assert len(seen) == reads


def test_an_unreadable_image_is_named() -> None:
    root = shared_data("broken")
    images = from_files("broken", root, ["truncated.jpg"], [0], ["a"])
    with pytest.raises(InputError, match="truncated"):
        predict(_Brightest(), Crops(images, TRANSFORM, 4, 1), NormalizE, 1, CPU)
