"""What is chosen, assumed or left out is said, and what cannot be known is asked for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import timm
import torch
from timm.models.vision_transformer import VisionTransformer

from dinobench.models.loading.loaded import LoadedBackbone
from dinobench.models.loading.spec import load_backbone
from dinobench.runtime.errors import InputError
from tests.models.broken_files import State, saved, vit
from tests.models.checkpoints import images, prefixed, timm_vit

WIDE = {"embed_dim": 192, "num_heads": 3, "depth": 12}


def choices(model: LoadedBackbone) -> dict[str, tuple[str, str]]:
    return {choice.what: (choice.value, choice.source) for choice in model.choices}


def other_vit() -> State:
    return dict(timm_vit(seed=3).state_dict())


def test_student_and_teacher_of_different_architecture_are_asked_for(tmp_path: Path) -> None:
    content = {"student": prefixed(vit(), "backbone."), "teacher": prefixed(timm_vit(**WIDE).state_dict(), "backbone.")}
    path = str(saved(content, tmp_path / "x.pth"))
    with pytest.raises(InputError, match=r"different architecture.*--set weights=teacher or --set weights=student"):
        load_backbone(path)
    assert load_backbone(path, settings={"weights": "student"}).backbone.dim == 128


def test_two_encoders_are_asked_for_and_named_by_their_prefix(tmp_path: Path) -> None:
    state = prefixed(vit(), "image_encoder.") | prefixed(other_vit(), "depth_encoder.")
    path = str(saved(state, tmp_path / "x.pth"))
    with pytest.raises(InputError, match=r"several networks.*--set weights=depth_encoder\. or .*image_encoder\."):
        load_backbone(path)
    depth = load_backbone(path, settings={"weights": "depth_encoder"})
    assert torch.equal(depth.backbone.norm.weight, other_vit()["norm.weight"])


def test_one_network_under_two_names_needs_no_word(tmp_path: Path) -> None:
    path = saved(prefixed(vit(), "model.") | prefixed(vit(), "net."), tmp_path / "x.pth")
    assert choices(load_backbone(str(path)))["weights"][0] == "network under 'net.', not 'model.'"


def test_averages_kept_as_a_list_are_named_and_taken_when_asked_for(tmp_path: Path) -> None:
    content = {"model": vit(), "ema": {"shadow_params": list(other_vit().values())}}
    path = str(saved(content, tmp_path / "x.pth"))
    assert choices(load_backbone(path))["averaged weights"] == (
        "ema.shadow_params, not taken",
        "weights=ema takes them",
    )
    averaged = load_backbone(path, settings={"weights": "ema"})
    assert torch.equal(averaged.backbone.norm.weight, other_vit()["norm.weight"])
    content["ema"] = {"shadow_params": list(other_vit().values())[1:]}
    with pytest.raises(InputError, match="fit no table of the file in number and shapes"):
        load_backbone(str(saved(content, tmp_path / "y.pth")), settings={"weights": "ema"})


@pytest.mark.parametrize("wrapper", ["_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"])
def test_wrappers_inside_names_are_taken_off(wrapper: str, tmp_path: Path) -> None:
    wrapped = {name.replace("blocks.1.", f"blocks.1.{wrapper}."): tensor for name, tensor in vit().items()}
    wrapped = {name.replace("norm1.weight", "norm1.parametrizations.weight.original"): t for name, t in wrapped.items()}
    path = saved({f"module.{wrapper}.{name}": tensor for name, tensor in wrapped.items()}, tmp_path / "x.pth")
    assert load_backbone(str(path)).sha256 == load_backbone(str(saved(vit(), tmp_path / "plain.pth"))).sha256


ADAPTED = {
    "lora inside": {"blocks.0.attn.qkv.lora_A.weight": torch.ones(4, 128)},
    "lora beside": {"w_a.0.weight": torch.ones(4, 128)},
    "ia3": {"blocks.0.mlp.ia3_l": torch.ones(512)},
    "prompt tokens": {"prompt_embeddings": torch.ones(1, 5, 128)},
    "attention pooling": {"attn_pool.latent": torch.ones(1, 1, 128)},
    "norm before the blocks": {"norm_pre.weight": torch.ones(128)},
    "projection": {"proj": torch.ones(128, 64)},
    "norm after pooling": {"fc_norm.weight": torch.ones(128)},
    "of any name": {"mystery.weight": torch.ones(128)},
}


@pytest.mark.parametrize("name", ADAPTED)
def test_tensors_that_may_make_the_feature_are_refused_by_name(name: str, tmp_path: Path) -> None:
    path = str(saved(vit() | ADAPTED[name], tmp_path / "x.pth"))
    (stored,) = ADAPTED[name]
    with pytest.raises(InputError, match="may be part of how it makes its feature") as caught:
        load_backbone(path)
    assert stored in str(caught.value)
    left = load_backbone(path, settings={"leave_out": stored})
    assert choices(left)["leave_out"] == (f"1 tensors, {stored}", "set by you")


def test_parts_of_names_are_left_out_where_no_name_begins_so(tmp_path: Path) -> None:
    path = str(saved(vit() | ADAPTED["lora inside"], tmp_path / "x.pth"))
    assert load_backbone(path, settings={"leave_out": "lora_A, lora_B"}).family == "vit"


def test_a_siglip_tower_has_timms_own_feature_or_one_that_was_asked_for(tmp_path: Path) -> None:
    options = {"img_size": 32, "embed_dim": 128, "depth": 2, "num_heads": 2, "class_token": False, "global_pool": "map"}
    model = timm.models.VisionTransformer(patch_size=8, num_classes=0, **options).eval()
    path = str(saved(model.state_dict(), tmp_path / "x.pth"))
    with pytest.raises(InputError, match=r"attn_pool.*--set architecture=NAME.*pooling=mean"):
        load_backbone(path)
    mean = load_backbone(path, settings={"pooling": "mean"})
    with torch.no_grad():
        torch.testing.assert_close(mean.backbone(images()).cls, model.forward_features(images()).mean(1))


def test_a_configuration_of_another_model_is_left_out(tmp_path: Path) -> None:
    path = saved(vit(), tmp_path / "mine.pth")
    config = {"hidden_size": 768, "num_attention_heads": 8, "layer_norm_eps": 1e-12, "num_hidden_layers": 2}
    (tmp_path / "config.json").write_text(json.dumps(config | {"patch_size": 8}))
    loaded = load_backbone(str(path))
    assert (loaded.backbone.shape.heads, loaded.backbone.shape.norm_eps) == (2, 1e-6)
    assert choices(loaded)["config.json"][0] == "left out: its width is 768, the file's 128"
    (tmp_path / "config.json").write_text(json.dumps(config | {"patch_size": 8, "hidden_size": 128}))
    assert load_backbone(str(path)).backbone.shape.heads == 8
    for broken in ("[" * 100_000, json.dumps({"architecture": "resnet18"})):
        (tmp_path / "config.json").write_text(broken)
        assert "left out" in choices(load_backbone(str(path)))["config.json"][0]


def test_shards_are_named_for_what_they_are(tmp_path: Path) -> None:
    flat = {f"blocks.{number}._flat_param": torch.ones(10) for number in range(3)}
    with pytest.raises(InputError, match="flat shard of FSDP"):
        load_backbone(str(saved(flat, tmp_path / "a.pth")))
    with pytest.raises(InputError, match=r"ZeRO-3.*zero_to_fp32\.py"):
        load_backbone(str(saved({name: torch.zeros(0) for name in vit()}, tmp_path / "b.pth")))
    rank = {name: tensor.chunk(2)[0] if ".mlp.fc1." in name else tensor for name, tensor in vit().items()}
    rank |= {name: tensor[:, :256] for name, tensor in rank.items() if name.endswith("mlp.fc2.weight")}
    rank |= {name: tensor.chunk(2)[0] for name, tensor in rank.items() if ".qkv." in name}
    with pytest.raises(InputError, match="one of 2 ranks of a tensor-parallel network"):
        load_backbone(str(saved(rank, tmp_path / "c.pth")))


def test_gray_networks_take_gray_images_and_others_ask_for_their_normalization(tmp_path: Path) -> None:
    for channels in (1, 4):
        saved(vit() | {"patch_embed.proj.weight": torch.ones(128, channels, 8, 8)}, tmp_path / f"{channels}.pth")
    gray = load_backbone(str(tmp_path / "1.pth"))
    assert (gray.preprocessing.mean, gray.preprocessing.std) == ((0.449,), (0.226,))
    assert "gray images" in choices(gray)["mean"][1]
    with pytest.raises(InputError, match=r"images of 4 channels.*--set mean=\[0,0,0,0\]"):
        load_backbone(str(tmp_path / "4.pth"))
    four = {"mean": [0.5] * 4, "std": [0.2] * 4}
    assert load_backbone(str(tmp_path / "4.pth"), settings=four).preprocessing.std == (0.2,) * 4


def test_heads_and_normalization_say_on_whose_word_they_are(tmp_path: Path) -> None:
    path = str(saved(vit() | {"head.weight": torch.ones(2, 128)}, tmp_path / "x.pth"))
    said = choices(load_backbone(path))
    assert said["heads"] == ("2", "width / 64, by convention")
    assert said["mean"] == ("0.485/0.456/0.406", "by convention of a supervised vision transformer (DeiT, timm)")
    mine = load_backbone(
        path, settings={"mean": [0.5] * 3, "interpolation": "bilinear", "resize_size": 40, "image_size": 40}
    )
    assert mine.preprocessing.mean == (0.5, 0.5, 0.5)
    assert (mine.preprocessing.resize, mine.preprocessing.size) == (40, 40)
    assert {choices(mine)[what][1] for what in ("mean", "interpolation", "resize_size", "image_size")} == {"set by you"}
    timm_model = load_backbone("timm:vit_tiny_patch16_224", settings={"pretrained": False})
    assert choices(timm_model)["mean"] == ("0.5/0.5/0.5", "from timm's config")


@pytest.mark.parametrize("settings", [{"std": [0.1, 0.1]}, {"mean": [float("nan")] * 3}])
def test_a_normalization_that_makes_no_sense_is_one_line(settings: dict[str, object], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="mean"):
        load_backbone(str(saved(vit(), tmp_path / "x.pth")), settings=settings)


@pytest.mark.parametrize("name", ["beit_base_patch16_224", "eva02_tiny_patch14_224", "vit_wee_patch16_reg1_gap_256"])
def test_timms_pooled_feature_is_what_its_classifier_reads(name: str) -> None:
    model = load_backbone(f"timm:{name}", settings={"pretrained": False}).backbone
    x = images(model.network.patch_embed.img_size[0])[:1]
    with torch.no_grad():
        expected = model.network.forward_head(model.network.forward_features(x), pre_logits=True)
        torch.testing.assert_close(model(x).cls, expected)


def test_lora_is_merged_where_a_peft_configuration_says_how(tmp_path: Path) -> None:
    down, up = torch.randn(4, 128), torch.randn(384, 4)
    adapted = {name.replace("qkv.", "qkv.base_layer."): tensor for name, tensor in vit().items()}
    adapted |= {"blocks.0.attn.qkv.lora_A.default.weight": down, "blocks.0.attn.qkv.lora_B.default.weight": up}
    path = str(saved(prefixed(adapted, "base_model.model."), tmp_path / "x.pth"))
    with pytest.raises(InputError, match="merge the adapters"):
        load_backbone(path)
    config = {"peft_type": "LORA", "r": 4, "lora_alpha": 8}
    (tmp_path / "adapter_config.json").write_text(json.dumps(config))
    loaded = load_backbone(path)
    expected = vit()["blocks.0.attn.qkv.weight"] + 2 * up @ down
    torch.testing.assert_close(loaded.backbone.blocks[0].attn.qkv.weight.detach(), expected)
    assert choices(loaded)["adapters"][0] == "1 merged into their weights, times 2"
    for wrong in ({"peft_type": "IA3"}, config | {"use_dora": True}, config | {"r": 0}):
        (tmp_path / "adapter_config.json").write_text(json.dumps(wrong))
        with pytest.raises(InputError, match=r"adapter_config\.json"):
            load_backbone(path)


@pytest.mark.parametrize("width", [1152, 1280])
def test_wide_transformers_have_their_usual_heads(width: int, tmp_path: Path) -> None:
    shape = {"img_size": 32, "patch_size": 16, "depth": 1, "num_classes": 2, "mlp_ratio": 0.25}
    network = VisionTransformer(embed_dim=width, num_heads=16, **shape).eval()
    path = saved(network.state_dict(), tmp_path / "wide.pth")
    loaded = load_backbone(str(path), settings={"depth": 1})
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        expected = network.forward_head(network.forward_features(images), pre_logits=True)
        assert torch.allclose(loaded.backbone(images).cls, expected, atol=1e-5)
    assert choices(loaded)["heads"] == ("16", "usual for this width")


FACTS = {"hidden_size": 128, "num_attention_heads": 2, "num_hidden_layers": 2, "patch_size": 8}
HALF = [0.5, 0.5, 0.5]


@pytest.mark.parametrize(
    ("config", "processor"),
    [
        (FACTS, {"image_mean": HALF, "image_std": HALF, "resample": 2}),
        ({**FACTS, "pretrained_cfg": {"mean": HALF, "std": HALF, "interpolation": "bilinear"}}, None),
        ({**FACTS, "mean": HALF, "std": HALF, "interpolation": "bilinear"}, "{"),
    ],
)
def test_what_the_hubs_configuration_says_of_images_is_taken(tmp_path: Path, config: State, processor: object) -> None:
    path = str(saved(vit(), tmp_path / "x.pth"))
    (tmp_path / "config.json").write_text(json.dumps(config))
    if processor is not None:
        text = processor if isinstance(processor, str) else json.dumps(processor)
        (tmp_path / "preprocessor_config.json").write_text(text)
    loaded = load_backbone(path)
    assert (loaded.preprocessing.mean, loaded.preprocessing.interpolation) == (tuple(HALF), "bilinear")
    assert choices(loaded)["std"] == ("0.5/0.5/0.5", "from the configuration beside it")
    set_by_user = load_backbone(path, settings={"mean": (0.1, 0.2, 0.3)})
    assert choices(set_by_user)["mean"] == ("0.1/0.2/0.3", "set by you")


@pytest.mark.parametrize("wrong", [{"image_mean": "x", "image_std": [None], "resample": [3]}, {"image_mean": 3}, []])
def test_a_configuration_that_says_nothing_of_images_changes_nothing(tmp_path: Path, wrong: object) -> None:
    path = str(saved(vit(), tmp_path / "x.pth"))
    (tmp_path / "config.json").write_text(json.dumps(FACTS))
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(wrong))
    assert choices(load_backbone(path))["mean"][1].startswith("by convention")
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({"image_mean": [0.5], "image_std": [0.5]}))
    assert choices(load_backbone(path))["config.json"][0] == "left out: with it the file would not load"
