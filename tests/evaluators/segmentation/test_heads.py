"""Heads on patches: beside scikit-learn, plain formulas, and the figures of the released code."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from dinobench.evaluators.segmentation.fitting import predicted_classes
from dinobench.evaluators.segmentation.heads import NearestHead, StandardRows, fit_logistic_head
from dinobench.evaluators.segmentation.memory import keep_rare, rarity
from dinobench.evaluators.segmentation.patches import HeldBlocks, Patches, PatchRows
from dinobench.evaluators.segmentation.settings import Settings

CPU = torch.device("cpu")


@dataclass(frozen=True)
class _Drawn:
    """Patches and the classes of their pixels in memory, and the same as rows of maps of 20 patches."""

    features: Tensor
    labels: Tensor

    @property
    def rows(self) -> PatchRows:
        maps = self.features.split(20)
        starts = np.cumsum([0, *map(len, maps)])
        patches = Patches(lambda number: maps[number][None], self.labels.numpy(), starts)
        return PatchRows(patches, np.arange(len(self.features)))

    def known(self) -> _Drawn:
        keep = self.labels.mode(1).values != 255
        return _Drawn(self.features[keep], self.labels[keep])


def _drawn(count: int = 400, classes: int = 4, places: int = 6) -> _Drawn:
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(count, 10, generator=generator) * torch.linspace(0.1, 3, 10) + 1
    noisy = features[:, :classes] + 0.3 * torch.randn(count, classes, generator=generator)
    labels = noisy.argmax(1).to(torch.uint8)[:, None].repeat(1, places)
    odd = torch.rand(count, places, generator=generator)
    labels[odd < 0.2] = 255
    labels[odd > 0.9] = 0
    return _Drawn(features, labels)


@pytest.mark.parametrize("c", [0.01, 1.0])
def test_logistic_scores_are_those_of_scikit_learn(c: float) -> None:
    drawn = _drawn().known()
    features = drawn.features.double().numpy()
    standard = (features - features.mean(0)) / features.std(0)
    expected = LogisticRegression(C=c, tol=1e-10, max_iter=5000).fit(standard, drawn.labels.mode(1).values.numpy())
    settings = Settings(tolerance=1e-7, held=1e-6)
    head, _ = fit_logistic_head(StandardRows(_drawn().rows, settings, CPU), 4, c, settings)
    ours, theirs = next(head([drawn.features])).numpy(), expected.decision_function(standard)
    np.testing.assert_allclose(ours - ours.mean(1, keepdims=True), theirs - theirs.mean(1, keepdims=True), atol=3e-4)


def test_a_feature_that_does_not_vary_does_no_harm() -> None:
    drawn = _drawn()
    drawn.features[:, 3] = 2.5
    head, _ = fit_logistic_head(StandardRows(drawn.rows, Settings(), CPU), 4, 1.0, Settings())
    assert torch.isfinite(next(head([drawn.features]))).all()


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
@pytest.mark.parametrize("k", [1, 3, 30])
def test_pixels_are_voted_for_place_by_place(distance: str, k: int) -> None:
    rows, queries = _drawn().known(), _drawn(37).features + 0.1
    head = NearestHead(
        _drawn().rows.known(), 4, k, distance, Settings(head="nearest", votes="pixels", square=True), CPU
    )
    if distance == "cosine":
        near = torch.nn.functional.normalize(queries) @ torch.nn.functional.normalize(rows.features).T
    else:
        near = -torch.cdist(queries, rows.features)
    expected = rows.labels[near.topk(k).indices].mode(1).values
    (together,) = head([queries])
    assert torch.equal(predicted_classes(together), expected)
    parts = list(head(queries.split(10)))
    assert [len(part) for part in parts] == [10, 10, 10, 7]
    assert torch.equal(torch.cat(parts), together)


def test_soft_votes_are_shares_weighed_by_similarity() -> None:
    rows, queries = _drawn(), _drawn(5).features - 0.1
    head = NearestHead(rows.rows, 4, 7, "cosine", Settings(head="nearest", temperature=0.1, void_is_first=True), CPU)
    near = torch.nn.functional.normalize(queries) @ torch.nn.functional.normalize(rows.features).T
    values, places = near.topk(7)
    labels = torch.where(rows.labels == 255, 0, rows.labels).long()
    shares = torch.nn.functional.one_hot(labels, 4).float().mean(1)
    expected = torch.einsum("nk,nkc->nc", torch.softmax(values / 0.1, 1), shares[places])
    torch.testing.assert_close(next(head([queries])), expected, atol=1e-5, rtol=1e-5)


def test_patches_of_rare_classes_are_kept_first() -> None:
    labels = torch.tensor([[1, 1]] * 8 + [[1, 2]] + [[3, 255]], dtype=torch.uint8)
    assert rarity(labels, 4, void_is_first=False).tolist() == [9.0] * 8 + [10.0, 1.0]
    assert rarity(labels, 4, void_is_first=True).tolist() == [9.0] * 8 + [10.0, 2.0]
    drawn, everything = _Drawn(torch.arange(10.0)[:, None], labels).rows, np.arange(10)
    settings = Settings(void_is_first=False)

    def kept(count: int, seed: int) -> list[int]:
        generator = torch.Generator().manual_seed(seed)
        return keep_rare(drawn.patches, everything, count, 4, settings, generator).tolist()

    assert [kept(1, seed) for seed in range(20)].count([9]) > 10
    assert kept(10, 0) == list(range(10))


def test_rows_are_read_map_by_map_in_the_order_asked_for() -> None:
    drawn = _drawn(50)
    index = np.array([45, 41, 3, 2, 19, 20, 44])
    rows = PatchRows(drawn.rows.patches, index)
    assert torch.equal(rows.features(0, 7), drawn.features[index])
    assert torch.equal(rows.features(2, 5), drawn.features[index[2:5]])
    assert torch.equal(rows.labels(np.array([[1, 0]])), drawn.labels[index[[1, 0]]][None])
    assert torch.equal(rows.main_labels(1, 3), drawn.labels[index[1:3]].mode(1).values.long())


def test_blocks_beyond_the_budget_are_made_again() -> None:
    made: list[int] = []
    blocks = HeldBlocks(lambda number: made.append(number) or torch.ones(4), 3, lambda block: block.nbytes, 40)
    for _ in range(2):
        assert len([block for block in blocks]) == len(blocks) == 3  # noqa: C416 (iterates as a sequence does)
    assert made == [0, 1, 2, 2]
