from __future__ import annotations

import pytest
import torch

from dinobench.evaluators.throughput.evaluate import evaluate, forward_seconds
from dinobench.evaluators.throughput.settings import Settings
from dinobench.models.loading.spec import load_backbone
from dinobench.runtime.errors import InputError
from dinobench.runtime.settings import resolve

SETTINGS = {"batch_size": 2, "image_size": 32, "repeats": 3, "warm_up": 1}


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_counts_parameters_and_passes(folder_context, precision):
    folder_context.model = load_backbone("random:vit_mini/4")
    folder_context.settings, folder_context.precision = resolve(Settings, SETTINGS, "test"), precision
    scores = evaluate(folder_context)
    assert scores.metrics["parameters_m"] == pytest.approx(folder_context.model.parameters / 1e6)
    assert scores.metrics["images_per_second"] > 0
    assert len(scores.details["seconds"]) == 3
    assert "V100" in scores.not_comparable[0]


def test_refuses_nothing_to_time():
    with pytest.raises(InputError, match="repeats of test is 0; give a whole number, at least 1"):
        resolve(Settings, {**SETTINGS, "repeats": 0}, "test")


def test_every_pass_is_waited_for():
    """A device works on when the call has returned; a value that is read has been computed."""
    read = []

    class Output(torch.Tensor):
        def item(self):
            read.append(True)
            return super().item()

    forward_seconds(lambda images: images.as_subclass(Output), torch.zeros(2, 3), repeats=3, warm_up=1)
    assert len(read) == 4
