from __future__ import annotations

import pytest
import torch

from dinobench.training.targets import Centered, Sinkhorn, Targets

LOGITS = torch.randn(12, 6, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("targets", [Targets(), Centered(6), Sinkhorn(1), Sinkhorn(3)])
def test_every_row_is_a_distribution(targets):
    probabilities = targets(LOGITS, 0.1)
    assert (probabilities >= 0).all()
    torch.testing.assert_close(probabilities.sum(1), torch.ones(12))


def test_sinkhorn_shares_the_samples_out_evenly():
    shares = Sinkhorn(200)(LOGITS.double(), 0.5)
    torch.testing.assert_close(shares.sum(0), torch.full((6,), 2.0, dtype=torch.float64), rtol=1e-6, atol=1e-6)


def test_one_sinkhorn_iteration_is_the_softmax_over_the_batch():
    over_batch = (LOGITS / 0.1).softmax(0)
    torch.testing.assert_close(Sinkhorn(1)(LOGITS, 0.1), over_batch / over_batch.sum(1, keepdim=True))


def test_sinkhorn_survives_extreme_logits():
    assert torch.isfinite(Sinkhorn(3)(1000 * LOGITS, 0.04)).all()


def test_the_center_follows_once_per_step_however_many_micro_batches():
    whole, halves = Centered(6, momentum=0.5), Centered(6, momentum=0.5)
    whole(LOGITS, 0.1)
    halves(LOGITS[:6], 0.1)
    assert (halves.center == 0).all()
    halves(LOGITS[6:], 0.1)
    for targets in (whole, halves):
        targets.after_step()
    torch.testing.assert_close(whole.center, 0.5 * LOGITS.mean(0, keepdim=True))
    torch.testing.assert_close(whole.center, halves.center)


def test_sinkhorn_may_balance_each_view_by_itself():
    first, second = Sinkhorn(3)(LOGITS[:6], 0.1), Sinkhorn(3)(LOGITS[6:], 0.1)
    assert torch.equal(Sinkhorn(3, per_view=True)(LOGITS, 0.1), torch.cat([first, second]))
    assert not torch.equal(Sinkhorn(3)(LOGITS, 0.1), torch.cat([first, second]))
