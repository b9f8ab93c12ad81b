"""The vision transformer, with the parameter names of the released checkpoints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dinobench.models.networks.attention import SelfAttention
from dinobench.models.networks.backbone import Backbone, Features
from dinobench.models.networks.fused import linear_gelu
from dinobench.models.networks.position import ResizeWay, RotaryPositions, Rotation, resize_position_table
from dinobench.runtime.errors import InputError


@dataclass(frozen=True)
class ViTShape:
    """Everything that fixes a vision transformer's parameters and arithmetic.

    Attributes:
        patch_size, dim, depth, heads: as the paper's Table 1 names them.
        image_size, in_channels: side of the native square input, which sets the position table's grid; its channels.
        hidden: width inside the MLP (for SwiGLU: of each of its two halves); None means 4 * dim.
        registers: number of register tokens after the class token.
        class_token: without one, `Features.cls` is the mean of the patch tokens.
        class_position: whether the position table has a row for the class token.
        positions: "learned" table, "rotary" angles (DINOv3) or "none".
        resize: how the table follows other input sizes, see `position.resize_position_table`.
        layer_scale: whether each residual branch has a learned gain (`ls1.gamma`, `ls2.gamma`).
        swiglu: gated MLP (`mlp.w12`, `mlp.w3`) in place of GELU (`mlp.fc1`, `mlp.fc2`).
        qkv_bias: bias of the joint query, key, value projection.
        norm_eps: LayerNorm epsilon; 1e-6 in DINO.
        class_norm: whether class and register tokens have a final norm of their own (`cls_norm`).
        pooling: whether `Features.cls` is the class token ("cls") or the mean of the patch tokens ("mean").
    """

    patch_size: int
    dim: int
    depth: int
    heads: int
    image_size: int = 224
    in_channels: int = 3
    hidden: int | None = None
    registers: int = 0
    class_token: bool = True
    class_position: bool = True
    positions: str = "learned"
    resize: ResizeWay = "released"
    layer_scale: bool = False
    swiglu: bool = False
    qkv_bias: bool = True
    norm_eps: float = 1e-6
    class_norm: bool = False
    pooling: Literal["cls", "mean"] = "cls"

    @property
    def feature_is_class_token(self) -> bool:
        """Whether `Features.cls` is the class token."""
        return self.class_token and self.pooling == "cls"

    def __post_init__(self) -> None:
        for name in ("patch_size", "dim", "depth", "heads", "image_size", "in_channels"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} of a vision transformer must be positive, not {getattr(self, name)}")
        if self.dim % self.heads:
            raise InputError(f"{self.heads} heads do not divide width {self.dim}; give another number of heads")
        if self.image_size % self.patch_size:
            raise InputError(f"image size {self.image_size} is not a multiple of patch size {self.patch_size}")


class DropPath(nn.Module):
    """Drops a residual branch per sample while training, the survivors scaled up (stochastic depth)."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, branch: Tensor) -> Tensor:
        """`branch` (B, ...), some samples zeroed."""
        if not self.training or self.rate == 0:
            return branch
        keep = 1 - self.rate
        wide = torch.promote_types(branch.dtype, torch.float32)  # bf16 would round 1 / keep for all alike
        mask = branch.new_empty(branch.shape[0], *[1] * (branch.ndim - 1), dtype=wide).bernoulli_(keep).div_(keep)
        return branch * mask


class LayerScale(nn.Module):
    """A learned gain per channel."""

    def __init__(self, dim: int, initial: float = 1e-5) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.full((dim,), initial))

    def forward(self, branch: Tensor) -> Tensor:
        """`branch` (..., D) times the gain."""
        return torch.mul(branch, self.gamma)


class Mlp(nn.Module):
    """Two linear layers round an exact GELU."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.fc2 = nn.Linear(hidden, dim)

    def forward(self, tokens: Tensor) -> Tensor:
        """(..., D) -> (..., D)."""
        out: Tensor = self.fc2(linear_gelu(self.fc1, tokens))
        return out


class SwiGlu(nn.Module):
    """Gated MLP: w3(silu(a) * b) with (a, b) = w12(x)."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.w12 = nn.Linear(dim, 2 * hidden)
        self.w3 = nn.Linear(hidden, dim)

    def forward(self, tokens: Tensor) -> Tensor:
        """(..., D) -> (..., D)."""
        gate, value = self.w12(tokens).chunk(2, dim=-1)
        out: Tensor = self.w3(F.silu(gate) * value)
        return out


