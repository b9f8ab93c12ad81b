"""Figure 4's number on the drawn VOC12 folder and on real images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from dinobench.evaluators.attention_segmentation.evaluate import evaluate
from dinobench.evaluators.attention_segmentation.maps import AttentionMaps, attention_maps, whole_patches
from dinobench.evaluators.base import Scores
from dinobench.models.loading.spec import load_backbone
from dinobench.runtime.errors import InputError
from tests.conftest import shared_data
from tests.evaluators.toys import context, overflow, twin_fixture
from tests.group import in_processes

MODEL = "random:vit_mini/4"


twin = twin_fixture("voc12")


def test_both_shares_and_the_floor_are_reported(twin: Path, tmp_path: Path) -> None:
    scores = evaluate(context("voc-attention", "paper", twin, tmp_path, model=MODEL, image_size=48))
    assert set(scores.metrics) == {"jaccard_60", "jaccard_80", "whole_jaccard"}
    assert all(0 < value < 100 for value in scores.metrics.values())
    assert scores.images == {"val": 12}
    assert {Path(file).name for file in scores.files} == {"predictions.parquet", "attention.png"}


def test_a_mask_of_nearly_all_mass_is_the_whole_image(twin: Path, tmp_path: Path) -> None:
    settings = {"image_size": 48, "shares": [1 - 1e-9]}
    scores = evaluate(context("voc-attention", "paper", twin, tmp_path, model=MODEL, **settings))
    assert scores.metrics["jaccard_100"] == pytest.approx(scores.metrics["whole_jaccard"])


def test_void_pixels_count_as_the_setting_says(twin: Path, tmp_path: Path) -> None:
    by_rule = {
        rule: evaluate(context("voc-attention", "paper", twin, tmp_path, model=MODEL, image_size=48, void=rule)).metrics
        for rule in ("background", "left_out")
    }
    assert by_rule["left_out"]["whole_jaccard"] > by_rule["background"]["whole_jaccard"]
    with pytest.raises(InputError, match="left_out"):
        evaluate(context("voc-attention", "paper", twin, tmp_path, model=MODEL, void="ignore"))


def test_real_images(tmp_path: Path) -> None:
    data = shared_data("voc12")
    scores = evaluate(context("voc-attention", "paper", data, tmp_path, model=MODEL, image_size=64))
    assert scores.images == {"val": 3}
    assert scores.metrics["jaccard_60"] > 0


def test_a_convnet_has_no_attention_to_score(twin: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="self-attention"):
        evaluate(context("voc-attention", "paper", twin, tmp_path, model="random:resnet18", image_size=48))


def test_maps_are_the_class_tokens_row_over_patches() -> None:
    model = load_backbone(MODEL)
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (37, 50, 3), dtype=np.uint8))
    maps = attention_maps(model, image, 0, torch.device("cpu"))
    assert maps.pixels.shape == (36, 48, 3)
    frame = (torch.tensor(maps.pixels) / 255 - torch.tensor(model.preprocessing.mean)) / torch.tensor(
        model.preprocessing.std
    )
    with torch.inference_mode():
        expected = model.backbone.attention(frame.permute(2, 0, 1)[None])[0, :, 0, 1:]
    np.testing.assert_allclose(maps.weights.reshape(expected.shape), expected.numpy(), atol=1e-6)


def test_an_image_smaller_than_a_patch_is_refused() -> None:
    with pytest.raises(InputError, match="smaller than one patch"):
        whole_patches(Image.new("RGB", (40, 7)), 0, 8)


def test_processes_share_the_images_and_score_as_one(twin: Path, tmp_path: Path) -> None:
    alone = evaluate(context("voc-attention", "paper", twin, tmp_path, model=MODEL, image_size=48))
    for scores, calls in in_processes(_counted, 2, twin, tmp_path):
        assert (scores.metrics, scores.intervals, scores.images) == (alone.metrics, alone.intervals, alone.images)
        assert calls == 6


def _counted(number: int, data: Path, output: Path) -> tuple[Scores, int]:
    """Scores, and how many images this process looked at."""
    names: list[str] = []

    def counting(*arguments: Any) -> AttentionMaps:
        names.append(arguments[-1])
        return attention_maps(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dinobench.evaluators.attention_segmentation.evaluate.attention_maps", counting)
        return evaluate(context("voc-attention", "paper", data, output, model=MODEL, image_size=48)), len(names)


def test_a_network_that_overflows_gets_no_figure(twin: Path, tmp_path: Path) -> None:
    given = context("voc-attention", "paper", twin, tmp_path, model=MODEL, image_size=48)
    overflow(given.model)
    with pytest.raises(InputError, match=r"attention over .* is not finite; check its weights"):
        evaluate(given)


def test_a_pair_of_sides_is_resized_by_pillow_whatever_the_aspect():
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 77, 3), dtype=np.uint8))
    resized = whole_patches(image, (33, 64), 8, interpolation="bilinear")
    assert resized.size == (32, 64)
    expected = image.resize((33, 64), Image.Resampling.BILINEAR).crop((0, 0, 32, 64))
    assert np.array_equal(np.asarray(resized), np.asarray(expected))
