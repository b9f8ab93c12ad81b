"""The fused linear layer and GELU against the two plain ones."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from dinobench.models.networks import fused
from dinobench.models.networks.fused import linear_gelu


@pytest.fixture(autouse=True)
def a_cpu_with_avx512(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fused, "HAS_ONLY_AVX2", False)


@pytest.fixture
def layer() -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(24, 40)


def test_equals_the_two_layers_without_gradient(layer: nn.Linear) -> None:
    tokens = torch.randn(2, 5, 24)
    with torch.no_grad():
        torch.testing.assert_close(linear_gelu(layer, tokens), F.gelu(layer(tokens)), rtol=1e-5, atol=1e-6)


def test_gradients_flow_in_training(layer: nn.Linear) -> None:
    linear_gelu(layer, torch.randn(3, 24)).sum().backward()
    assert layer.weight.grad is not None
    assert layer.weight.grad.abs().sum() > 0


def test_follows_autocast(layer: nn.Linear) -> None:
    tokens = torch.randn(2, 5, 24)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        found, expected = linear_gelu(layer, tokens), F.gelu(layer(tokens))
    assert found.dtype == expected.dtype == torch.bfloat16
    torch.testing.assert_close(found, expected, rtol=2e-2, atol=2e-2)


def test_double_precision_stays_double(layer: nn.Linear) -> None:
    tokens = torch.randn(2, 24, dtype=torch.float64)
    with torch.no_grad():
        found = linear_gelu(layer.double(), tokens)
    assert found.dtype == torch.float64
    torch.testing.assert_close(found, F.gelu(layer(tokens)))


def test_a_build_without_the_kernel_uses_the_two_layers(layer: nn.Linear, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object) -> None:
        raise RuntimeError("no such operator")

    monkeypatch.setattr(fused, "_one_kernel", missing)
    fused._one_kernel_works.cache_clear()
    tokens = torch.randn(3, 24)
    with torch.no_grad():
        torch.testing.assert_close(linear_gelu(layer, tokens), F.gelu(layer(tokens)), rtol=0, atol=0)
    fused._one_kernel_works.cache_clear()


def test_a_cpu_without_the_bf16_kernel_uses_the_two_layers(layer: nn.Linear, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = fused._one_kernel

    def only_float32(tokens: torch.Tensor, *rest: torch.Tensor) -> torch.Tensor:
        if tokens.dtype != torch.float32:
            raise RuntimeError("could not create a primitive descriptor")
        return kernel(tokens, *rest)

    monkeypatch.setattr(fused, "_one_kernel", only_float32)
    fused._one_kernel_works.cache_clear()
    tokens = torch.randn(3, 24)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(linear_gelu(layer, tokens), F.gelu(layer(tokens)), rtol=0, atol=0)
    fused._one_kernel_works.cache_clear()