class Block(nn.Module):
    """Pre-norm transformer block."""

    def __init__(self, shape: ViTShape, drop_path: float) -> None:
        super().__init__()
        hidden = shape.hidden or 4 * shape.dim
        self.norm1 = nn.LayerNorm(shape.dim, eps=shape.norm_eps)
        self.attn = SelfAttention(shape.dim, shape.heads, qkv_bias=shape.qkv_bias)
        self.ls1 = LayerScale(shape.dim) if shape.layer_scale else nn.Identity()
        self.norm2 = nn.LayerNorm(shape.dim, eps=shape.norm_eps)
        self.mlp = SwiGlu(shape.dim, hidden) if shape.swiglu else Mlp(shape.dim, hidden)
        self.ls2 = LayerScale(shape.dim) if shape.layer_scale else nn.Identity()
        self.drop_path = DropPath(drop_path)

    def forward(self, tokens: Tensor, rotation: Rotation | None = None, *, queries: int | None = None) -> Tensor:
        """(B, n, D) -> (B, n, D), or the first `queries` tokens alone: the others are then read but not updated."""
        mixed = self.attn(self.norm1(tokens), rotation, queries=queries)
        tokens = tokens[:, :queries] + self.drop_path(self.ls1(mixed))
        out: Tensor = tokens + self.drop_path(self.ls2(self.mlp(self.norm2(tokens))))
        return out


