from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from dinobench.cards import load_tasks
from dinobench.data.layouts import inat
from dinobench.data.registry import dataset_layouts, get_twin
from dinobench.evaluators.base import EvaluationContext, Scores
from dinobench.evaluators.finetune.evaluate import evaluate
from dinobench.evaluators.finetune.settings import Settings
from dinobench.models.loading.spec import load_backbone
from dinobench.runtime.errors import InputError
from dinobench.runtime.files import sha256_file
from dinobench.runtime.settings import resolve


def _context(
    tmp_path: Path, name: str = "cifar10", *, model: str = "random:vit_mini/4", **changes: Any
) -> EvaluationContext:
    root = tmp_path / name
    if not root.exists():
        get_twin(name).write(root)
    card = load_tasks()[f"finetune-{name}"]
    short = {"epochs": 2, "warmup_epochs": 0, **changes}
    run = {key: short.pop(key) for key in ("seed", "precision") if key in short}
    settings = resolve(Settings, short, card.name, card.protocol("quick").settings)
    return EvaluationContext(
        task=card.name,
        model=load_backbone(model),
        data=str(root),
        layout=dataset_layouts()[name],
        settings=settings,
        output=tmp_path / "output",
        device=torch.device("cpu"),
        workers=1,
        batch_size=settings.forward_batch,
        **run,
    )


@pytest.fixture
def scores(tmp_path: Path) -> Scores:
    return evaluate(_context(tmp_path))


def test_metrics_intervals_and_counts(scores: Scores) -> None:
    assert set(scores.metrics) == {"top1", "top5", "best_top1", "best_epoch"}
    assert scores.metrics["top1"] <= scores.metrics["top5"]
    assert scores.metrics["best_top1"] >= scores.metrics["top1"]
    assert scores.metrics["best_epoch"] in (1, 2)
    low, high = scores.intervals["top1"]
    assert low <= scores.metrics["top1"] <= high
    assert scores.images == {"train": 120, "val": 60}


def test_the_history_holds_both_epochs_and_the_rate_after_scaling(scores: Scores) -> None:
    history = scores.details["history"]
    assert [entry["epoch"] for entry in history] == [1, 2]
    assert history[-1]["test"] == pytest.approx(scores.metrics["top1"])
    assert max(entry["test"] for entry in history) == pytest.approx(scores.metrics["best_top1"])
    assert scores.details["lr_after_scaling"] == 1e-3
    assert scores.details["best_epoch_chosen_on"] == "test"
    json.dumps(scores.details)


def test_the_loaded_model_is_left_as_it_was(tmp_path: Path) -> None:
    context = _context(tmp_path)
    before = {name: tensor.clone() for name, tensor in context.model.backbone.state_dict().items()}
    evaluate(context)
    after = context.model.backbone.state_dict()
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())
    assert not context.model.backbone.training


def test_predictions_are_written_and_the_checkpoint_is_named_for_deletion(tmp_path: Path) -> None:
    context = _context(tmp_path)
    scores = evaluate(context)
    kept = pd.read_parquet(context.predictions_file)
    assert len(kept) == 60
    assert kept["value"].mean() * 100 == pytest.approx(scores.metrics["top1"])
    assert scores.temporary == [context.output / "checkpoint.pth"]


def test_weights_are_kept_on_demand_and_load_again(tmp_path: Path) -> None:
    context = _context(tmp_path, save_weights=True)
    scores = evaluate(context)
    path = context.output / "finetuned.pth"
    assert str(path) in scores.files
    state = torch.load(path, weights_only=True)["model"]
    assert state["head.weight"].shape == (10, 96)
    assert not torch.equal(state["backbone.cls_token"], context.model.backbone.state_dict()["cls_token"])
    again, start = load_backbone(str(path)), context.model
    assert (again.architecture, again.preprocessing) == (start.architecture, start.preprocessing)
    assert again.backbone.shape.heads == start.backbone.shape.heads == 3


