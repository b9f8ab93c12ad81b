"""A head of ImageNet's rows on drawn folders: classes by name, number, several labels, corruptions, and no cover."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
import torch
from torch import Tensor

import dinobench
from dinobench.data.check import check_layout
from dinobench.data.imagenet_classes import real_labels, wnids
from dinobench.evaluators.base import Scores
from dinobench.evaluators.corruption_errors.evaluate import evaluate as evaluate_corruptions
from dinobench.evaluators.head_transfer.evaluate import evaluate
from dinobench.evaluators.head_transfer.rows import correct_images
from dinobench.evaluators.linear.head_file import save_head
from dinobench.evaluators.linear.heads import LinearHead
from dinobench.metrics.corruptions import ALEXNET, mean_corruption_error
from dinobench.models.loading.spec import load_backbone
from dinobench.runtime.errors import InputError
from tests.evaluators.toys import context, picture

MODEL = "random:vit_mini/8"
CHOSEN = (7, 3, 900)


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A head that tells the three pictures apart, and puts each with the row of CHOSEN."""
    path = tmp_path_factory.mktemp("head") / "head.safetensors"
    model = dinobench.load_backbone(MODEL)
    features = model(torch.stack([model.transform(picture(seed)) for seed in range(3)])).cls.double().clone()
    rows = torch.linalg.pinv(features - features.mean(0)).T
    weight, bias = torch.zeros(1000, features.shape[1]), torch.full((1000,), -100.0)
    weight[list(CHOSEN)], bias[list(CHOSEN)] = rows.float(), -(rows @ features.mean(0)).float()
    save_head(path, LinearHead(weight, bias), "cls", wnids())
    return path


def _folders(root: Path, names: list[str]) -> Path:
    for seed, name in enumerate(names):
        (root / name).mkdir(parents=True)
        picture(seed).save(root / name / f"{seed}.png")
    return root


def _evaluate(task: str, data: Path, output: Path, head: Path | str, **settings: object) -> Scores:
    protocol = str(settings.pop("protocol", "linear"))
    given = context(task, protocol, data, output, MODEL, head=str(head), features=("cls",), **settings)
    return (evaluate_corruptions if task == "imagenet-c" else evaluate)(given)


def _names(order: tuple[int, ...] = CHOSEN) -> list[str]:
    return [wnids()[row] for row in order]


def test_folders_are_scored_by_name_and_by_number(head: Path, tmp_path: Path) -> None:
    for kind, names in (("names", _names()), ("numbers", [str(row) for row in CHOSEN])):
        scores = _evaluate("imagenet-v2", _folders(tmp_path / kind, names), tmp_path, head)
        assert scores.metrics["top1"] == 100
        assert scores.details["chosen_among"] == 1000
    wrong = _evaluate("imagenet-r", _folders(tmp_path / "wrong", _names((3, 7, 900))), tmp_path, head)
    assert wrong.metrics["top1"] == pytest.approx(100 / 3)
    assert wrong.metrics["top5"] == 100
    assert wrong.details["chosen_among"] == 3
    kept = pd.read_parquet(tmp_path / "predictions.parquet")
    assert sorted(kept["value"]) == [0, 0, 1]


def test_any_of_the_reassessed_labels_is_right(head: Path, tmp_path: Path) -> None:
    empty = next(number for number, labels in enumerate(real_labels(), 1) if not labels)
    several = next(number for number, labels in enumerate(real_labels(), 1) if len(labels) > 1)
    folder = tmp_path / "data" / "val" / _names()[0]
    folder.mkdir(parents=True)
    for number in (empty, several):
        picture(0).save(folder / f"ILSVRC2012_val_{number:08d}.png")
    scores = _evaluate("imagenet-real", tmp_path / "data", tmp_path, head)
    assert (scores.details["without_class"], scores.details["scored"]) == (1, 1)
    accepted = [real_labels()[several - 1]]
    logits = torch.zeros(1, 1000)
    logits[0, accepted[0][1]] = 1
    assert correct_images(logits, accepted, range(1000), 1).tolist() == [True]
    picture(1).save(folder / "other.png")
    with pytest.raises(InputError, match=r"other.png is not one of ImageNet's validation images"):
        _evaluate("imagenet-real", tmp_path / "data", tmp_path, head)


def test_objectnet_counts_the_classes_that_imagenet_has(head: Path, tmp_path: Path) -> None:
    base = tmp_path / "objectnet"
    _folders(base / "images", ["alarm_clock", "banana", "candle_stick"])
    maps = base / "mappings"
    maps.mkdir()
    folders = {"alarm_clock": "Alarm clock", "banana": "Banana", "candle_stick": "Candle stick"}
    (maps / "folder_to_objectnet_label.json").write_text(json.dumps(folders))
    (maps / "objectnet_to_imagenet_1k.json").write_text(json.dumps({"Alarm clock": "two, b; one", "Banana": "three"}))
    (maps / "imagenet_to_label_2012_v2").write_text("one\ntwo, b\nthree\n")
    (maps / "pytorch_to_imagenet_2012_id.json").write_text(json.dumps({"7": 0, "8": 1, "900": 2}))
    scores = _evaluate("objectnet", base, tmp_path, head)
    assert (scores.details["without_class"], scores.details["scored"]) == (1, 2)
    assert scores.metrics["top1"] == 50
    (maps / "pytorch_to_imagenet_2012_id.json").write_text(json.dumps({"7": 0}))
    with pytest.raises(InputError, match="does not lead from alarm_clock to ImageNet's classes"):
        _evaluate("objectnet", base, tmp_path, head)


