"""Propagated labels, their upsampling and the reading of frames against the released code."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dinobench.evaluators.video_segmentation.frames import (
    label_map,
    one_hot_labels,
    read_frame_tensor,
    stretch_channels,
    upsample,
)
from dinobench.evaluators.video_segmentation.propagation import Propagation, propagate_video
from dinobench.evaluators.video_segmentation.sizes import frame_size
from tests.golden.conftest import Golden, load_golden

PAPER_STD = (0.228, 0.224, 0.225)


def _settings(case: dict) -> Propagation:
    return Propagation(case["n_last_frames"], case["neighbourhood"], case["topk"], case["temperature"])


def _soft(golden: Golden, name: str, dtype: torch.dtype) -> torch.Tensor:
    features = torch.from_numpy(golden.arrays[f"{name}/features"]).to(dtype)
    first = torch.from_numpy(golden.arrays[f"{name}/first_one_hot"]).to(dtype).permute(1, 2, 0)
    frames = list(propagate_video(features, first, _settings(golden.settings["cases"][name])))
    return torch.stack(frames).permute(0, 3, 1, 2)


@pytest.mark.parametrize("dtype, tolerance", [(torch.float64, 1e-9), (torch.float32, 1e-5)])
def test_soft_labels(dtype: torch.dtype, tolerance: float) -> None:
    golden = load_golden("davis_propagation")
    assert golden.settings["cases"]
    for name in golden.settings["cases"]:
        soft = _soft(golden, name, dtype)
        np.testing.assert_allclose(soft.numpy(), golden.arrays[f"{name}/soft"], atol=tolerance, err_msg=name)


def test_output_masks_and_upsampled_labels() -> None:
    golden = load_golden("davis_propagation")
    for name, case in golden.settings["cases"].items():
        soft = torch.from_numpy(golden.arrays[f"{name}/soft"])
        height, width = case["output_size"]
        masks = [label_map(frame, case["patch_size"], (height, width)) for frame in soft]
        np.testing.assert_array_equal(np.stack(masks), golden.arrays[f"{name}/output"], err_msg=name)
        normed = stretch_channels(upsample(soft[-1], case["patch_size"]))
        np.testing.assert_allclose(normed.numpy(), golden.arrays[f"{name}/normed_last"], atol=1e-9)


def test_channels_are_stretched_by_the_released_rule() -> None:
    golden = load_golden("davis_propagation")
    names = sorted(key.removesuffix("/in") for key in golden.arrays if key.startswith("norm") and key.endswith("/in"))
    assert names
    for name in names:
        stretched = stretch_channels(torch.from_numpy(golden.arrays[f"{name}/in"]))
        np.testing.assert_allclose(stretched.numpy(), golden.arrays[f"{name}/out"], atol=1e-12)
        np.testing.assert_array_equal(stretched.argmax(dim=0).numpy(), golden.arrays[f"{name}/argmax"])


def test_frames_and_first_masks_are_read_as_released() -> None:
    golden = load_golden("davis_propagation")
    assert golden.settings["reading"]
    for name, case in golden.settings["reading"].items():
        size = frame_size(case["height"], case["width"], case["short_side"])
        frame = read_frame_tensor(golden.arrays[f"{name}/image_rgb"], size, (0.485, 0.456, 0.406), PAPER_STD)
        np.testing.assert_allclose(frame.half().numpy(), golden.arrays[f"{name}/frame"], rtol=0, atol=1e-4)
        grid = tuple(side // case["patch_size"] for side in size)
        one_hot = one_hot_labels(golden.arrays[f"{name}/mask"], grid)
        np.testing.assert_array_equal(one_hot.numpy(), golden.arrays[f"{name}/one_hot"])


def test_frame_sizes() -> None:
    rules = load_golden("davis_propagation").settings["size_rule_480"]
    assert rules
    for rule in rules:
        height, width = frame_size(rule["height"], rule["width"], 480)
        assert [height, width] == rule["frame"]
        if rule["height"] != rule["width"]:  # the released code transposes the labels of square frames
            assert [height // 16, width // 16] == rule["token_labels_patch16"]
