"""Model SPECs: what each one gives, and one clear line where it cannot."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import pytest
import torch

from dinobench.models.loading.spec import load_backbone, training_data
from dinobench.models.networks.build import build_backbone
from dinobench.models.networks.vit import VisionTransformer
from dinobench.runtime.errors import InputError


def save_run(folder: Path, *, architecture: str = "vit_mini/4", arguments: object = None) -> VisionTransformer:
    """A checkpoint as the trainer writes it; gives back the teacher's backbone."""
    networks = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        networks.append(build_backbone(architecture))
    student, teacher = networks
    head = {f"head.mlp.{i}.weight": torch.randn(8, 96) for i in (0, 2, 4)} | {
        "head.last_layer.weight_g": torch.ones(9, 1)
    }
    facts = {"arch": architecture, "patch_size": 4, "image_size": 32, "num_heads": 3, "data": "mini"}
    content = {
        "student": {f"module.{key}": value for key, value in (prefixed(student) | head).items()},
        "teacher": prefixed(teacher) | head,
        "optimizer": {"state": {0: {"exp_avg": torch.ones(3)}}, "param_groups": []},
        "epoch": 3,
        "args": facts if arguments is None else arguments,
    }
    folder.mkdir(exist_ok=True)
    torch.save(content, folder / "checkpoint.pth")
    return teacher


