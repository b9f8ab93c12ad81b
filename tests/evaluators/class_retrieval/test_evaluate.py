"""Dark and light images ask for their like."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from dinobench.evaluators.base import Scores
from dinobench.evaluators.class_retrieval.evaluate import evaluate
from dinobench.evaluators.class_retrieval.settings import Settings
from dinobench.runtime.errors import InputError
from dinobench.runtime.settings import resolve


def _evaluate(context, **settings: object) -> Scores:
    context.settings = resolve(Settings, settings, "test")
    return evaluate(context)


def test_classes_that_lie_apart_are_found_whole(folder_context) -> None:
    scores = _evaluate(folder_context, ks=[1, 4])
    assert scores.metrics == dict.fromkeys(("map_at_r", "r_precision", "recall_at_1", "recall_at_4"), 100.0)
    assert scores.images == {"val": 10}
    assert len(pd.read_parquet(folder_context.predictions_file)) == 10
    both = _evaluate(folder_context, features=["cls", "mean"])
    assert both.metrics["map_at_r_mean"] == 100.0
    assert _evaluate(folder_context, split="train").images == {"train": 24}


def test_images_alone_in_their_class_and_short_lists_are_said(folder_context) -> None:
    data = Path(folder_context.data)
    for path in sorted((data / "val" / "light").iterdir())[1:]:
        path.unlink()
    scores = _evaluate(folder_context, ks=[1, 8])
    assert "1 of 6 images are alone in their class and ask for nothing" in scores.warnings
    assert "recall beyond 5 places is left out: there are no more other images" in scores.warnings
    assert "recall_at_8" not in scores.metrics
    for path in sorted((data / "val" / "dark").iterdir())[1:]:
        path.unlink()
    with pytest.raises(InputError, match=r"no class of .* has two images"):
        _evaluate(folder_context)
    with pytest.raises(InputError, match="ks is empty"):
        _evaluate(folder_context, ks=[])
