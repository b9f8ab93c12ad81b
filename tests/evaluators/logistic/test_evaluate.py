from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from dinobench.evaluators.logistic.evaluate import _fit, _prepared, evaluate
from dinobench.evaluators.logistic.settings import Settings
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


def _evaluate(context, **changes):
    context.settings = resolve(Settings, {**SETTINGS, **changes}, "test")
    return evaluate(context)


def test_evaluate(folder_context):
    scores = _evaluate(folder_context, predictions=True)
    assert scores.metrics == {"top1": 100.0, "top5": 100.0, "mean_per_class": 100.0}
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


def test_rows_without_their_own_mean_as_msn_has_them(folder_context):
    rows = torch.randn(3, 8, generator=torch.Generator().manual_seed(0))
    for row, unit in zip(rows, _prepared(rows, Settings(center=True)), strict=True):
        torch.testing.assert_close(unit, (row - row.mean()) / (row - row.mean()).norm())
    fits = []
    for center in (False, True):
        fits += _evaluate(folder_context, center=center).details["fits"]
    assert fits[0]["objective"] != fits[1]["objective"]


def test_c_is_chosen_on_held_out_images_and_all_are_fitted_then(folder_context):
    scores = _evaluate(folder_context, cs=[1e-6, 10.0], held_out=0.25, unit_length=False, intercept=True)
    (held,) = scores.details["held_out"]
    assert [each["C"] for each in held] == [1e-6, 10.0]
    assert held[1]["top1"] >= held[0]["top1"]
    assert scores.details["chosen_C"] == [max(held, key=lambda each: each["top1"])["C"]]
    assert scores.details["fits"][0]["images"] == 24
    with pytest.raises(InputError, match="24 training images cannot be held out by 0"):
        _evaluate(folder_context, cs=[1.0], held_out=0.01)


def test_a_fit_with_intercepts_is_scikit_learns():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 300)
    rows = rng.normal(size=(300, 6)) + 0.7 * rng.normal(size=(4, 6))[labels] + 3
    settings = Settings(unit_length=False, intercept=True, tolerance=1e-8)
    features = _prepared(torch.from_numpy(rows).float(), settings)
    for c in (0.01, 1.0, 100.0):
        fit = _fit(settings, features, torch.from_numpy(labels), 4, 1 / c)
        other = LogisticRegression(C=c, tol=1e-10, max_iter=10_000).fit(rows, labels)
        ours = torch.softmax(features @ fit.weight.T, 1).double().numpy()
        assert np.abs(ours - other.predict_proba(rows)).max() < 5e-4
