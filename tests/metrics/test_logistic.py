from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch.nn.functional import normalize

from dinobench.metrics.classification import hits, top_classes
from dinobench.metrics.logistic import fit_logistic, logistic_classify


def _toy(classes=4, images=200):
    generator = torch.Generator().manual_seed(0)
    centers = torch.randn(classes, 8, generator=generator)
    labels = torch.arange(images) % classes
    return normalize(centers[labels] + torch.randn(images, 8, generator=generator), dim=1), labels


def test_equals_scikit_learn():
    features, labels = _toy()
    fit = fit_logistic(features.double(), labels, 4, tolerance=1e-9)
    other = LogisticRegression(C=10.0, fit_intercept=False, tol=1e-10, max_iter=10_000)
    other.fit(features.numpy().astype(np.float64), labels.numpy())
    np.testing.assert_allclose(fit.weight, other.coef_, atol=1e-3)
    assert fit.converged


def test_the_gap_bounds_the_distance_from_the_optimum():
    features, labels = _toy()
    rough = fit_logistic(features.double(), labels, 4, tolerance=0.05)
    exact = fit_logistic(features.double(), labels, 4, tolerance=1e-10)
    assert 0 <= rough.objective - exact.objective <= rough.gap
    assert rough.iterations < exact.iterations


def test_the_default_classifies_as_the_minimum_does():
    generator = torch.Generator().manual_seed(0)
    centers = torch.randn(10, 192, generator=generator)
    labels, asked = torch.arange(400) % 10, torch.arange(2000) % 10
    features, test = (
        normalize(centers[some] + 3 * torch.randn(len(some), 192, generator=generator)) for some in (labels, asked)
    )
    right = [
        [
            hits(top_classes(test @ fit_logistic(features, labels, 10, **how).weight.T), asked, top).sum()
            for top in (1, 5)
        ]
        for how in ({}, {"tolerance": 1e-7}, {"tolerance": 1e-3})
    ]
    assert right[0] == right[1] != right[2]


def test_says_when_it_did_not_converge():
    features, labels = _toy()
    fit = fit_logistic(features, labels, 4, max_iterations=2)
    assert not fit.converged
    assert fit.iterations == 2


def test_one_class():
    features, _ = _toy()
    assert fit_logistic(features, torch.zeros(len(features), dtype=torch.long), 1).converged


def test_classifies_arrays_of_any_length():
    features, labels = _toy()
    found = logistic_classify(7 * features.numpy(), labels.numpy(), features.numpy())
    assert found.fit.converged
    assert found.accuracy(labels) == 100 * (found.predicted == labels).double().mean()
    assert found.accuracy(labels) > 80
    assert torch.equal(found.top, logistic_classify(features, labels, features).top)


def test_refuses_labels_that_do_not_fit():
    features, labels = _toy()
    with pytest.raises(ValueError, match="3 labels for 200 training features"):
        logistic_classify(features, labels[:3], features)
    with pytest.raises(ValueError, match="must lie in 0 to 1"):
        logistic_classify(features, labels, features, num_classes=2)
