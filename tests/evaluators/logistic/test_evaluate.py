from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch.nn.functional import normalize

from dinobench.evaluators.logistic.evaluate import evaluate, fit_logistic
from dinobench.evaluators.logistic.settings import Settings
from dinobench.metrics.classification import hits, top_classes
from dinobench.runtime.errors import InputError
from dinobench.runtime.settings import resolve

SETTINGS = {
    "feature": "cls",
    "penalty": 0.1,
    "tolerance": 1e-3,
    "max_iterations": 1000,
    "shots": 0,
    "percent": 100.0,
    "subset": "",
    "draws": 1,
    "lists": "",
    "unreadable": "stop",
    "predictions": False,
}


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


def _evaluate(context, **changes):
    context.settings = resolve(Settings, {**SETTINGS, **changes}, "test")
    return evaluate(context)


def test_evaluate(folder_context):
    scores = _evaluate(folder_context, predictions=True)
    assert scores.metrics == {"top1": 100.0, "top5": 100.0}
    assert scores.details["fits"][0]["converged"]
    assert scores.details["fits"][0]["images"] == 24
    assert scores.files


def test_low_shot_draws_and_lists(folder_context, tmp_path):
    scores = _evaluate(folder_context, percent=25.0, draws=2)
    assert [fit["images"] for fit in scores.details["fits"]] == [6, 6]
    assert "top1_std" in scores.metrics
    (tmp_path / "few.txt").write_text("dark_00.png\nlight_00.png\n")
    listed = _evaluate(folder_context, subset="few.txt", lists=str(tmp_path))
    assert listed.details["fits"][0]["images"] == 2


def test_warns_of_a_poor_fit_and_refuses(folder_context):
    assert "raise max_iterations" in _evaluate(folder_context, max_iterations=1).warnings[0]
    with pytest.raises(InputError, match=r"listed in 1percent\.txt, which is not at"):
        _evaluate(folder_context, subset="1percent.txt")
    with pytest.raises(InputError, match=r"penalty of test is 0\.0; give a number, above 0"):
        _evaluate(folder_context, penalty=0.0)
