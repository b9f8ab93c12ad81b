from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from dinobench.metrics.knn import knn_classify, vote_weights
from dinobench.metrics.search.nearest import ENGINES


def _toy(train=60, test=7, classes=3):
    generator = torch.Generator().manual_seed(0)
    centers = torch.randn(classes, 16, generator=generator)
    labels, truth = torch.arange(train) % classes, torch.arange(test) % classes
    features = [
        normalize(centers[which] + 0.3 * torch.randn(len(which), 16, generator=generator), dim=1)
        for which in (labels, truth)
    ]
    return features[0], labels, features[1], truth


def test_few_test_images_and_any_k():
    train, labels, test, truth = _toy(test=7)
    found = knn_classify(train, labels, test, ks=(1, 60, 5))
    assert [found.accuracy(truth, k) for k in (1, 5)] == [100.0, 100.0]
    assert sorted(found.top) == [1, 5, 60]


def test_one_class():
    train, _, test, _ = _toy()
    found = knn_classify(train, torch.zeros(len(train), dtype=torch.long), test, ks=(3,))
    assert found.predicted(3).tolist() == [0] * len(test)


def test_classes_without_a_vote_are_never_predicted():
    train, labels, test, truth = _toy()
    found = knn_classify(train, labels, test, ks=(1,), num_classes=10)
    assert (found.top[1][:, 1:] == -1).all()
    assert found.accuracy(truth, 1, 5) == found.accuracy(truth, 1)


def test_a_small_temperature_neither_overflows_nor_loses_votes():
    train, labels, test, _ = _toy()
    found = knn_classify(train, labels, test, ks=(60,), temperature=1e-4)
    nearest_label = labels[(test @ train.T).argmax(1)]
    assert torch.equal(found.predicted(60), nearest_label)
    assert (found.top[60][:, :3] >= 0).all()


def test_memory_mapped_bank_gives_the_same(tmp_path):
    train, labels, test, _ = _toy()
    np.save(tmp_path / "bank.npy", train.numpy())
    mapped = np.load(tmp_path / "bank.npy", mmap_mode="r")
    there, here = (knn_classify(bank, labels, test, ks=(5,)).top[5] for bank in (mapped, train))
    assert torch.equal(there, here)


@pytest.mark.parametrize(
    ("ks", "labels", "says"),
    [
        ((61,), torch.zeros(60, dtype=torch.long), "k <= 60"),
        ((), torch.zeros(60, dtype=torch.long), "ks="),
        ((1,), torch.zeros(59, dtype=torch.long), "59 labels for 60"),
        ((1,), torch.full((60,), -1), "label for every"),
    ],
)
def test_refuses(ks, labels, says):
    train, _, test, _ = _toy()
    with pytest.raises(ValueError, match=says):
        knn_classify(train, labels, test, ks=ks)


def test_refuses_labels_beyond_the_classes():
    train, labels, test, _ = _toy()
    with pytest.raises(ValueError, match="expects 2 classes, but a training label is 2"):
        knn_classify(train, labels, test, ks=(1,), num_classes=2)


@pytest.mark.parametrize("engine", ["auto", *ENGINES])
def test_engines_predict_the_same_where_images_are_repeated_under_other_labels(engine):
    if engine == "faiss":
        pytest.importorskip("faiss")
    generator = torch.Generator().manual_seed(3)
    bank, test = (normalize(torch.randn(count, 64, generator=generator)) for count in (3000, 300))
    bank[1500:1700] = bank[:200]
    labels, ks = torch.arange(3000) % 37, (1, 20, 200)
    found, expected = (knn_classify(bank, labels, test, ks=ks, engine=name) for name in (engine, "exact"))
    assert all(torch.equal(found.top[k], expected.top[k]) for k in ks)


def test_a_vote_stays_a_vote_however_sharp():
    votes = vote_weights(torch.tensor([[0.9, 0.9, 0.1]]), 1e-4)
    assert votes[0, :2].tolist() == [1.0, 1.0]
    assert 0 < votes[0, 2] < 1e-30
