"""A fit by several processes is that of one, to the last bit."""

from __future__ import annotations

from unittest import mock

import pytest
import torch
from torch.nn.functional import normalize

from dinobench.evaluators.logistic import sharing
from dinobench.metrics import logistic
from dinobench.metrics.logistic import LogisticFit, fit_logistic
from tests.group import in_processes


def _problem() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 5, (57,), generator=generator)
    return normalize(torch.eye(5, 9)[labels] + torch.randn(57, 9, generator=generator), dim=1), labels


def _fit(rank: int, rows: int) -> tuple[LogisticFit, int]:
    """The fit by blocks of this many rows, and how many of them this process computed."""
    logistic.ROWS = rows
    with mock.patch.object(sharing, "block_term", side_effect=logistic.block_term) as computed:
        return sharing.shared_fit(*_problem(), 5, tolerance=1e-6), computed.call_count


@pytest.mark.parametrize("count", [2, 4])
@pytest.mark.parametrize("rows", [10, 20, 100])  # 6, 3 and 1 blocks
def test_the_same_to_the_last_bit(monkeypatch: pytest.MonkeyPatch, count: int, rows: int) -> None:
    monkeypatch.setattr(logistic, "ROWS", rows)
    alone = fit_logistic(*_problem(), 5, tolerance=1e-6)
    found = in_processes(_fit, count, rows)
    for fit, _ in found:
        assert torch.equal(fit.weight, alone.weight)
        assert (fit.objective, fit.gap, fit.iterations) == (alone.objective, alone.gap, alone.iterations)
    blocks = [computed for _, computed in found]
    assert sum(map(bool, blocks)) == min(count, -(-57 // rows))
