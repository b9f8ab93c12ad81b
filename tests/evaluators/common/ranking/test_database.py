"""The searched database: streaming and expansion change nothing that they should not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from dinobench.evaluators.common.ranking.database import Database, expanded, finished
from dinobench.features.descriptors import stored_descriptors
from dinobench.features.matrix import FeatureMatrix
from dinobench.metrics.whitening import learn_whitening

RNG = np.random.default_rng(0)
IMAGES, MORE = (RNG.normal(size=(count, 6)).astype(np.float32) for count in (20, 50))
QUERIES = finished(RNG.normal(size=(4, 6)).astype(np.float32))


@pytest.fixture
def distractors(tmp_path: Path) -> FeatureMatrix:
    def compute(indices: np.ndarray) -> Iterator[tuple[np.ndarray, torch.Tensor]]:
        yield indices, torch.from_numpy(MORE[indices])

    names = [f"{index}.jpg" for index in range(len(MORE))]
    return stored_descriptors({}, {}, names, compute, folder=tmp_path, shard_rows=16)


@pytest.mark.parametrize("whitened", [False, True])
def test_streamed_distractors_rank_as_if_in_memory(distractors: FeatureMatrix, whitened: bool) -> None:
    whitening = learn_whitening(MORE) if whitened else None
    streamed = Database(finished(IMAGES, whitening), distractors, whitening)
    whole = Database(finished(np.concatenate([IMAGES, MORE]), whitening))
    assert len(streamed) == len(whole) == 70
    judged = [np.array([0, 5, 19])] * len(QUERIES)
    for one, other in zip(streamed.positions(QUERIES, judged), whole.positions(QUERIES, judged), strict=True):
        np.testing.assert_array_equal(one, other)
    for method in ("exact", "faiss"):
        found = streamed.nearest(QUERIES, 9, method, torch.device("cpu"))
        similarities = QUERIES @ whole.images.T
        np.testing.assert_array_equal(found.indices.numpy(), np.argsort(-similarities, axis=1)[:, :9])
    np.testing.assert_allclose(streamed.rows(np.array([[3, 60]]))[0], whole.images[[3, 60]], rtol=1e-5)


def test_expansion_moves_a_query_towards_its_neighbors() -> None:
    database = Database(finished(IMAGES))
    found = database.nearest(QUERIES, 3, "exact", torch.device("cpu"))
    moved = expanded(QUERIES, database, found, alpha=3.0)
    np.testing.assert_allclose(np.linalg.norm(moved, axis=1), 1, rtol=1e-6)
    nearest = database.rows(found.indices.numpy())[:, 0]
    assert ((moved * nearest).sum(1) > (QUERIES * nearest).sum(1)).all()
