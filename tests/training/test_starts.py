"""A run begins from any family's checkpoint: features as `eval`'s, to the bit after a kill, two processes as one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from PIL import Image
from torch import nn

from dinobench.models.loading.spec import load_backbone
from dinobench.runtime.errors import InputError
from dinobench.training import training_run
from dinobench.training.build import build_learner
from dinobench.training.checkpoints import load
from dinobench.training.recipe_files import load_recipe
from dinobench.training.run import train
from dinobench.training.start import open_start, started_backbones
from tests.group import in_processes
from tests.models import convnet_checkpoints, vit_checkpoints  # noqa: F401  (they fill CASES)
from tests.models.checkpoints import CASES, randomized, timm_vit
from tests.training.test_run import TINY

SHORT = {**TINY, "architecture": "", "global_size": 32, "local_size": 16, "epochs": 1, "warmup_epochs": 0}
SHORT |= {"head_epochs": 0, "guard": "off"}
FIVE = {"jitter_probability": 0.0, "grayscale_probability": 0.0, "solarize_probability": 0.0}
OPTIONS = [{"frozen_blocks": 1}, {"adapter_rank": 2}, {"anchor": 1.0}]
FEW = ["timm", "transformers_vit", "dinov2_registers", "mae", "moco_v3", "five_channels"]  # without batch norms


def written(name: str, folder: Path) -> str:
    """A checkpoint of drawn weights as `name` writes it; the SPEC that loads it."""
    path = folder / f"{name}.pth"
    if name == "transformers_vit":
        shape = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 128}
        settings = transformers.ViTConfig(**shape, image_size=32, patch_size=8)
        randomized(transformers.ViTModel(settings)).save_pretrained(folder / name)
        return str(folder / name)
    if name == "five_channels":
        torch.save(dict(timm_vit(in_chans=5).state_dict()), path)
    elif name == "timm":
        torch.save(dict(timm_vit().state_dict()), path)
    else:
        torch.save(dict(CASES[name]().content), path)
    return str(path)


def settings_for(name: str, spec: str) -> dict[str, Any]:
    channels = {"in_channels": 5, "mean": [0.5], "std": [0.25], **FIVE} if name == "five_channels" else {}
    return {**SHORT, **channels, "init": spec}


def images_for(name: str, folder: Path) -> str:
    """A folder of 16 images, RGB or of five channels."""
    pixels = np.random.default_rng(0).integers(
        0, 256, (16, 36, 36, 5 if name == "five_channels" else 3), dtype=np.uint8
    )
    folder.mkdir()
    for number, image in enumerate(pixels):
        if name == "five_channels":
            np.save(folder / f"{number}.npy", image)
        else:
            Image.fromarray(image).save(folder / f"{number}.png")
    return str(folder)


@pytest.mark.parametrize("name", [*FEW, "dino_full", "dinov2_swiglu", "dinov3", "xcit", "torchvision_resnet"])
def test_the_first_teacher_has_the_features_of_eval(name, tmp_path):
    spec = written(name, tmp_path)
    chosen = load_recipe("continue-small", settings_for(name, spec))
    start = open_start(chosen, tmp_path / "run", load_backbone)
    assert start is not None
    images = torch.randn(2, chosen.in_channels, 64, 64)
    teacher = build_learner(start.recipe, torch.device("cpu"), start).teacher.backbone.eval()
    with torch.no_grad():
        expected = start.loaded.backbone.eval()(images).cls
        torch.testing.assert_close(teacher(images).cls, expected, rtol=0, atol=1e-6)


def teacher(folder: Path) -> dict[str, torch.Tensor]:
    return load(folder / "checkpoint.pth")["teacher"]


def trained(rank: int, spec: str, data: str, folder: Path, settings: dict[str, Any]) -> Path:
    return train("continue-small", data, folder, settings=settings, device="cpu")


def named(options: object) -> str | None:
    return "_".join(options) or "plain" if isinstance(options, dict) else None


@pytest.mark.parametrize(
    ("name", "options"),
    [*((name, {}) for name in (*FEW, "torchvision_basic")), *(("transformers_vit", options) for options in OPTIONS)],
    ids=named,
)
def test_a_run_from_any_start_goes_on_to_the_bit(name, options, tmp_path, monkeypatch):
    spec, data = written(name, tmp_path), images_for(name, tmp_path / "images")
    settings = settings_for(name, spec) | {"save_minutes": 1e-9, **options}
    trained(0, spec, data, tmp_path / "whole", settings)
    save = training_run.TrainingRun._save_checkpoint

    def killed(self: training_run.TrainingRun) -> None:
        save(self)
        if self.step == 1:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(training_run.TrainingRun, "_save_checkpoint", killed)
        trained(0, spec, data, tmp_path / "cut", settings)
    trained(0, spec, data, tmp_path / "cut", settings)
    whole, cut = teacher(tmp_path / "whole"), teacher(tmp_path / "cut")
    assert all(torch.equal(value, cut[key]) for key, value in whole.items())
    images = torch.randn(1, settings.get("in_channels", 3), 32, 32)
    assert load_backbone(str(tmp_path / "cut")).backbone(images).cls.isfinite().all()


@pytest.mark.parametrize(
    ("name", "options"),
    [*((name, {}) for name in FEW), *(("timm", options) for options in OPTIONS)],
    ids=named,
)
def test_two_processes_from_any_start_are_as_one(name, options, tmp_path):
    spec, data = written(name, tmp_path), images_for(name, tmp_path / "images")
    settings = settings_for(name, spec) | {"optimizer": "sgd", **options}
    trained(0, spec, data, tmp_path / "one", settings)
    assert in_processes(trained, 2, spec, data, tmp_path / "two", settings) == [tmp_path / "two"] * 2
    one, two = teacher(tmp_path / "one"), teacher(tmp_path / "two")
    for key, value in one.items():
        torch.testing.assert_close(two[key], value, rtol=0, atol=1e-6)


def test_the_teacher_of_a_start_with_dropout_draws_nothing(tmp_path):
    spec = written("timm", tmp_path)
    start = open_start(load_recipe("continue-small", settings_for("timm", spec)), tmp_path / "run", load_backbone)
    assert start is not None
    start.loaded.backbone.patch_embed = nn.Sequential(start.loaded.backbone.patch_embed, nn.Dropout(0.5))
    student, taught = started_backbones(start)
    images = torch.randn(1, 3, 32, 32)
    assert torch.equal(taught(images).cls, taught(images).cls)
    assert not torch.equal(student(images).cls, student(images).cls)


def test_a_guard_by_labels_of_images_without_any_is_one_line(tmp_path):
    settings = {**SHORT, "init": "random:vit_mini/8", "knn_every": 1, "guard": "labels"}
    data = images_for("timm", tmp_path / "images")
    with pytest.raises(InputError, match=r"guard = labels needs labeled splits .* has none; set guard=views"):
        train("continue-small", data, tmp_path / "run", settings=settings, device="cpu")
    assert not (tmp_path / "run").exists()
