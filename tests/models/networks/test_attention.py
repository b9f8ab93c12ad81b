"""Both ways to compute attention give the same values, and the choice follows device and length."""

from __future__ import annotations

import pytest
import torch

from dinobench.models.networks import attention
from dinobench.models.networks.attention import SelfAttention, attend


@pytest.fixture(autouse=True)
def a_cpu_with_avx512(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention, "HAS_ONLY_AVX2", False)


def test_the_fused_way_equals_the_plain_one(monkeypatch: pytest.MonkeyPatch) -> None:
    query, key, value = torch.randn(3, 2, 3, 40, 16).unbind(0)
    with torch.no_grad():
        plain = attend(query, key, value)
        monkeypatch.setattr(attention, "FUSED_CPU_TOKENS", 1)
        fused = attend(query, key, value)
    torch.testing.assert_close(plain, fused, rtol=1e-5, atol=1e-5)
    assert not torch.equal(plain, fused)


def test_pieces_equal_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    query, key, value = torch.randn(3, 2, 40, 3, 16).bfloat16().transpose(2, 3).unbind(0)
    with torch.no_grad():
        whole = attend(query, key, value)
        monkeypatch.setattr(attention, "FUSED_CPU_TOKENS", 1)
        monkeypatch.setattr(attention, "_QUERIES", 16)
        pieces = attend(query, key, value)
    torch.testing.assert_close(pieces, whole)


def test_with_avx2_alone_the_fused_way_has_the_gradients_of_the_plain_one(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = torch.randn(3, 2, 3, 17, 16, requires_grad=True)
    plain = torch.autograd.grad(attend(*drawn.unbind(0)).square().sum(), drawn)[0]
    monkeypatch.setattr(attention, "HAS_ONLY_AVX2", True)
    with monkeypatch.context() as patched:
        patched.setattr(attention, "attention_weights", lambda *_: pytest.fail("plain products used"))
        fused = torch.autograd.grad(attend(*drawn.unbind(0)).square().sum(), drawn)[0]
    torch.testing.assert_close(fused, plain, rtol=1e-4, atol=1e-5)


def test_training_on_cpu_takes_the_plain_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention, "FUSED_CPU_TOKENS", 1)
    monkeypatch.setattr(attention.F, "scaled_dot_product_attention", lambda *_: pytest.fail("fused kernel used"))
    query = torch.randn(1, 2, 5, 8, requires_grad=True)
    assert attend(query, query, query).requires_grad


@pytest.mark.parametrize("queries", [1, 3])
def test_a_few_queries_equal_the_first_rows(queries: int) -> None:
    layer = SelfAttention(12, 3).double()
    tokens = torch.randn(2, 7, 12).double()
    torch.testing.assert_close(layer(tokens, queries=queries), layer(tokens)[:, :queries])
    torch.testing.assert_close(layer.weights(tokens, queries=queries), layer.weights(tokens)[:, :, :queries])