def test_corruptions_are_scored_one_by_one(head: Path, tmp_path: Path) -> None:
    root = tmp_path / "c"
    for corruption, order in (("fog", CHOSEN), ("spatter", (3, 7, 900))):
        for severity in range(1, 6):
            place = root / "weather" / corruption if corruption == "fog" else root / corruption
            _folders(place / str(severity), _names(order))
    assert check_layout("imagenet_c", root).counts == {"corruptions": 2, "images": 30}
    scores = _evaluate("imagenet-c", root, tmp_path, head)
    assert scores.metrics == {"accuracy": 100.0}
    assert scores.details["error_of_corruption"] == {"fog": 0, "spatter": pytest.approx(200 / 3)}
    assert "14 of the 15 corruptions of the mean corruption error are missing" in scores.not_comparable[0]
    assert len(pd.read_parquet(tmp_path / "corruptions.parquet")) == 10
    shutil.rmtree(root / "spatter" / "5")
    assert "spatter has severities 1, 2, 3, 4" in check_layout("imagenet_c", root).problems[0]


def test_the_mean_corruption_error_is_the_released_one() -> None:
    """AlexNet's own errors give 100; a half of them 50 (compute_relative_average_scores of DINOv3's kit, times 100)."""
    assert mean_corruption_error(ALEXNET) == pytest.approx(100)
    assert mean_corruption_error({name: error / 2 for name, error in ALEXNET.items()}) == pytest.approx(50)
    assert sum(ALEXNET.values()) / 15 == pytest.approx(0.788993, abs=1e-6)


@pytest.mark.parametrize("protocol", ["knn", "logistic"])
def test_classifiers_of_training_images_take_the_head_s_place(protocol: str, tmp_path: Path) -> None:
    train, data = tmp_path / "imagenet", _folders(tmp_path / "data", _names())
    _folders(train / "train", [*_names(), wnids()[5]])
    given = {"protocol": protocol, "train": str(train)}
    scores = _evaluate("imagenet-r", data, tmp_path, "", **given)
    assert scores.metrics["top1"] == 100
    assert (scores.images["train"], scores.details["chosen_among"]) == (4, 3)
    near = _evaluate("imagenet-v2", data, tmp_path, "", **given, **({"k": 1} if protocol == "knn" else {}))
    assert (near.metrics["top1"], near.metrics["top5"], near.details["chosen_among"]) == (100, 100, 4)
    for severity in range(1, 6):
        _folders(tmp_path / "c" / "fog" / str(severity), _names((3, 7, 900)))
    assert _evaluate("imagenet-c", tmp_path / "c", tmp_path, "", **given).metrics["accuracy"] == pytest.approx(100 / 3)
    with pytest.raises(InputError, match="name them with --set train=FOLDER"):
        _evaluate("imagenet-r", data, tmp_path, "", protocol=protocol)
    with pytest.raises(InputError, match="does not cover 1 classes"):
        _evaluate("imagenet-r", _folders(tmp_path / "more", _names((7, 3, 8))), tmp_path, "", **given)
    _folders(train / "train", ["cats"])
    with pytest.raises(InputError, match="has a class cats that is not one of ImageNet's"):
        _evaluate("imagenet-r", data, tmp_path, "", **given)


def test_a_class_without_a_vote_is_never_right() -> None:
    votes = torch.tensor([[1.0, -torch.inf, -torch.inf]])
    assert correct_images(votes, [(1,)], [1, 2], 2).tolist() == [False]
    assert correct_images(votes, [(0,)], [0, 1, 2], 1).tolist() == [True]


def test_heads_and_folders_that_do_not_fit_are_refused(head: Path, tmp_path: Path) -> None:
    data = _folders(tmp_path / "data", _names())
    with pytest.raises(InputError, match="give --set head=FILE"):
        _evaluate("imagenet-r", data, tmp_path, "")
    _save(tmp_path / "few.safetensors", ("cat", "dog"))
    with pytest.raises(InputError, match="has 2 rows that are not classes of ImageNet"):
        _evaluate("imagenet-r", data, tmp_path, tmp_path / "few.safetensors")
    _save(tmp_path / "part.safetensors", (wnids()[7], wnids()[3]))
    with pytest.raises(InputError, match=f"does not cover 1 classes of data/val .{wnids()[900]}."):
        _evaluate("imagenet-r", data, tmp_path, tmp_path / "part.safetensors")
    _save(tmp_path / "wide.safetensors", wnids(), width=5)
    with pytest.raises(InputError, match="reads 5 numbers per image"):
        _evaluate("imagenet-r", data, tmp_path, tmp_path / "wide.safetensors")
    with pytest.raises(InputError, match="has a class folder cats, which is not a class of ImageNet"):
        _evaluate("imagenet-r", _folders(tmp_path / "other", ["cats", wnids()[7]]), tmp_path, head)


def _save(path: Path, names: tuple[str, ...], width: int = 0) -> None:
    rows: Tensor = torch.zeros(len(names), width or load_backbone(MODEL).backbone.dim)
    save_head(path, LinearHead(rows, torch.zeros(len(names))), "cls", names)
