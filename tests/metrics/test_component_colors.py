"""Components of patches whose directions are known, foregrounds, and likeness."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dinobench.metrics.component_colors import component_colors, foregrounds, likeness, principal_components


def test_components_are_those_of_scikit_learn() -> None:
    from sklearn.decomposition import PCA

    rows = torch.randn(200, 8, generator=torch.Generator().manual_seed(0)) * torch.arange(1.0, 9)
    expected = PCA(3).fit_transform(rows.double().numpy())
    found = principal_components(rows, 3)
    np.testing.assert_allclose(np.abs(found), np.abs(expected), atol=1e-6)
    assert (found.max(0) >= -found.min(0)).all()


def _scene(object_value: float) -> torch.Tensor:
    scene = torch.zeros(8, 9, 4)
    scene[3:6, 3:7, 0] = object_value
    scene[3:6, 3:7, 1] = torch.linspace(-0.1, 0.1, 4)
    return scene + 0.001 * torch.randn(8, 9, 4, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("value", [-2.0, 2.0])
def test_the_foreground_is_what_the_borders_hold_less_of(value: float) -> None:
    first, second = foregrounds([_scene(value), _scene(value)[2:, 1:]])
    assert first[3:6, 3:7].all() and first.sum() == 12
    assert second[1:4, 2:6].all() and second.sum() == 12


def test_colors_are_of_one_basis_and_the_background_is_black() -> None:
    maps = [_scene(2.0), _scene(2.0)]
    colors = component_colors(maps, foregrounds(maps))
    assert (colors[0][0] == 0).all()
    assert np.array_equal(colors[0], colors[1])
    everything = component_colors(maps)
    assert everything[0].shape == (8, 9, 3)
    nothing = component_colors(maps, [np.zeros((8, 9), bool)] * 2)
    assert not nothing[0].any()


def test_likeness_is_the_cosine() -> None:
    found = likeness(torch.tensor([1.0, 0.0]), [torch.tensor([[[2.0, 0.0], [0.0, 1.0], [-3.0, 0.0]]])])
    assert found[0].tolist() == [[1, 0, -1]]