class PatchEmbedding(nn.Module):
    """Linear embedding of square patches; pixels beyond the last whole patch are dropped."""

    def __init__(self, shape: ViTShape) -> None:
        super().__init__()
        size = shape.patch_size
        self.proj = nn.Conv2d(shape.in_channels, shape.dim, kernel_size=size, stride=size)

    def forward(self, images: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, D, h, w)."""
        height, width = images.shape[-2:]
        if min(height, width) < self.proj.stride[0]:
            raise InputError(f"a {height} x {width} image is smaller than one patch of {self.proj.stride[0]} pixels")
        embedded: Tensor = self.proj(images)
        return embedded


class VisionTransformer(Backbone):
    """ViT as DINO trains it (arXiv 2104.14294, section 3.2), with the later families' options in `ViTShape`."""

    def __init__(self, shape: ViTShape, *, drop_path: float = 0.0) -> None:
        super().__init__()
        self.shape = shape
        self.dim, self.patch_size, self.depth = shape.dim, shape.patch_size, shape.depth
        side = shape.image_size // shape.patch_size
        if shape.class_token:
            self.cls_token = nn.Parameter(torch.zeros(1, 1, shape.dim))
        if shape.positions == "learned":
            rows = side * side + int(shape.class_position)
            self.pos_embed = nn.Parameter(torch.zeros(1, rows, shape.dim))
        if shape.registers:
            self.register_tokens = nn.Parameter(torch.zeros(1, shape.registers, shape.dim))
        self.patch_embed = PatchEmbedding(shape)
        if shape.positions == "rotary":
            self.rope_embed = RotaryPositions(shape.dim // shape.heads)
        rates = torch.linspace(0, drop_path, shape.depth, device="cpu").tolist()
        self.blocks = nn.ModuleList(Block(shape, rate) for rate in rates)
        self.norm = nn.LayerNorm(shape.dim, eps=shape.norm_eps)
        if shape.class_norm:
            self.cls_norm = nn.LayerNorm(shape.dim, eps=shape.norm_eps)
        self._initialize_weights()

    def intermediate_layers(self, images: Tensor, n: int = 1) -> tuple[Features, ...]:
        """See `Backbone`."""
        if not 1 <= n <= self.depth:
            raise InputError(f"asked for the last {n} blocks of a model with {self.depth}; ask for 1 to {self.depth}")
        tokens, grid, rotation = self._embed_images(images)
        layers = []
        for index, block in enumerate(self.blocks):
            tokens = block(tokens, rotation)
            if index >= self.depth - n:
                layers.append(self._split_features(tokens, grid))
        return tuple(layers)

    def class_token(self, images: Tensor) -> Tensor:
        """See `Backbone`; the last block computes the class token alone."""
        if not self.shape.feature_is_class_token:
            return super().class_token(images)
        tokens, _, rotation = self._before_last_block(images)
        leading: Tensor = self.blocks[-1](tokens, rotation, queries=1)
        return self._leading_norm(leading)[:, 0]

    def attention(self, images: Tensor) -> Tensor:
        """See `Backbone`."""
        return self._last_attention(images, queries=None)

    def class_attention(self, images: Tensor) -> Tensor:
        """See `Backbone`; only the class token's row is computed."""
        if not self.shape.class_token:
            return super().class_attention(images)
        return self._last_attention(images, queries=1)[:, :, 0]

    def key_map(self, images: Tensor) -> Tensor:
        """See `Backbone`; as the projection gives them, before any rotary position."""
        tokens, grid, _ = self._before_last_block(images)
        block = self.blocks[-1]
        assert isinstance(block, Block)
        keys = block.attn.keys(block.norm1(tokens[:, self._leading_tokens :]))
        return keys.reshape(len(keys), *grid, -1)

    def position_table(self, grid: tuple[int, int], *, square: bool) -> Tensor:
        """The learned table for an (h, w) grid: (1, [1 +] h * w, D).

        Args:
            grid: in patches.
            square: whether the image is as high as wide in pixels.
        """
        leading = int(self.shape.class_position)
        patches = resize_position_table(self.pos_embed[:, leading:], grid, square=square, way=self.shape.resize)
        return torch.cat([self.pos_embed[:, :leading], patches], dim=1)

    @property
    def _leading_tokens(self) -> int:
        """How many tokens stand before the patches."""
        return int(self.shape.class_token) + self.shape.registers

    def _embed_images(self, images: Tensor) -> tuple[Tensor, tuple[int, int], Rotation | None]:
        """Tokens [class, registers, patches] with their positions, the grid, and the rotation if rotary."""
        patches = self.patch_embed(images)
        grid = (patches.shape[2], patches.shape[3])
        patches = patches.flatten(2).transpose(1, 2)
        leading: list[Tensor] = [self.cls_token] if self.shape.class_token else []
        if self.shape.positions == "learned":
            table = self.position_table(grid, square=images.shape[2] == images.shape[3])
            patches = patches + table[:, -patches.shape[1] :]
            if self.shape.class_position:
                leading = [token + table[:, :1] for token in leading]
        if self.shape.registers:
            leading.append(self.register_tokens)
        tokens = torch.cat([*(token.expand(len(images), -1, -1) for token in leading), patches], dim=1)
        return tokens, grid, self.rope_embed(grid) if self.shape.positions == "rotary" else None

    def _before_last_block(self, images: Tensor) -> tuple[Tensor, tuple[int, int], Rotation | None]:
        tokens, grid, rotation = self._embed_images(images)
        for block in self.blocks[:-1]:
            tokens = block(tokens, rotation)
        return tokens, grid, rotation

    def _last_attention(self, images: Tensor, queries: int | None) -> Tensor:
        tokens, _, rotation = self._before_last_block(images)
        block = self.blocks[-1]
        assert isinstance(block, Block)
        return block.attn.weights(block.norm1(tokens), rotation, queries=queries)

    def _leading_norm(self, tokens: Tensor) -> Tensor:
        normed: Tensor = self.cls_norm(tokens) if self.shape.class_norm else self.norm(tokens)
        return normed

    def _split_features(self, tokens: Tensor, grid: tuple[int, int]) -> Features:
        """Split one block's tokens, each part after its final norm."""
        leading = self._leading_norm(tokens[:, : self._leading_tokens])
        patches = self.norm(tokens[:, self._leading_tokens :])
        cls = leading[:, 0] if self.shape.feature_is_class_token else patches.mean(dim=1)
        registers = leading[:, int(self.shape.class_token) :] if self.shape.registers else None
        prenorm = tokens[:, 0] if self.shape.class_token else None
        return Features(cls, patches.unflatten(1, grid), registers, prenorm)

    def _initialize_weights(self) -> None:
        """Linear weights and tokens from a normal of deviation 0.02 cut at +-2, biases zero (released recipe)."""
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        for name in ("cls_token", "pos_embed", "register_tokens"):
            if hasattr(self, name):
                nn.init.trunc_normal_(getattr(self, name), std=0.02)
