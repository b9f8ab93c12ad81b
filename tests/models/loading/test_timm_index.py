"""Files of timm's networks are known by their tensors; what the tensors do not tell apart is asked for."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
import timm
import torch
from torch import nn

from dinobench.models.loading import known_networks, timm_index
from dinobench.models.loading.spec import load_backbone
from dinobench.models.networks.timm_adapter import adapt_timm
from dinobench.runtime.errors import InputError

NETWORKS = timm_index.networks  # before the fixture of all tests takes it away
INDEX_OF_TIMM = known_networks.index_places()[0]


def drawn(name: str, **options: object) -> nn.Module:
    torch.manual_seed(0)
    network: nn.Module = timm.create_model(name, pretrained=False, **options)
    return network.eval()


@cache
def small_index() -> dict[str, tuple[str, ...]]:
    names = ["eva02_tiny_patch14_224", "convnextv2_atto", "levit_128s"]
    return dict(timm_index.index_of(names).names)


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
    assert timm_index.index_of(["no_such_network"]).names == {}


def test_several_candidates_are_named_and_none_is_guessed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = drawn("eva02_tiny_patch14_224")
    key = next(iter(timm_index.index_of(["eva02_tiny_patch14_224"]).names))
    monkeypatch.setattr(timm_index, "networks", lambda: {key: ("eva02_tiny_patch14_224", "other")})
    monkeypatch.setattr(timm_index, "_heads_of", lambda name: (("head.",),))
    monkeypatch.setattr(timm_index, "_behavior", lambda name, state: (name, torch.zeros(1)))
    torch.save(network.state_dict(), tmp_path / "x")
    with pytest.raises(InputError, match=r"eva02_tiny_patch14_224, other, which .* --set architecture=NAME"):
        load_backbone(str(tmp_path / "x"))


def test_the_index_of_another_version_is_made_once_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DINOBENCH_CACHE", str(tmp_path))
    monkeypatch.setattr(known_networks, "timm_version", lambda: "0.0.1")
    monkeypatch.setattr(timm_index.timm, "list_models", lambda: ["convnextv2_atto", "test_vit"])
    made = NETWORKS()
    assert sorted(made.values()) == [("convnextv2_atto",), ("test_vit",)]
    assert known_networks.heads_by_network(dict(drawn("test_vit", num_classes=5).state_dict())) == {"test_vit": 2}
    monkeypatch.setattr(timm_index, "_make", lambda place: pytest.fail("made again"))
    assert NETWORKS() == made


def test_a_damaged_index_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DINOBENCH_CACHE", str(tmp_path))
    monkeypatch.setattr(known_networks, "timm_version", lambda: "0.0.2")
    monkeypatch.setattr(timm_index.timm, "list_models", lambda: ["test_vit"])
    place = known_networks.index_places()[-1]
    place.parent.mkdir(parents=True)
    place.write_text('{"names": [1]}')
    assert list(NETWORKS().values()) == [("test_vit",)]


@pytest.mark.skipif(not INDEX_OF_TIMM.is_file(), reason="the package has no index of this version of timm")
def test_the_packages_index_is_what_this_version_of_timm_builds() -> None:
    known = known_networks.read_index()
    assert known is not None
    for name in ("test_vit", "convnextv2_atto", "vit_base_patch16_gap_224"):
        made = timm_index.index_of([name])
        (key,) = made.names
        assert name in known.names[key]
        assert made.heads.get(key, {}).items() <= known.heads.get(key, {}).items()


def test_numbers_of_heads_are_asked_for_where_timm_has_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_networks, "read_index", lambda: timm_index.index_of(["vit_tiny_patch16_224"]))
    state = drawn("vit_tiny_patch16_224", num_classes=3).state_dict()
    torch.save(state, tmp_path / "x")
    assert "heads: 3 (width / 64, by convention)" in map(str, load_backbone(str(tmp_path / "x")).choices)
    other = {key: {"vit_of_four": 4} for key in timm_index.index_of(["vit_tiny_patch16_224"]).names}
    monkeypatch.setattr(known_networks, "read_index", lambda: known_networks.KnownNetworks({}, other))
    with pytest.raises(InputError, match=r"timm's vit_of_four \(4\), where .* would give 3; say which by"):
        load_backbone(str(tmp_path / "x"))
    assert load_backbone(str(tmp_path / "x"), settings={"heads": 4}).backbone.shape.heads == 4
    made = timm_index.index_of(["vit_tiny_patch16_224"])
    monkeypatch.setattr(timm_index, "networks", lambda: made.names)
    with pytest.raises(InputError):  # 192 channels are no five heads, and timm's three are not what was asked for
        load_backbone(str(tmp_path / "x"), settings={"heads": 5})


@pytest.mark.parametrize("name", ["volo_d1_224", "test_vit"])
def test_networks_that_state_no_class_token_or_heads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    made = timm_index.index_of([name])
    monkeypatch.setattr(timm_index, "networks", lambda: made.names)
    network = drawn(name)
    torch.save(network.state_dict(), tmp_path / "x")
    loaded = load_backbone(str(tmp_path / "x"))
    side = timm.data.resolve_model_data_config(network)["input_size"][-1]
    images = torch.randn(1, 3, side, side)
    with torch.inference_mode():
        found = loaded.backbone(images)
        expected = network.forward_head(network.forward_features(images), pre_logits=True)
    torch.testing.assert_close(found.cls, expected, atol=1e-5, rtol=1e-5)
    assert found.patches.shape[1:3] == (side // 16, side // 16)


def test_an_encoder_without_a_pooled_feature_is_refused() -> None:
    class Encoder(nn.Module):
        pass

    with pytest.raises(InputError, match="timm's Encoder is the image encoder of a larger model"):
        adapt_timm(Encoder())


def test_a_file_that_a_family_knows_needs_no_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timm_index, "networks", lambda: pytest.fail("the index was asked for"))
    torch.save(drawn("resnet18").state_dict(), tmp_path / "x")
    assert load_backbone(str(tmp_path / "x")).family == "resnet"