def test_the_seed_decides_the_whole_run(tmp_path: Path) -> None:
    digests = []
    for number, seed in enumerate((0, 0, 1)):
        context = _context(tmp_path, seed=seed, save_weights=True)
        context.output = tmp_path / str(number)
        evaluate(context)
        digests.append(torch.load(context.output / "finetuned.pth", weights_only=True)["model"]["head.weight"])
    assert torch.equal(digests[0], digests[1])
    assert not torch.equal(digests[0], digests[2])


def test_held_out_images_come_out_of_the_training_images(tmp_path: Path) -> None:
    scores = evaluate(_context(tmp_path, held_out=0.25))
    assert scores.details["best_epoch_chosen_on"] == "held_out"
    assert scores.images["train"] == 120
    assert scores.details["batch"] == 64
    assert all("held_out" in entry for entry in scores.details["history"])


def test_a_batch_larger_than_the_set_is_said_to_be_cut(tmp_path: Path) -> None:
    scores = evaluate(_context(tmp_path, batch_size=768))
    assert scores.details["batch"] == 120
    assert "batches of 120 in place of 768" in scores.not_comparable[0]


def test_32_pixel_images_are_resized_to_the_recipes_size(tmp_path: Path) -> None:
    scores = evaluate(_context(tmp_path, image_size=64, epochs=1))
    assert scores.images["val"] == 60


@pytest.mark.parametrize("name", ["cifar100", "inat18", "inat19", "flowers", "cars"])
def test_the_other_twins_are_tuned_too(name: str, tmp_path: Path) -> None:
    scores = evaluate(_context(tmp_path, name, epochs=1))
    assert scores.images == {"train": 192, "val": 96}
    assert 0 <= scores.metrics["top1"] <= 100


def test_a_convnet_can_be_tuned(tmp_path: Path) -> None:
    context = _context(
        tmp_path, model="random:resnet18", epochs=1, image_size=32, layer_decay=1.0, channels_last=True, optimizer="sgd"
    )
    assert evaluate(context).images["val"] == 60


def test_a_run_of_other_classes_is_not_resumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context = _context(tmp_path, "flowers")
    monkeypatch.setattr(Path, "unlink", lambda *_, **__: None)  # as if killed just before the end
    evaluate(context)
    other = _context(tmp_path, "inat19")
    before = sha256_file(context.output / "checkpoint.pth")
    with pytest.raises(InputError, match="classes was 102 and is 16") as caught:
        evaluate(other)
    assert "\n" not in str(caught.value)
    assert sha256_file(context.output / "checkpoint.pth") == before
    evaluate(_context(tmp_path, "inat19", resume=False))


def test_splits_of_other_classes_are_refused(tmp_path: Path) -> None:
    context = _context(tmp_path, "inat19")
    listing = tmp_path / "inat19/val2019.json"
    content = json.loads(listing.read_text())
    content["categories"].append({"id": 16, "name": "newcomer"})
    listing.write_text(json.dumps(content))
    assert len(inat.open(tmp_path / "inat19", "val").classes) == 17
    with pytest.raises(InputError, match=r"classes differ .* 16 .* 17"):
        evaluate(context)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"precision": "int8"}, "precision 'int8'"),
        ({"train_split": "trian"}, "unknown split"),
        ({"auto_augment": "v0"}, "auto_augment='v0'"),
        ({"lr": -1.0}, "lr of finetune-cifar10 is -1.0"),
    ],
)
def test_bad_settings_are_refused_in_one_line(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message) as caught:
        evaluate(_context(tmp_path, **change))
    assert "\n" not in str(caught.value)


def test_forward_batch_counts_where_there_is_batch_norm(tmp_path: Path) -> None:
    context = _context(tmp_path, model="random:resnet18", epochs=1, forward_batch=32)
    assert "batch norm saw at most 32 images (forward_batch) of each step's 64" in evaluate(context).warnings[-1]
    with pytest.raises(InputError, match="forward_batch = 7 leaves one image of a step's 64 alone"):
        evaluate(_context(tmp_path, model="random:resnet18", epochs=1, forward_batch=7))


def test_a_run_of_another_piece_size_is_not_resumed(tmp_path: Path) -> None:
    evaluate(_context(tmp_path))
    with pytest.raises(InputError, match="forward_batch was 64 and is 32"):
        evaluate(_context(tmp_path, forward_batch=32))
