from __future__ import annotations

import pytest
import torch

from dinobench.metrics.groups import Far, Near


@pytest.mark.parametrize("groups", [Near(), Far()])
def test_members_and_columns_are_those_of_the_view(groups):
    table = torch.arange(3 * 64).view(3, 64)
    view = groups.of(table)
    assert view.flatten(1).sort().values.equal(table)
    chosen = torch.arange(3 * view.shape[1])
    assert groups.members(table, chosen).equal(view.flatten(0, 1))
    for place in range(view.shape[2]):
        columns = groups.columns(table, chosen, torch.full_like(chosen, place))
        assert table[chosen // view.shape[1], columns].equal(view[..., place].flatten())
