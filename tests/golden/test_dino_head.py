from __future__ import annotations

import numpy as np
import pytest
import torch

from dinobench.training.head import DinoHead
from tests.golden.conftest import Golden, load_golden


def head_of(golden: Golden, name: str, dtype: torch.dtype) -> DinoHead:
    case = golden.settings["cases"][name]
    head = DinoHead(
        case["in_dim"],
        case["out_dim"],
        hidden_dim=case["hidden_dim"],
        bottleneck_dim=case["bottleneck_dim"],
        layers=case["nlayers"],
        learn_gain=not case["norm_last_layer"],
        batch_norm=case["use_bn"],
    )
    state = {key: torch.from_numpy(value) for key, value in golden.under(f"{name}/param/").items()}
    head.load_state_dict(state, strict=True)
    return head.to(dtype)


@pytest.mark.parametrize(
    ("dtype", "output_tolerance", "gradient_tolerance"),
    [
        (torch.float64, 1e-9, 1e-9),
        (torch.float32, 1e-5, 1e-5),
    ],
)
def test_output_and_gradients(dtype, output_tolerance, gradient_tolerance):
    golden = load_golden("dino_head")
    for name, case in golden.settings["cases"].items():
        head = head_of(golden, name, dtype)
        inputs = torch.from_numpy(golden.arrays[f"{name}/input"]).to(dtype).requires_grad_()
        output = head(inputs)
        np.testing.assert_allclose(
            output.detach().numpy(), golden.arrays[f"{name}/output"], rtol=output_tolerance, atol=output_tolerance
        )
        (output * torch.from_numpy(golden.arrays[f"{name}/cotangent"]).to(dtype)).sum().backward()
        first = head.mlp if case["nlayers"] == 1 else head.mlp[0]
        gradients = {
            "grad_input": inputs.grad,
            "grad_weight_v": head.last_layer.weight_v.grad,
            "grad_first_linear": first.weight.grad,
            "grad_weight_g": head.last_layer.weight_g.grad,
        }
        if case["zero_bias_and_zero_row"]:
            assert (output[0] == 0).all()
        for key, gradient in gradients.items():
            expected = golden.arrays.get(f"{name}/{key}")
            assert (expected is None) == (gradient is None)
            if expected is not None:
                tolerance = gradient_tolerance * np.abs(expected).max()
                np.testing.assert_allclose(gradient.numpy(), expected, rtol=0, atol=tolerance, err_msg=f"{name} {key}")


def test_keys_and_order():
    golden = load_golden("dino_head")
    for name, case in golden.settings["cases"].items():
        head = head_of(golden, name, torch.float32)
        assert list(head.state_dict()) == case["state_dict_keys"]
        assert [key for key, _ in head.named_parameters()] == case["parameter_order"]
        assert head.last_layer.weight_g.requires_grad == case["weight_g_requires_grad"]
