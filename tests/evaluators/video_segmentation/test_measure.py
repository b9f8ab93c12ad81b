"""What is timed of one frame: as many frames before it, and pictures as large, as in a run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dinobench.evaluators.common.costs import DataFacts, NetworkShape
from dinobench.evaluators.video_segmentation import measure
from dinobench.evaluators.video_segmentation.cost import cost
from dinobench.evaluators.video_segmentation.memory import FAR, MemoryPropagator
from tests.evaluators.toys import context

STORED = (100, 170)


def _run(protocol: str, monkeypatch: pytest.MonkeyPatch, **settings: object) -> tuple[int, int]:
    """Follow one frame as the measurement does; the size of the mask that was written."""
    made = context("davis", protocol, Path("absent"), Path(), "random:vit_mini/8", **settings)
    network = NetworkShape(dim=64, depth=2, patch=8, side=32, parameters=1000)
    (stage,) = cost(made.settings, network, DataFacts({"val": 10}, height=STORED[0], width=STORED[1]), 1).stages
    written: list[np.ndarray] = []
    monkeypatch.setattr(measure, "write_labels", lambda path, mask: written.append(mask))
    measure.measured_work(made, stage.work)(1)
    (mask,) = written
    return mask.shape


@pytest.mark.parametrize("protocol", ["paper", "ct", "stc", "dinov3"])
def test_pictures_have_the_size_of_the_stored_frame(protocol: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _run(protocol, monkeypatch, image_size=64) == STORED


def test_the_memory_is_as_full_as_in_a_long_video(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[int]] = []
    step = MemoryPropagator.step

    def noted(self: MemoryPropagator, features: object) -> object:
        seen.append([self._done - number for number in self._references()])
        return step(self, features)

    monkeypatch.setattr(MemoryPropagator, "step", noted)
    assert _run("mast", monkeypatch, image_size=64, radius=2) == STORED
    (away,) = seen
    assert [distance > FAR for distance in away] == [True, True, False, False, False]
