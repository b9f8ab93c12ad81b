"""Equal to the released copy-detection code: AP over lists, blocks, whitening, pooling."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dinobench.data.layouts.copydays import pair_copies
from dinobench.evaluators.common.ranking.pooling import find_pooling, gem
from dinobench.metrics.ranking import positions_in_list, trapezoid_ap
from dinobench.metrics.whitening import l2_normalize, learn_whitening
from dinobench.models.networks.backbone import Features
from tests.golden.conftest import load_golden


def cases(arrays: dict[str, np.ndarray], prefix: str) -> list[str]:
    return sorted({name.split("/")[0] for name in arrays if name.startswith(prefix)})


def test_average_precision_of_lists() -> None:
    golden = load_golden("copydays")
    lists = zip(golden.arrays["lists/ids"], golden.settings["lists_positives"], golden.arrays["lists/ap"], strict=True)
    for ids, positives, expected in lists:
        if len(np.unique(ids)) < len(ids):  # the released code scores such a list above 1
            with pytest.raises(ValueError, match="more than once"):
                positions_in_list(ids, positives)
        else:
            assert trapezoid_ap(positions_in_list(ids, positives), len(positives)) == pytest.approx(expected, abs=1e-12)


def test_every_block_of_the_full_set() -> None:
    golden = load_golden("copydays")
    if "full/ids" not in golden.arrays:
        pytest.skip("no full case")
    full = golden.settings["full"]
    start = 0
    for block, size in zip(full["block_names"], full["block_sizes"], strict=True):
        copies = full["strong"] if block == "strong" else full["originals"]
        positives = pair_copies(block, copies, full["originals"]).positives
        assert len(positives) == size
        lists = golden.arrays["full/ids"][start : start + size]
        start += size
        values = [
            trapezoid_ap(positions_in_list(ids, wanted), len(wanted))
            for ids, wanted in zip(lists, positives, strict=True)
        ]
        assert np.mean(values) == pytest.approx(full["mAP_per_block"][block], rel=0, abs=1e-12)


def test_whitening() -> None:
    golden = load_golden("copydays")
    for case in cases(golden.arrays, "whit"):
        arrays = {name: array.astype(np.float64) for name, array in golden.under(f"{case}/").items()}
        settings = golden.settings["whitening"][case]
        how = {"power": settings["power"], "floor": settings["floor_relative"]}
        for centered, expected in ((False, "similarity"), (True, "similarity_centred_variant")):
            whitening = learn_whitening(arrays["features"], centered=centered, **how)
            queries, database = (l2_normalize(whitening.apply(arrays[name])) for name in ("queries", "database"))
            similarity = queries @ database.T
            np.testing.assert_allclose(similarity, arrays[expected], rtol=0, atol=1e-9)
            if not centered:
                count = arrays["top20_ids"].shape[1]
                np.testing.assert_array_equal(np.argsort(-similarity, axis=1)[:, :count], arrays["top20_ids"])


def test_pooling() -> None:
    golden = load_golden("copydays")
    for case in cases(golden.arrays, "gem"):
        settings = golden.settings[case]
        for dtype, tolerance in ((torch.float64, 1e-12), (torch.float32, 1e-5)):
            tokens = torch.from_numpy(golden.arrays[f"{case}/tokens"]).to(dtype)
            expected = torch.from_numpy(golden.arrays[f"{case}/output"]).to(dtype)
            patches = tokens[:, 1:].unflatten(1, settings["grid"])
            found = find_pooling("cls+gem", float(settings["p"]))(Features(tokens[:, 0], patches))
            torch.testing.assert_close(found, expected, rtol=tolerance, atol=0)
            assert gem(patches, settings["p"], settings["clamp_min"]).min() > 0
