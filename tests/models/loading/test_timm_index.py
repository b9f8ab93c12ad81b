"""Files of timm's networks are known by their tensors; what the tensors do not tell apart is asked for."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
import timm
import torch
from torch import nn

from dinobench.models.loading import timm_index
from dinobench.models.loading.spec import load_backbone
from dinobench.runtime.errors import InputError

NETWORKS = timm_index.networks  # before the fixture of all tests takes it away


def drawn(name: str, **options: object) -> nn.Module:
    torch.manual_seed(0)
    network: nn.Module = timm.create_model(name, pretrained=False, **options)
    return network.eval()


@cache
def small_index() -> dict[str, tuple[str, ...]]:
    names = ["eva02_tiny_patch14_224", "convnextv2_atto", "levit_128s"]
    return {key: tuple(found) for key, found in timm_index.index_of(names).items()}


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> None:
    made = small_index()
    monkeypatch.setattr(timm_index, "networks", lambda: made)


@pytest.mark.usefixtures("index")
@pytest.mark.parametrize("name", ["eva02_tiny_patch14_224", "convnextv2_atto", "levit_128s"])
@pytest.mark.parametrize("classes", [0, 1000, 7])
def test_a_network_of_timm_is_known_and_gives_timms_feature(tmp_path: Path, name: str, classes: int) -> None:
    network = drawn(name, num_classes=classes)
    torch.save({"state_dict": {f"module.{key}": value for key, value in network.state_dict().items()}}, tmp_path / "x")
    loaded = load_backbone(str(tmp_path / "x"))
    images = torch.randn(2, 3, 224, 224)
    with torch.inference_mode():
        expected = network.forward_head(network.forward_features(images), pre_logits=True)
        torch.testing.assert_close(loaded.backbone(images).cls, expected.flatten(1), atol=1e-5, rtol=1e-5)
    assert (loaded.family, loaded.architecture) == ("timm", name)
    assert str(loaded.choices[0]).startswith(f"architecture: {name} (names and shapes")
    assert any("from timm's config" in str(choice) for choice in loaded.choices)


@pytest.mark.usefixtures("index")
def test_a_damaged_network_keeps_its_message(tmp_path: Path) -> None:
    state = drawn("convnextv2_atto").state_dict()
    del state["stages.0.blocks.0.mlp.grn.weight"]
    torch.save(state, tmp_path / "x")
    with pytest.raises(InputError, match=r"known checkpoint family|looks like"):
        load_backbone(str(tmp_path / "x"))


def test_networks_of_equal_tensors_are_told_apart_by_what_they_compute() -> None:
    state = dict(drawn("convnextv2_atto").state_dict())
    assert timm_index.kinds(("convnextv2_atto", "convnextv2_atto"), state) == [["convnextv2_atto", "convnextv2_atto"]]
    assert timm_index.index_of(["no_such_network"]) == {}


def test_several_candidates_are_named_and_none_is_guessed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = drawn("eva02_tiny_patch14_224")
    key = next(iter(timm_index.index_of(["eva02_tiny_patch14_224"])))
    monkeypatch.setattr(timm_index, "networks", lambda: {key: ("eva02_tiny_patch14_224", "other")})
    monkeypatch.setattr(timm_index, "_heads_of", lambda name: ("head.",))
    monkeypatch.setattr(timm_index, "_behavior", lambda name, state: (name, torch.zeros(1)))
    torch.save(network.state_dict(), tmp_path / "x")
    with pytest.raises(InputError, match=r"eva02_tiny_patch14_224, other, which .* --set architecture=NAME"):
        load_backbone(str(tmp_path / "x"))


def test_the_index_is_made_once_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DINOBENCH_CACHE", str(tmp_path))
    monkeypatch.setattr(timm_index.timm, "list_models", lambda: ["convnextv2_atto"])
    made = NETWORKS()
    assert list(made.values()) == [("convnextv2_atto",)]
    monkeypatch.setattr(timm_index, "_make", lambda place: pytest.fail("made again"))
    assert NETWORKS() == made


def test_a_file_that_a_family_knows_needs_no_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timm_index, "networks", lambda: pytest.fail("the index was asked for"))
    torch.save(drawn("resnet18").state_dict(), tmp_path / "x")
    assert load_backbone(str(tmp_path / "x")).family == "resnet"
