from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dinobench.metrics.search.int8_scores import Int8Scores
from dinobench.metrics.search.scores import in_groups


@settings(max_examples=60, deadline=None)
@given(
    dim=st.integers(1, 400),
    scale=st.sampled_from([1e-3, 1.0, 50.0]),
    offset=st.sampled_from([0.0, 3.0, 100.0]),
    zeros=st.booleans(),
    seed=st.integers(0, 2**16),
)
def test_no_score_is_below_the_bound_of_its_product(dim, scale, offset, zeros, seed):
    generator = torch.Generator().manual_seed(seed)
    queries, rows = (scale * (torch.randn(n, dim, generator=generator) + offset) for n in (5, 64))
    if zeros:
        queries[0], rows[:32] = 0, 0
    kept = Int8Scores([queries])
    kept.start_block(rows)
    scores = in_groups(kept.scores(0))
    exact = queries.double() @ rows.double().T
    for column in range(len(rows)):
        bound = kept.score_bound(0, exact[:, column].float())
        above = in_groups(exact >= exact[:, column : column + 1])
        assert (scores >= bound[..., None])[above].all()
