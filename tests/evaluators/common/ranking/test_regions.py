"""R-MAC with whitened regions: learned in parts as at once, and unit vectors come out."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dinobench.evaluators.common.ranking.pooling import region_maxima, rmac
from dinobench.evaluators.common.ranking.regions import RegionMoments, RegionWhitening
from dinobench.metrics.whitening import Whitening, learn_whitening
from dinobench.models.networks.backbone import Features
from dinobench.runtime.errors import InputError


def features(images: int, height: int, width: int, seed: int) -> Features:
    patches = torch.rand(images, height, width, 5, generator=torch.Generator().manual_seed(seed))
    return Features(patches.mean((1, 2)), patches)


def test_whitening_of_batches_of_different_sizes_is_that_of_all_regions() -> None:
    batches = [features(3, 4, 6, 1), features(2, 8, 5, 2)]
    moments = RegionMoments()
    for batch in batches:
        moments.add(batch)
    regions = torch.cat([region_maxima(batch.patches).flatten(0, 1) for batch in batches])
    expected = learn_whitening(regions.double().numpy())
    found = moments.whitening().whitening
    np.testing.assert_allclose(np.abs(found.projection), np.abs(expected.projection), rtol=1e-6)
    np.testing.assert_allclose(found.mean, expected.mean, rtol=1e-9)


def test_regions_are_whitened_normalized_and_summed() -> None:
    batch = features(2, 4, 6, 3)
    plain = RegionWhitening(Whitening(np.zeros(5), np.eye(5)))
    torch.testing.assert_close(plain(batch), torch.nn.functional.normalize(rmac(batch.patches), dim=1))
    doubled = RegionWhitening(Whitening(np.zeros(5), np.diag([2.0, 1, 1, 1, 1])))
    assert doubled.digest != plain.digest
    assert bool((doubled(batch)[:, 0] > plain(batch)[:, 0]).all())


def test_regions_that_are_all_alike_are_refused() -> None:
    moments = RegionMoments()
    moments.add(Features(torch.ones(1, 5), torch.ones(1, 4, 4, 5)))
    with pytest.raises(InputError, match="all alike"):
        moments.whitening()