def prefixed(backbone: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {f"backbone.{key}": value for key, value in backbone.state_dict().items()}


def equal(first: torch.nn.Module, second: torch.nn.Module) -> bool:
    mine, theirs = first.state_dict(), second.state_dict()
    return mine.keys() == theirs.keys() and all(torch.equal(mine[key], theirs[key]) for key in mine)


def test_a_run_directory_gives_the_teacher(tmp_path: Path) -> None:
    teacher = save_run(tmp_path / "run")
    loaded = load_backbone(str(tmp_path / "run"))
    assert equal(loaded.backbone, teacher)
    assert (loaded.name, loaded.family, loaded.architecture) == ("run", "dino", "vit_mini/4")
    assert (loaded.preprocessing.size, loaded.preprocessing.resize) == (32, 32)
    assert not loaded.backbone.training
    assert loaded.parameters == sum(p.numel() for p in teacher.parameters())
    assert training_data(str(tmp_path / "run")) == "mini"


def test_the_student_on_request(tmp_path: Path) -> None:
    teacher = save_run(tmp_path / "run")
    loaded = load_backbone(str(tmp_path / "run"), settings={"weights": "student"})
    assert not equal(loaded.backbone, teacher)
    assert any("student" in choice.value for choice in loaded.report.choices)


def test_best_and_last(tmp_path: Path) -> None:
    save_run(tmp_path)
    with pytest.raises(InputError, match=r"holds no best\.pth"):
        load_backbone(str(tmp_path), settings={"which": "best"})
    (tmp_path / "checkpoint.pth").rename(tmp_path / "best.pth")
    assert load_backbone(str(tmp_path), settings={"which": "best"}).family == "dino"


def test_released_arguments_are_a_namespace(tmp_path: Path) -> None:
    teacher = save_run(tmp_path, architecture="vit_tiny/16", arguments=Namespace(arch="vit_tiny", patch_size=16))
    loaded = load_backbone(str(tmp_path / "checkpoint.pth"))
    assert equal(loaded.backbone, teacher)
    assert loaded.backbone.shape.heads == 3
    assert loaded.preprocessing.size == 224


def test_every_tensor_is_accounted_for(tmp_path: Path) -> None:
    save_run(tmp_path)
    report = load_backbone(str(tmp_path)).report
    content = torch.load(tmp_path / "checkpoint.pth", weights_only=True)
    stored = {f"{role}.{key}" for role in ("student", "teacher") for key in content[role]} | {
        "optimizer.state.0.exp_avg"
    }
    used = {source for sources in report.matched.values() for source in sources}
    assert used | set(report.dropped) == stored
    assert not used & set(report.dropped)
    assert report.dropped["teacher.head.mlp.0.weight"] == "head"
    assert "student" in report.dropped["student.module.backbone.cls_token"]


def test_unknown_heads_must_be_given(tmp_path: Path) -> None:
    save_run(tmp_path, arguments={})
    with pytest.raises(InputError, match="--set heads=N"):
        load_backbone(str(tmp_path))
    loaded = load_backbone(str(tmp_path), settings={"heads": 3})
    other = load_backbone(str(tmp_path), settings={"heads": 6})
    assert loaded.sha256 == other.sha256
    assert loaded.identity != other.identity


def test_random_networks_follow_their_seed() -> None:
    first = load_backbone("random:vit_mini/4")
    assert first.sha256 == load_backbone("random:vit_mini/4").sha256
    assert first.sha256 != load_backbone("random:vit_mini/4", settings={"init_seed": 1}).sha256
    assert first.preprocessing.size == 32


@pytest.mark.parametrize("spec", ["timm:resnet18", "torchvision:resnet18"])
def test_libraries_without_weights(spec: str) -> None:
    loaded = load_backbone(spec, settings={"pretrained": False})
    assert loaded.architecture == "resnet18"
    assert loaded.backbone(torch.zeros(1, 3, 64, 64)).cls.shape == (1, 512)
    assert "seed 0" in loaded.source


@pytest.mark.parametrize("spec", ["timm:resnet18", "torchvision:resnet18", "hf:facebook/dinov2-small"])
def test_offline_is_one_line(spec: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: (_ for _ in ()).throw(OSError("no such name")))
    monkeypatch.setattr("dinobench.runtime.hub.getproxies", dict)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(InputError, match="check the network") as caught:
        load_backbone(spec)
    assert "\n" not in str(caught.value)


def test_pixels_have_no_weights() -> None:
    loaded = load_backbone("pixels")
    assert (loaded.parameters, loaded.preprocessing.size, loaded.backbone.dim) == (0, 32, 3072)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("no/such/file.pth", "no such file"),
        ("timm:resnet5O", "did you mean resnet50"),
        ("torchvision:nothing", "no classification model"),
        ("random:vit_tinny/4", "did you mean vit_tiny/4"),
    ],
)
def test_mistyped_specs_are_refused(spec: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_backbone(spec)


@pytest.mark.parametrize(
    ("spec", "setting"),
    [
        ("random:vit_mini/4", {"which": "best"}),
        ("random:vit_mini/4", {"weights": "student"}),
        ("pixels", {"init_seed": 3}),
        ("timm:resnet18", {"heads": 3}),
        ("checkpoint.pth", {"pretrained": False}),
        ("checkpoint.pth", {"which": "best"}),
    ],
)
def test_a_setting_that_would_do_nothing_is_refused(
    spec: str, setting: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "checkpoint.pth").touch()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=f"{next(iter(setting))} = .* does nothing to {spec}; leave it out"):
        load_backbone(spec, settings=setting)


def test_another_input_size_on_request(tmp_path: Path) -> None:
    save_run(tmp_path, architecture="vit_tiny/16", arguments=Namespace(arch="vit_tiny", patch_size=16))
    for spec, own in ((str(tmp_path), (224, 256)), ("timm:resnet18", (224, 235)), ("torchvision:resnet18", (224, 256))):
        settings = {} if spec == str(tmp_path) else {"pretrained": False}
        loaded = load_backbone(spec, settings=settings).preprocessing
        assert (loaded.size, loaded.resize) == own
        larger = load_backbone(spec, settings={**settings, "image_size": 448}).preprocessing
        assert (larger.size, larger.resize) == (448, pytest.approx(2 * own[1], abs=1))
        small = load_backbone(spec, settings={**settings, "image_size": 64}).preprocessing
        assert (small.size, small.resize) == (64, 64)
