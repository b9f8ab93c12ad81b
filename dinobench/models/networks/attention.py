"""Self-attention, and the one place that picks how it is computed."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dinobench.models.networks.position import Rotation
from dinobench.runtime.cpu import HAS_ONLY_AVX2

# With AVX-512, torch's fused CPU kernel loses to two plain products below this many tokens (5x at 65 tokens, 2x at 197,
# equal at 785 to 1370, measured in fp32 inference on one core); above it the (tokens, tokens) matrix leaves the caches.
# With AVX2 it wins at every length: 1.7x at 65, 197 and 785 tokens without a gradient, 1.1x to 1.3x with one.
FUSED_CPU_TOKENS = 1024
_QUERIES = 256  # whose weights over thousands of keys stay in the caches


def attention_weights(query: Tensor, key: Tensor) -> Tensor:
    """softmax(q k^T / sqrt(d)): (B, heads, n, d) and (B, heads, m, d) -> (B, heads, n, m)."""
    scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-2, -1)
    return torch.softmax(scores, dim=-1)


def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Weighted values, (B, heads, n, d), by the fastest exact way for this device and length."""
    if _fused_is_faster(query, key):
        return F.scaled_dot_product_attention(query, key, value)
    if _is_long_on_cpu(query, key):
        return _attend_in_pieces(query, key, value)
    return attention_weights(query, key) @ value


def _fused_is_faster(query: Tensor, key: Tensor) -> bool:
    if query.device.type != "cpu":
        return True
    return query.dtype == torch.float32 and (HAS_ONLY_AVX2 or _is_long_on_cpu(query, key))


def _is_long_on_cpu(query: Tensor, key: Tensor) -> bool:
    return query.device.type == "cpu" and key.shape[-2] >= FUSED_CPU_TOKENS and not torch.is_grad_enabled()


def _attend_in_pieces(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """A head and a few queries at a time: for bf16, whose fused CPU kernel is the slowest of the three ways."""
    heads = zip(*(each.flatten(0, 1) for each in (query, key, value)), strict=True)
    pieces = [attention_weights(some, k) @ v for q, k, v in heads for some in q.split(_QUERIES)]
    return torch.cat(pieces).view(query.shape)


class SelfAttention(nn.Module):
    """Multi-head self-attention with the released parameter names (`qkv`, `proj`)."""

    def __init__(self, dim: int, heads: int, *, qkv_bias: bool = True) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim, bias=qkv_bias)
        self.proj = nn.Linear(dim, dim)

    def forward(self, tokens: Tensor, rotation: Rotation | None = None, *, queries: int | None = None) -> Tensor:
        """Attend over all of `tokens` (B, n, D); only the first `queries` tokens ask, when given."""
        query, key, value = self._query_key_value(tokens, rotation, queries)
        mixed = attend(query, key, value)
        projected: Tensor = self.proj(mixed.transpose(1, 2).flatten(2))
        return projected

    def weights(self, tokens: Tensor, rotation: Rotation | None = None, *, queries: int | None = None) -> Tensor:
        """Softmax weights (B, heads, queries, n)."""
        query, key, _ = self._query_key_value(tokens, rotation, queries)
        return attention_weights(query, key)

    def keys(self, tokens: Tensor) -> Tensor:
        """Keys (B, n, D) of tokens (B, n, D), before any rotary position; the heads stand side by side."""
        return self._project_thirds(tokens, 1, 2)

    def _query_key_value(
        self, tokens: Tensor, rotation: Rotation | None, queries: int | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        if queries is None:
            query, key, value = self._split_heads(self.qkv(tokens), 3)
        else:
            (query,) = self._split_heads(self._project_thirds(tokens[:, :queries], 0, 1), 1)
            key, value = self._split_heads(self._project_thirds(tokens, 1, 3), 2)
        if rotation is not None:
            query, key = rotation.apply(query), rotation.apply(key)
        return query, key, value

    def _project_thirds(self, tokens: Tensor, first: int, last: int) -> Tensor:
        """Thirds `first` to `last` of the joint projection: 0 query, 1 key, 2 value."""
        dim = tokens.shape[-1]
        bias = None if self.qkv.bias is None else self.qkv.bias[first * dim : last * dim]
        return F.linear(tokens, self.qkv.weight[first * dim : last * dim], bias)

    def _split_heads(self, joint: Tensor, parts: int) -> tuple[Tensor, ...]:
        batch, length, width = joint.shape
        split = joint.reshape(batch, length, parts, self.heads, width // (parts * self.heads))
        return split.permute(2, 0, 3, 1, 4).unbind(0)
