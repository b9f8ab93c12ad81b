from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from dinobench.evaluators.linear import evaluate as linear
from dinobench.evaluators.linear.evaluate import evaluate
from dinobench.evaluators.linear.heads import LinearHeads
from dinobench.evaluators.linear.settings import Settings
from dinobench.features.extract import Extractor
from dinobench.features.names import parse_feature
from dinobench.models.loading.spec import load_backbone
from dinobench.models.networks.vit import VisionTransformer, ViTShape
from dinobench.runtime.errors import InputError
from dinobench.runtime.settings import resolve
from tests.group import in_processes

SETTINGS = {
    "features": ["auto"],
    "lrs": [0.001, 0.1],
    "epochs": 5,
    "batch_size": 8,
    "held_out": 0.2,
    "cached": True,
    "head": "",
    "head_order": "auto",
    "unreadable": "stop",
    "predictions": False,
    "resume": True,
}


def _evaluate(context, **changes):
    context.settings = resolve(Settings, {**SETTINGS, **changes}, "test")
    return evaluate(context)


@pytest.mark.parametrize("cached", [True, False])
def test_evaluate(folder_context, cached):
    scores = _evaluate(folder_context, cached=cached, lrs=[0.0001, 0.003], epochs=20, predictions=True)
    assert scores.metrics["top1"] == scores.metrics["top1_best"] == 100.0
    assert scores.details["chosen"]["by"] == "held_out"
    assert scores.images == {"train": 24, "val": 10}
    assert [row["rate"] for row in scores.details["grid"]] == [0.0001, 0.003]
    assert "grid is dinobench's" in scores.details["grid_source"]
    assert {Path(path).name for path in scores.files} == {"predictions.parquet", "head.safetensors"}


def test_a_trained_head_scores_the_same_from_its_file(folder_context):
    trained = _evaluate(folder_context)
    path = next(path for path in trained.files if path.endswith("head.safetensors"))
    scored = _evaluate(folder_context, head=path)
    assert scored.metrics["top1"] == trained.metrics["top1"]
    assert "train" not in scored.images


def test_resumes_after_the_last_epoch(folder_context, monkeypatch):
    first = _evaluate(folder_context)
    monkeypatch.setattr(linear, "cached_epochs", lambda *args: pytest.fail)
    assert _evaluate(folder_context).metrics == first.metrics
    with pytest.raises(InputError, match="epochs was 5 and is 6"):
        _evaluate(folder_context, epochs=6)
    monkeypatch.undo()
    monkeypatch.setenv("DINOBENCH_CACHE", str(folder_context.output / "cache"))
    assert _evaluate(folder_context, epochs=6, resume=False).details["grid"]


def test_without_held_out_images_it_says_so(folder_context):
    scores = _evaluate(folder_context, held_out=0.0)
    assert scores.details["chosen"]["by"] == "val"
    assert "chosen on the validation images" in scores.warnings[0]


@pytest.mark.parametrize(
    ("spec", "feature"),
    [
        ("pixels", "cls"),
        ("random:vit_mini/4", "cls.4+cls.3+cls.2+cls.1"),
        ("random:vit_base/32", "cls+mean"),
        ("random:resnet18", "cls"),
    ],
)
def test_the_papers_feature_of_each_architecture(folder_context, spec, feature):
    folder_context.model, folder_context.settings = load_backbone(spec), Settings()
    assert linear._feature_names(folder_context) == (feature,)


@pytest.mark.parametrize(
    ("architecture", "width", "depth", "feature"),
    [
        ("vit_giant/14", 1536, 40, "cls+mean"),
        ("vit_7b/16", 4096, 40, "cls+mean"),
        ("vit_base/16", 768, 12, "cls+mean"),
        ("vit_small/14", 384, 12, "cls.4+cls.3+cls.2+cls.1"),
        ("vit_tiny/16", 192, 2, "cls.2+cls.1"),
        ("convnext_base", 1024, 36, "cls"),
    ],
)
def test_the_usual_feature_goes_by_width(architecture, width, depth, feature):
    found, rule = linear.usual_feature(architecture, SimpleNamespace(dim=width, depth=depth))
    assert found == feature
    assert "appendix F.2" in rule


@pytest.mark.parametrize(
    ("architecture", "patch", "dim", "heads"), [("vit_giant/14", 14, 1536, 24), ("vit_7b/16", 16, 4096, 32)]
)
def test_the_rows_of_the_widest_networks_have_two_tokens(architecture, patch, dim, heads):
    with torch.device("meta"):
        network = VisionTransformer(ViTShape(patch, dim, depth=4, heads=heads, image_size=4 * patch))
        layers = network.intermediate_layers(torch.zeros(1, 3, 4 * patch, 4 * patch), 4)
    columns = parse_feature(linear.usual_feature(architecture, network)[0])
    assert sum(column.take(layers).shape[1] for column in columns) == 2 * dim


