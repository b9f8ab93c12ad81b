"""Masks from attention and their Jaccard against the released notebook code and the stated definition."""

from __future__ import annotations

import numpy as np
import pytest

from dinobench.metrics.attention_mask import attention_masks, best_head_jaccard, enlarge_masks, head_jaccard
from tests.golden.conftest import load_golden

VOID_RULES = {"void_left_out": True, "void_as_background": False}


def test_masks_keep_the_stated_share_of_the_mass() -> None:
    golden = load_golden("attention_mask")
    arrays, facts = golden.arrays, golden.settings
    assert facts["cases"]
    for name, case in facts["cases"].items():
        patches = arrays[f"{name}/attention"][:, 1:]
        for share, expected in case.get("thresholds", {}).items():
            masks = attention_masks(patches, float(share))
            np.testing.assert_array_equal(masks, arrays[f"{name}/mask_{share}"].reshape(masks.shape).astype(bool))
            assert masks.sum(axis=1).tolist() == expected["tokens_kept_per_head"]
        if "threshold" in case:
            masks = attention_masks(patches, case["threshold"])
            assert masks.sum(axis=1).tolist() == case["tokens_kept_per_head"]
            if not case["tie_sensitive"]:
                np.testing.assert_array_equal(masks, arrays[f"{name}/mask"].reshape(masks.shape).astype(bool))


def test_jaccard_takes_the_best_head_of_every_object() -> None:
    golden = load_golden("attention_mask")
    arrays, facts = golden.arrays, golden.settings
    means: dict[str, list[float]] = {}
    for name, case in facts["cases"].items():
        for share, expected in case.get("thresholds", {}).items():
            masks = enlarge_masks(arrays[f"{name}/mask_{share}"].astype(bool), case["patch_size"])
            for rule, left_out in VOID_RULES.items():
                scores = head_jaccard(masks, arrays[f"{name}/ground_truth"], void_left_out=left_out)
                np.testing.assert_allclose(scores, arrays[f"{name}/iou_{share}_{rule}"], atol=1e-12)
                assert scores.argmax(axis=1).tolist() == expected["jaccard"][rule]["best_head_per_object"]
                means.setdefault(f"{share}_{rule}", []).append(best_head_jaccard(scores))
    got = {key: float(np.mean(values)) for key, values in means.items()}
    assert got == pytest.approx(facts["mean_over_images"], abs=1e-12)
