"""Every family's real key layout loads, and gives the features of its own module."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
import torchvision
from safetensors.torch import save_file

from dinobench.models.loading.container import CheckpointContents
from dinobench.models.loading.load_plan import make_plan
from dinobench.models.loading.settings import ModelSettings
from dinobench.models.loading.spec import load_backbone
from dinobench.models.networks.build import build_backbone
from dinobench.models.networks.resnet import ResNet, ResNetShape
from dinobench.runtime.errors import InputError
from tests.conftest import shared_data
from tests.models import convnet_checkpoints, vit_checkpoints  # noqa: F401  (they fill CASES)
from tests.models.checkpoints import CASES, Case, images, randomized, timm_vit


def check(case: Case, path: Path, **settings: object) -> None:
    torch.save(dict(case.content), path)
    loaded = load_backbone(str(path), settings=settings)
    assert loaded.family == case.family
    with torch.no_grad():
        features = loaded.backbone(case.images)
    torch.testing.assert_close(features.cls, case.cls, rtol=1e-5, atol=1e-5 * float(case.cls.abs().max()))
    if case.patches is not None:
        patches = features.patches.flatten(1, 2)
        torch.testing.assert_close(patches, case.patches, rtol=1e-5, atol=1e-5 * float(case.patches.abs().max()))


@pytest.mark.parametrize("name", CASES)
def test_features_equal_those_of_its_own_module(name: str, tmp_path: Path) -> None:
    check(CASES[name](), tmp_path / f"{name}.pth")


def test_a_named_timm_model_loads_by_its_own_names(tmp_path: Path) -> None:
    model = randomized(timm.create_model("resnet26t"))
    x = images(64)
    with torch.no_grad():
        cls = model.forward_head(model.forward_features(x), pre_logits=True)
    path = tmp_path / "weights.pth"
    check(Case({"state_dict": model.state_dict()}, "timm", x, cls), path, architecture="resnet26t")
    with pytest.raises(InputError, match="timm has no model"):
        load_backbone(str(path), settings={"architecture": "resnet27t"})


def test_the_hubs_configuration_names_a_timm_model(tmp_path: Path) -> None:
    model = randomized(timm.create_model("convnext_atto", num_classes=0))
    save_file(model.state_dict(), tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps({"architecture": "convnext_atto", "num_classes": 1000}))
    loaded = load_backbone(str(tmp_path / "model.safetensors"))
    assert (loaded.family, loaded.architecture) == ("timm", "convnext_atto")


def jax_arrays(state: dict[str, torch.Tensor], heads: int, *, big_vision: bool) -> dict[str, np.ndarray]:
    """A ViT's tensors as JAX names and shapes them."""
    dim = state["cls_token"].shape[-1]
    arrays = {
        "cls": state["cls_token"],
        "embedding/kernel": state["patch_embed.proj.weight"].permute(2, 3, 1, 0),
        "embedding/bias": state["patch_embed.proj.bias"],
        "Transformer/posembed_input/pos_embedding": state["pos_embed"],
        "Transformer/encoder_norm/scale": state["norm.weight"],
        "Transformer/encoder_norm/bias": state["norm.bias"],
        "head/kernel": torch.zeros(dim, 10),
        "head/bias": torch.zeros(10),
    }
    attention, norm2, mlp = ("MultiHeadDotProductAttention_0", "LayerNorm_1", "MlpBlock_0") if big_vision else (
        "MultiHeadDotProductAttention_1", "LayerNorm_2", "MlpBlock_3")  # fmt: skip
    for number in range(2):
        ours, theirs = f"blocks.{number}.", f"Transformer/encoderblock_{number}/"
        for name, norm in (("norm1", "LayerNorm_0"), ("norm2", norm2)):
            arrays[f"{theirs}{norm}/scale"] = state[f"{ours}{name}.weight"]
            arrays[f"{theirs}{norm}/bias"] = state[f"{ours}{name}.bias"]
        weights, biases = state[f"{ours}attn.qkv.weight"].chunk(3), state[f"{ours}attn.qkv.bias"].chunk(3)
        for part, weight, bias in zip(("query", "key", "value"), weights, biases, strict=True):
            arrays[f"{theirs}{attention}/{part}/kernel"] = weight.T.reshape(dim, heads, dim // heads)
            arrays[f"{theirs}{attention}/{part}/bias"] = bias.reshape(heads, dim // heads)
        arrays[f"{theirs}{attention}/out/kernel"] = state[f"{ours}attn.proj.weight"].T.reshape(heads, dim // heads, dim)
        arrays[f"{theirs}{attention}/out/bias"] = state[f"{ours}attn.proj.bias"]
        for layer in (0, 1):
            arrays[f"{theirs}{mlp}/Dense_{layer}/kernel"] = state[f"{ours}mlp.fc{layer + 1}.weight"].T
            arrays[f"{theirs}{mlp}/Dense_{layer}/bias"] = state[f"{ours}mlp.fc{layer + 1}.bias"]
    if big_vision:
        arrays["pos_embedding"] = arrays.pop("Transformer/posembed_input/pos_embedding")
        arrays = {f"params/{name}": array for name, array in arrays.items()}
    return {name: array.detach().contiguous().numpy() for name, array in arrays.items()}


@pytest.mark.parametrize("big_vision", [False, True])
def test_jax_arrays_equal_timms_reading_of_them(big_vision: bool, tmp_path: Path) -> None:
    model = timm_vit(num_heads=4, num_classes=10)
    path = tmp_path / "vit.npz"
    np.savez(path, **jax_arrays(model.state_dict(), 4, big_vision=big_vision))
    if not big_vision:
        other = timm_vit(seed=3, num_heads=4, num_classes=10)
        other.load_pretrained(str(path))
        assert torch.equal(other.blocks[1].attn.qkv.weight, model.blocks[1].attn.qkv.weight)
    loaded = load_backbone(str(path))
    assert (loaded.family, loaded.backbone.shape.heads) == ("jax_vit", 4)
    assert loaded.preprocessing.mean == (0.5, 0.5, 0.5)
    with torch.no_grad():
        expected = model.forward_features(images())[:, 0]
        torch.testing.assert_close(loaded.backbone(images()).cls, expected, rtol=1e-5, atol=1e-5)


def test_satellite_images_are_normalized_by_their_own_figures(tmp_path: Path) -> None:
    means = {}
    for name in ("dinov3", "dinov3_satellite"):
        torch.save(dict(CASES[name]().content), tmp_path / name)
        means[name] = load_backbone(str(tmp_path / name)).preprocessing.mean
    assert means == {"dinov3": (0.485, 0.456, 0.406), "dinov3_satellite": (0.430, 0.411, 0.296)}
    # Nothing in the tensors of the larger network tells: by name.
    named = load_backbone(str(tmp_path / "dinov3"), settings={"family": "dinov3_satellite_7b"})
    assert named.preprocessing.std == (0.213, 0.156, 0.143)


SIZES = {"hidden_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4, "image_size": 32, "patch_size": 8}
TRANSFORMERS = {
    "ViT": ("transformers", {"intermediate_size": 256}),
    "ViTMSN": ("transformers", {"intermediate_size": 256, "layer_norm_eps": 1e-6}),
    "Dinov2": ("dinov2_transformers", {}),
    "Dinov2WithRegisters": ("dinov2_registers_transformers", {"use_swiglu_ffn": True}),
    "DINOv3ViT": (
        "dinov3_transformers",
        {"num_register_tokens": 4, "intermediate_size": 256, "use_gated_mlp": True, "hidden_act": "silu"},
    ),
}


@pytest.mark.parametrize("name", TRANSFORMERS)
@pytest.mark.parametrize("saved", ["library", "state dict"])
def test_transformers_modules(name: str, saved: str, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    family, options = TRANSFORMERS[name]
    config = getattr(transformers, f"{name}Config")(**SIZES, **options)
    model = randomized(getattr(transformers, f"{name}Model")(config))
    if saved == "library":
        model.save_pretrained(tmp_path)
        path, settings = tmp_path / "model.safetensors", {}
    else:
        path, settings = tmp_path / "state.pth", {"heads": 4, "norm_eps": config.layer_norm_eps}
        torch.save(model.state_dict(), path)
    loaded = load_backbone(str(path), settings=settings)
    assert loaded.family == family
    with torch.no_grad():
        expected = model(images()).last_hidden_state
        features = loaded.backbone(images())
    torch.testing.assert_close(features.cls, expected[:, 0], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(features.patches.flatten(1, 2), expected[:, -16:], rtol=1e-5, atol=1e-5)
    other_size = torch.randn(1, 3, 48, 40)
    options = {"interpolate_pos_encoding": True} if name.startswith("ViT") else {}
    with torch.no_grad():
        expected = model(other_size, **options).last_hidden_state[:, 0]
        torch.testing.assert_close(loaded.backbone(other_size).cls, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "options", [{"num_classes": 10}, {"init_values": 0.5, "reg_tokens": 4, "no_embed_class": True}]
)
def test_timm_weights_follow_other_sizes_as_timm_does(options: dict[str, Any], tmp_path: Path) -> None:
    model = timm_vit(dynamic_img_size=True, **options)
    x = torch.randn(1, 3, 48, 40)
    torch.save(model.state_dict(), tmp_path / "vit.pth")
    loaded = load_backbone(str(tmp_path / "vit.pth"))
    with torch.no_grad():
        torch.testing.assert_close(loaded.backbone(x).cls, model.forward_features(x)[:, 0], rtol=1e-5, atol=1e-5)


def test_wide_resnets_by_their_shapes() -> None:
    for widen in (2, 4, 5):
        shape = ResNetShape((3, 4, 6, 3), planes=64 * widen, stem=64 * widen)
        with torch.device("meta"):
            state = {f"module.{key}": value for key, value in ResNet(shape).state_dict().items()}
        report = make_plan(CheckpointContents("torch", state), ModelSettings()).report
        assert (report.architecture, report.refusal) == (f"resnet50w{widen}", "")


def test_moco_v3_small_has_twelve_heads() -> None:
    with torch.device("meta"):
        state = build_backbone("vit_small/16").state_dict()
    content = {"state_dict": {f"module.base_encoder.{key}": value for key, value in state.items()}}
    plan = make_plan(CheckpointContents("torch", content), ModelSettings())
    assert plan.network.backbone.shape.heads == 12


def test_transformers_mae_keeps_the_encoder(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    config = transformers.ViTMAEConfig(**SIZES, intermediate_size=256, mask_ratio=0.0, decoder_num_hidden_layers=1)
    model = randomized(transformers.ViTMAEForPreTraining(config))
    model.save_pretrained(tmp_path)
    loaded = load_backbone(str(tmp_path / "model.safetensors"))
    with torch.no_grad():
        order = torch.arange(16.0).expand(2, -1)
        expected = model.vit(images(), noise=order).last_hidden_state
    torch.testing.assert_close(loaded.backbone(images()).cls, expected[:, 0], rtol=1e-5, atol=1e-5)
    assert any("decoder" in name for name in loaded.report.dropped)


def test_old_names_of_transformers(tmp_path: Path) -> None:
    """Files published before the library renamed its modules."""
    model = timm_vit(num_heads=4)
    state = {}
    pairs = (
        ("cls_token", "vit.embeddings.cls_token"), ("pos_embed", "vit.embeddings.position_embeddings"),
        ("patch_embed.proj.", "vit.embeddings.patch_embeddings.projection."), ("norm.", "vit.layernorm."),
        ("norm1.", "layernorm_before."), ("norm2.", "layernorm_after."), ("attn.proj.", "attention.output.dense."),
        ("mlp.fc1.", "intermediate.dense."), ("mlp.fc2.", "output.dense."),
    )  # fmt: skip
    for key, value in model.state_dict().items():
        tail = key.split(".", 2)[2] if key.startswith("blocks.") else key
        prefix = f"vit.encoder.layer.{key.split('.')[1]}." if key.startswith("blocks.") else ""
        if "qkv" in key:
            for part, piece in zip(("query", "key", "value"), value.chunk(3), strict=True):
                state[f"{prefix}attention.attention.{part}.{key.rsplit('.')[-1]}"] = piece
            continue
        renamed = next(tail.replace(ours, theirs) for ours, theirs in pairs if tail.startswith(ours))
        state[prefix + renamed] = value
    with torch.no_grad():
        cls = model.forward_features(images())[:, 0]
    case = Case(state | {"classifier.weight": torch.ones(9, 128)}, "transformers", images(), cls)
    check(case, tmp_path / "old.pth", heads=4, norm_eps=1e-6)


def test_the_real_cifar_weights() -> None:
    folder = shared_data("weights", "cifar10_resnet")
    for path in sorted(folder.glob("*.th")):
        loaded = load_backbone(str(path))
        depth = path.name.split("-")[0].removeprefix("resnet")
        assert (loaded.architecture, loaded.preprocessing.size) == (f"cifar_resnet{depth}", 32)
        assert all(reason == "head" for reason in loaded.report.dropped.values())


@pytest.mark.parametrize("family", ["dino", "ibot", "mae"])
def test_the_family_of_a_card_takes_its_file_of_the_backbone_alone(tmp_path: Path, family: str) -> None:
    torch.save(timm_vit().state_dict(), tmp_path / "backbone.pth")
    named = load_backbone(str(tmp_path / "backbone.pth"), settings={"family": family})
    assert named.family == family
    assert named.sha256 == load_backbone(str(tmp_path / "backbone.pth")).sha256


@pytest.mark.parametrize("family", ["dino", "barlow_twins", "obow", "swav", "moco_v3"])
def test_the_family_of_a_card_takes_its_file_of_a_resnet_alone(tmp_path: Path, family: str) -> None:
    network = torchvision.models.resnet18(num_classes=1)
    state = {name: tensor for name, tensor in network.state_dict().items() if not name.startswith("fc.")}
    torch.save(state, tmp_path / "backbone.pth")
    named = load_backbone(str(tmp_path / "backbone.pth"), settings={"family": family})
    assert named.family == family
    assert named.sha256 == load_backbone(str(tmp_path / "backbone.pth")).sha256
