from __future__ import annotations

import math

import pytest

from dinobench.runtime.errors import RunFailedError
from dinobench.training.diagnostics import check_finite, diagnose_collapse, diagnose_features, diagnose_use

LN = math.log(1024)


@pytest.mark.parametrize(
    ("entropy", "divergence", "past_warmup", "name"),
    [
        (0.001, 0.001, False, "collapse to one dimension"),
        (LN, 1e-5, True, "collapse to uniform"),
        (LN, 0.5, True, "plateau"),
        (0.994 * LN, 0.02, True, "collapse to uniform"),
        (0.994 * LN, 0.5, True, None),
        (0.98 * LN, 0.015 * LN, True, "plateau"),
        (LN, 1e-5, False, None),  # a network before its warm-up ends
        (4.6, 0.65, True, None),
        (0.001, 0.5, True, None),
    ],
)
def test_entropy_and_divergence_name_the_collapse(entropy, divergence, past_warmup, name):
    found = diagnose_collapse(entropy, divergence, 1024, past_warmup=past_warmup)
    assert (found and found.name) == name
    if found:
        assert "\n" not in str(found)
        assert found.fatal == (divergence < 0.01)  # near its end, nothing but a warning


def test_few_outputs_in_use_are_named_whatever_their_number():
    assert diagnose_use(2.0, 64, 1024).name == "collapse to few dimensions"
    assert diagnose_use(2.0, 64, 1024).fatal is False
    assert "2.0 of 1024" in str(diagnose_use(2.0, 64, 1024))
    assert diagnose_use(30.0, 64, 1024) is None
    assert diagnose_use(2.0, 64, 16) is None  # an eighth of all there are


def test_features_must_pass_the_untrained_ones():
    assert diagnose_features(27.9, 27.9).name == "does not learn"
    assert diagnose_features(28.0, 27.9) is None


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_a_loss_that_is_not_finite(loss):
    check_finite(3.0, 1)
    with pytest.raises(RunFailedError, match="at step 7"):
        check_finite(loss, 7)
