"""Descriptors from tokens."""

from __future__ import annotations

import pytest
import torch

from dinobench.evaluators.common.ranking.pooling import find_pooling, gem, rmac
from dinobench.models.networks.backbone import Features
from dinobench.runtime.errors import InputError


def features(height: int = 4, width: int = 6) -> Features:
    generator = torch.Generator().manual_seed(0)
    return Features(torch.randn(2, 5, generator=generator), torch.randn(2, height, width, 5, generator=generator))


def test_gem_lies_between_the_mean_and_the_maximum() -> None:
    patches = features().patches.abs()
    pooled = gem(patches, 4.0)
    assert (pooled >= patches.mean(dim=(1, 2)) - 1e-6).all() and (pooled <= patches.amax(dim=(1, 2)) + 1e-6).all()
    torch.testing.assert_close(gem(patches, 1.0), patches.mean(dim=(1, 2)))


def test_names_are_concatenated_in_order() -> None:
    seen = features()
    described = find_pooling("cls+gem")(seen)
    torch.testing.assert_close(described, torch.cat([seen.cls, gem(seen.patches)], dim=1))


@pytest.mark.parametrize("size", [(1, 1), (2, 9), (7, 7), (9, 2), (14, 20)])
def test_rmac_sums_unit_vectors(size: tuple[int, int]) -> None:
    pooled = rmac(features(*size).patches)
    assert pooled.shape == (2, 5) and pooled.isfinite().all()
    assert (pooled.norm(dim=1) > 1).all()


def test_rmac_counts_the_regions_of_a_square_and_of_a_wide_map() -> None:
    ones = torch.ones(1, 12, 12, 1), torch.ones(1, 12, 18, 1)
    assert [rmac(patches).item() for patches in ones] == [1 + 1 + 4 + 9, 1 + 2 + 6 + 12]


def test_an_unknown_pooling_is_refused() -> None:
    with pytest.raises(InputError, match=r"gen.*gem"):
        find_pooling("cls+gen")
