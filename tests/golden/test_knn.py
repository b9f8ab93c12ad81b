"""k-NN against the figures of the released classifier."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch

from dinobench.metrics.knn import blocks_of, knn_classify
from dinobench.metrics.search.nearest import ENGINES, nearest
from tests.golden.conftest import load_golden


@pytest.fixture(params=["float64", "float32"])
def dtype(request):
    return getattr(torch, request.param)


def _tensors(arrays, dtype):
    train, test = (torch.from_numpy(arrays[f"{part}_features"]).to(dtype) for part in ("train", "test"))
    labels, truth = (torch.from_numpy(arrays[f"{part}_labels"]) for part in ("train", "test"))
    return train, labels, test, truth


def _by_temperature(results):
    temperatures = sorted({result["temperature"] for result in results})
    return {value: [result for result in results if result["temperature"] == value] for value in temperatures}


def test_accuracies_and_predictions(dtype):
    golden = load_golden("knn")
    train, labels, test, truth = _tensors(golden.arrays, dtype)
    classes = golden.settings["num_classes"]
    for temperature, results in _by_temperature(golden.settings["results"]).items():
        ks = [result["k"] for result in results]
        found = knn_classify(train, labels, test, ks=ks, temperature=temperature, num_classes=classes, block=37)
        for result in results:
            k = result["k"]
            assert found.accuracy(truth, k) == pytest.approx(result["top1"], abs=1e-9)
            assert found.accuracy(truth, k, 5) == pytest.approx(result["top5_only_voted_classes"], abs=1e-9)
            if (wanted := golden.arrays.get(f"pred_k{k}_T{temperature}")) is not None:
                np.testing.assert_array_equal(found.predicted(k), wanted)


def test_neighbors_and_votes():
    arrays = load_golden("knn").arrays
    train, labels, test, _ = _tensors(arrays, torch.float64)
    stored = [name for name in arrays if re.fullmatch(r"neighbours_k\d+", name)]
    assert stored
    for name in stored:
        k = int(name.removeprefix("neighbours_k"))
        found = nearest(test, blocks_of(train, 300), k, query_block=64)
        np.testing.assert_array_equal(found.indices, arrays[name])
        np.testing.assert_allclose(found.similarities, arrays[f"similarities_k{k}"], rtol=1e-9)
        for votes_name in (name for name in arrays if name.startswith(f"votes_k{k}_T")):
            temperature = float(votes_name.rpartition("T")[2])
            votes = torch.zeros(len(test), arrays[votes_name].shape[1], dtype=torch.float64)
            votes.scatter_add_(1, labels[found.indices], (found.similarities / temperature).exp())
            np.testing.assert_allclose(votes, arrays[votes_name], rtol=1e-9)


def test_ties_where_their_order_does_not_matter(dtype):
    golden = load_golden("knn")
    if "ties" not in golden.settings:
        pytest.skip("no case with ties")
    arrays, settings = golden.under("ties/"), golden.settings["ties"]
    train, labels, test, truth = _tensors(arrays, dtype)
    for temperature, results in _by_temperature(settings["results"]).items():
        ks = [result["k"] for result in results]
        found = knn_classify(train, labels, test, ks=ks, temperature=temperature, num_classes=settings["num_classes"])
        for result in results:
            k = result["k"]
            clear = ~arrays[f"ambiguous_k{k}"]
            predicted = found.predicted(k).numpy()[clear]
            np.testing.assert_array_equal(predicted, arrays[f"pred_k{k}"][clear])
            assert (predicted == truth.numpy()[clear]).sum() == result["correct_among_unambiguous"]


@pytest.mark.parametrize("case", ["", "ties/"])
def test_engines_give_the_same_to_the_last_bit(case):
    golden = load_golden("knn")
    train, labels, test, _ = _tensors(golden.under(case) if case else golden.arrays, torch.float32)
    ks = [result["k"] for result in (golden.settings["ties"] if case else golden.settings)["results"]]
    expected = knn_classify(train, labels, test, ks=ks, engine="exact")
    for engine in ENGINES[1:]:
        if engine == "faiss":
            pytest.importorskip("faiss")
        found = knn_classify(train, labels, test, ks=ks, engine=engine)
        assert all(torch.equal(found.top[k], expected.top[k]) for k in ks)