def test_the_record_says_which_feature_auto_took(folder_context):
    details = _evaluate(folder_context).details
    assert details["features"] == ["cls"]
    assert details["features_rule"].startswith("cls: auto takes")
    assert "features_rule" not in _evaluate(folder_context, features=["mean"], resume=False).details


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"epochs": 0}, "at least 1"),
        ({"lrs": [0.0]}, "above 0"),
        ({"held_out": 1.0}, "at least 0 and below 1"),
        ({"features": ["cls.9"]}, "9 last blocks"),
    ],
)
def test_refusals(folder_context, changes, says):
    with pytest.raises(InputError, match=says):
        _evaluate(folder_context, **changes)


def test_refuses_a_head_that_does_not_fit(folder_context, tmp_path):
    torch.save({"linear.weight": torch.zeros(2, 7), "linear.bias": torch.zeros(2)}, tmp_path / "narrow.pth")
    with pytest.raises(InputError, match="reads 7 numbers per image"):
        _evaluate(folder_context, head=str(tmp_path / "narrow.pth"))
    wide = {"linear.weight": torch.zeros(5, 3072), "linear.bias": torch.zeros(5)}
    torch.save(wide, tmp_path / "classes.pth")
    with pytest.raises(InputError, match="knows 5 classes, but the data have 2"):
        _evaluate(folder_context, head=str(tmp_path / "classes.pth"))


def test_skipped_training_images_are_counted_and_named(folder_context):
    broken = Path(folder_context.data) / "train" / "dark" / "dark_00.png"
    broken.write_text("no image")
    with pytest.raises(InputError, match="dark_00"):
        _evaluate(folder_context, cached=False, epochs=1)
    for cached in (True, False):
        scores = _evaluate(folder_context, cached=cached, epochs=1, unreadable="skip", resume=False)
        assert any(line.startswith("1 of 24 images") and "dark_00.png" in line for line in scores.not_comparable)
    again = _evaluate(folder_context, cached=False, epochs=1, unreadable="skip")  # from the state, no epoch is left
    assert again.not_comparable == scores.not_comparable


def test_processes_share_the_forward_passes_and_score_as_one(folder_context):
    (Path(folder_context.data) / "train" / "dark" / "dark_00.png").write_text("no image")
    changes = {"cached": False, "epochs": 2, "unreadable": "skip", "batch_size": 10, "forward_batch": 2}
    folder_context.batch_size = 2
    _evaluate(folder_context, **{**changes, "epochs": 1})  # leaves the features of val and held-out images in the store
    alone, whole = _counted(0, folder_context, {**changes, "resume": False})
    (folder_context.output / "probe.pth").unlink()
    for scores, images in in_processes(_counted, 2, folder_context, changes):
        assert (scores.metrics, scores.not_comparable) == (alone.metrics, alone.not_comparable)
        assert scores.details == alone.details
        assert images < 0.7 * whole


@pytest.mark.parametrize("count", [2, 4])
def test_processes_share_the_heads_of_stored_features_and_score_as_one(folder_context, count):
    changes = {"features": ["cls", "cls+mean", "mean"], "epochs": 2}
    alone = _evaluate(folder_context, **changes)
    state = folder_context.output / "probe.pth"
    trained = torch.load(state)["state"]["heads"]
    state.unlink()
    for scores, own in in_processes(_stepped, count, folder_context, changes):
        assert (scores.metrics, scores.details, scores.intervals) == (alone.metrics, alone.details, alone.intervals)
        assert len(own) <= 2  # of three
    for name, heads in torch.load(state)["state"]["heads"].items():
        assert all(torch.equal(tensor, trained[name][key]) for key, tensor in heads.items())


def _stepped(number, context, changes):
    """Scores, and the matrices of heads that were trained in this process."""
    own = set()
    step = LinearHeads.step
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LinearHeads, "step", lambda self, *args: (own.add(id(self)), step(self, *args))[1])
        return _evaluate(context, **changes), own


def _counted(number, context, changes):
    """Scores, and how many crops of training images went through this process's network."""
    counts = []
    forward = Extractor.__call__
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Extractor, "__call__", lambda self, x, *rest: (counts.append(len(x)), forward(self, x, *rest))[1])
        return _evaluate(context, **changes), sum(counts)
