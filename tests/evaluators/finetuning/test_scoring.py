from __future__ import annotations

import numpy as np
import pytest
import torch

from dinobench.data.dataset import from_files
from dinobench.data.transforms import evaluation_transform
from dinobench.evaluators.finetuning.batches import Normaliser
from dinobench.evaluators.finetuning.scoring import predict
from dinobench.models.backbone import Preprocessing
from dinobench.runtime.errors import InputError
from tests.conftest import shared_data
from tests.evaluators.finetuning.toys import CPU, SIDE, coloured


class _Brightest(torch.nn.Module):
    """Scores a class by the mean of its channel."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.mean((2, 3))


HOW = Preprocessing(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
TRANSFORM = evaluation_transform(SIDE, SIDE, "bicubic", HOW.mean, HOW.std)


@pytest.mark.parametrize("batch_size", [1, 4, 64])
def test_every_image_is_predicted_once_in_order(batch_size: int) -> None:
    images = coloured(10, 0)
    normalise = Normaliser(HOW, CPU, channels_last=False)
    found = predict(_Brightest(), images, TRANSFORM, normalise, 3, batch_size=batch_size, workers=2, device=CPU)
    assert found.shape == (10, 3)
    assert np.array_equal(found[:, 0].numpy(), images.labels)


def test_an_unreadable_image_is_named() -> None:
    root = shared_data("broken")
    images = from_files("broken", root, ["truncated.jpg"], [0], ["a"])
    with pytest.raises(InputError, match="truncated"):
        normalise = Normaliser(HOW, CPU, channels_last=False)
        predict(_Brightest(), images, TRANSFORM, normalise, 1, batch_size=4, workers=1, device=CPU)
