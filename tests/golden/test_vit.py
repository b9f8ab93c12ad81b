"""The ViT against the released one: class token, layers, attention and position table."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dinobench.models.networks.vit import VisionTransformer, ViTShape
from tests.golden.conftest import Golden, load_golden

RELATIVE = 1e-9


@pytest.fixture(scope="module")
def golden() -> Golden:
    return load_golden("vit")


def golden_vit(golden: Golden, name: str, settings: dict) -> VisionTransformer:
    """Model `name` of the case in double precision, its weights loaded strictly."""
    shape = ViTShape(
        patch_size=settings["patch_size"],
        dim=settings["embed_dim"],
        depth=settings["depth"],
        heads=settings["num_heads"],
        image_size=settings["img_size"],
        hidden=int(settings["embed_dim"] * settings["mlp_ratio"]),
        qkv_bias=settings["qkv_bias"],
        norm_eps=settings["layernorm_eps"],
    )
    model = VisionTransformer(shape).double().eval()
    state = {key: torch.from_numpy(value).double() for key, value in golden.under(f"{name}/param/").items()}
    model.load_state_dict(state, strict=True)
    return model


def close(actual: torch.Tensor, expected: np.ndarray) -> None:
    np.testing.assert_allclose(actual.detach().numpy(), expected, rtol=RELATIVE, atol=RELATIVE * np.abs(expected).max())


def test_outputs_equal_the_released_ones(golden: Golden) -> None:
    for name, settings in golden.settings["models"].items():
        model = golden_vit(golden, name, settings)
        for case, facts in settings["inputs"].items():
            arrays = golden.under(f"{name}/{case}/")
            images = torch.from_numpy(arrays["x"]).double()
            layers = model.intermediate_layers(images, len(arrays["layers"]))
            for layer, expected in zip(layers, arrays["layers"], strict=True):
                close(layer.cls, expected[:, 0])
                assert list(layer.patches.shape[1:3]) == facts["grid"]
                close(layer.patches.flatten(1, 2), expected[:, 1:])
            close(model(images).cls, arrays["cls"])
            close(model.class_token(images), arrays["cls"])
            close(model.attention(images), arrays["attn"])
            close(model.class_attention(images), arrays["attn"][:, :, 0])
            square = images.shape[2] == images.shape[3]
            close(model.position_table(tuple(facts["grid"]), square=square), arrays["pos_table"])


def test_state_dict_has_the_released_keys_in_their_order(golden: Golden) -> None:
    for name, settings in golden.settings["models"].items():
        assert list(golden_vit(golden, name, settings).state_dict()) == settings["state_dict_keys"]


def test_drop_path_grows_linearly_over_depth(golden: Golden) -> None:
    for name, expected in golden.settings["drop_path_rates"].items():
        depth, rate = name.removeprefix("depth").split("_rate")
        shape = ViTShape(patch_size=4, dim=8, depth=int(depth), heads=2, image_size=8)
        model = VisionTransformer(shape, drop_path=float(rate))
        assert [block.drop_path.rate for block in model.blocks] == pytest.approx(expected, abs=1e-9)
