"""Heads on patches: beside scikit-learn, plain formulas, and the figures of the released code."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from dinobench.evaluators.segmentation.fitting import predicted_classes
from dinobench.evaluators.segmentation.heads import NearestHead, fit_logistic_head
from dinobench.evaluators.segmentation.memory import keep_rare, rarity
from dinobench.evaluators.segmentation.patches import PatchRows
from dinobench.evaluators.segmentation.settings import Settings

CPU = torch.device("cpu")


def _rows(count: int = 400, classes: int = 4, places: int = 6) -> PatchRows:
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(count, 10, generator=generator) * torch.linspace(0.1, 3, 10) + 1
    noisy = features[:, :classes] + 0.3 * torch.randn(count, classes, generator=generator)
    labels = noisy.argmax(1).to(torch.uint8)[:, None].repeat(1, places)
    odd = torch.rand(count, places, generator=generator)
    labels[odd < 0.2] = 255
    labels[odd > 0.9] = 0
    return PatchRows(features, labels)


@pytest.mark.parametrize("c", [0.01, 1.0])
def test_logistic_scores_are_those_of_scikit_learn(c: float) -> None:
    rows = _rows().known()
    features = rows.features.double().numpy()
    standard = (features - features.mean(0)) / features.std(0)
    expected = LogisticRegression(C=c, tol=1e-10, max_iter=5000).fit(standard, rows.main_labels().numpy())
    head, _ = fit_logistic_head(rows, 4, c, Settings(tolerance=1e-7), CPU)
    ours, theirs = head(rows.features).numpy(), expected.decision_function(standard)
    np.testing.assert_allclose(ours - ours.mean(1, keepdims=True), theirs - theirs.mean(1, keepdims=True), atol=3e-4)


def test_a_feature_that_does_not_vary_does_no_harm() -> None:
    rows = _rows()
    rows.features[:, 3] = 2.5
    head, _ = fit_logistic_head(rows, 4, 1.0, Settings(), CPU)
    assert torch.isfinite(head(rows.features)).all()


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
@pytest.mark.parametrize("k", [1, 3, 30])
def test_pixels_are_voted_for_place_by_place(distance: str, k: int) -> None:
    rows, queries = _rows().known(), _rows(37).features + 0.1
    head = NearestHead(rows, 4, k, distance, Settings(head="nearest", votes="pixels", square=True), CPU)
    if distance == "cosine":
        near = torch.nn.functional.normalize(queries) @ torch.nn.functional.normalize(rows.features).T
    else:
        near = -torch.cdist(queries, rows.features)
    expected = rows.labels[near.topk(k).indices].mode(1).values
    assert torch.equal(predicted_classes(head(queries)), expected)


def test_soft_votes_are_shares_weighed_by_similarity() -> None:
    rows, queries = _rows(), _rows(5).features - 0.1
    head = NearestHead(rows, 4, 7, "cosine", Settings(head="nearest", temperature=0.1, void_is_first=True), CPU)
    near = torch.nn.functional.normalize(queries) @ torch.nn.functional.normalize(rows.features).T
    values, places = near.topk(7)
    labels = torch.where(rows.labels == 255, 0, rows.labels).long()
    shares = torch.nn.functional.one_hot(labels, 4).float().mean(1)
    expected = torch.einsum("nk,nkc->nc", torch.softmax(values / 0.1, 1), shares[places])
    torch.testing.assert_close(head(queries), expected, atol=1e-5, rtol=1e-5)


def test_patches_of_rare_classes_are_kept_first() -> None:
    labels = torch.tensor([[1, 1]] * 8 + [[1, 2]] + [[3, 255]], dtype=torch.uint8)
    assert rarity(labels, 4, void_is_first=False).tolist() == [9.0] * 8 + [10.0, 1.0]
    assert rarity(labels, 4, void_is_first=True).tolist() == [9.0] * 8 + [10.0, 2.0]
    rows = PatchRows(torch.arange(10.0)[:, None], labels)
    kept = [keep_rare(rows, 1, 4, False, torch.Generator().manual_seed(seed)).features.item() for seed in range(20)]
    assert kept.count(9.0) > 10
    assert keep_rare(rows, 10, 4, False, torch.Generator()) is rows
