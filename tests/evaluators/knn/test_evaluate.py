from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from dinobench.evaluators.knn.evaluate import evaluate, knn_classify
from dinobench.evaluators.knn.settings import Settings
from dinobench.runtime.errors import InputError
from dinobench.runtime.settings import resolve


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
    with pytest.raises(InputError, match=says):
        knn_classify(train, labels, test, ks=ks)


def test_refuses_labels_beyond_the_classes():
    train, labels, test, _ = _toy()
    with pytest.raises(InputError, match="2 classes, but a training label is 2"):
        knn_classify(train, labels, test, ks=(1,), num_classes=2)


SETTINGS = {
    "ks": [1, 3],
    "main_k": 3,
    "temperatures": [0.07],
    "features": ["cls"],
    "shots": 0,
    "percent": 100.0,
    "subset": "",
    "lists": "",
    "draws": 1,
    "leave_one_out": False,
    "search": "blocks",
    "unreadable": "stop",
    "predictions": False,
}


@pytest.fixture
def context(folder_context):
    return folder_context


def _evaluate(context, **changes):
    context.settings = resolve(Settings, {**SETTINGS, **changes}, "test")
    return evaluate(context)


def test_evaluate(context):
    scores = _evaluate(context)
    assert scores.metrics["top1"] == scores.metrics["top1_k1"] == 100.0
    assert scores.intervals["top1"] == (100.0, 100.0)
    assert scores.images == {"train": 24, "val": 10}
    assert set(context.manifests) == {"train", "val"}


def test_every_search_gives_the_same(context):
    pytest.importorskip("faiss")
    names = ["blocks", "faiss"]
    both = [_evaluate(context, search=name, predictions=True, ks=[1, 3, 24], main_k=24) for name in names]
    assert both[0].metrics == both[1].metrics
    with pytest.raises(InputError, match="did you mean faiss"):
        _evaluate(context, search="fais")


def test_sweeps_and_draws(context):
    scores = _evaluate(context, temperatures=[0.07, 1.0], shots=2, draws=3)
    assert {"top1", "top1_k1", "top1_T1", "top5_T1_k1", "top1_std"} <= scores.metrics.keys()


def test_leave_one_out(context):
    scores = _evaluate(context, leave_one_out=True, ks=[1, 23], main_k=1)
    assert scores.metrics["top1"] == 100.0
    assert scores.images == {"train": 24, "val": 24}
    with pytest.raises(InputError, match="k <= 23"):
        _evaluate(context, leave_one_out=True, ks=[24], main_k=24)
    with pytest.raises(InputError, match="leave out shots"):
        _evaluate(context, leave_one_out=True, shots=2)


def test_predictions_on_file(context):
    scores = _evaluate(context, predictions=True)
    lines = Path(scores.files[0]).read_text().splitlines()
    assert lines[:2] == ["image,label,predicted,value", "val/dark/dark_00.png,dark,dark,1"]
    assert len(lines) == 11


def test_unreadable_images(context):
    (Path(context.data) / "train" / "dark" / "dark_03.png").write_bytes(b"broken")
    with pytest.raises(InputError, match=r"1 of 24 images of data/train cannot be read: .*03\.png; repair"):
        _evaluate(context)
    scores = _evaluate(context, unreadable="skip")
    assert scores.images["train"] == 23
    assert "dark_03.png" in scores.warnings[0]
    assert scores.not_comparable


def test_training_images_that_cannot_be_read_are_named_first(context):
    for split in ("train", "val"):
        (Path(context.data) / split / "dark" / "dark_03.png").write_bytes(b"broken")
    lines = _evaluate(context, unreadable="skip").warnings
    assert ["data/train" in line for line in lines] == [True, False]


@pytest.mark.parametrize(
    ("changes", "says"),
    [({"main_k": 5}, "main_k = 5 is not among"), ({"ks": [3, 25]}, "k <= 24"), ({"temperatures": [0.0]}, "above 0")],
)
def test_evaluate_refuses(context, changes, says):
    with pytest.raises(InputError, match=says):
        _evaluate(context, **changes)


def test_refuses_other_classes(context):
    (Path(context.data) / "val" / "light").rename(Path(context.data) / "val" / "bright")
    with pytest.raises(InputError, match="class"):
        _evaluate(context)
