"""Any module that turns images into features, through the Backbone contract."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from dinobench.models.networks.adapter import Adapter
from dinobench.models.networks.backbone import Features
from dinobench.models.networks.tokens import MOST_PREFIX_TOKENS, square_grid
from dinobench.runtime.errors import InputError

SHAPES = "(B, D), (B, D, h, w), (B, N, D) tokens or dinobench.Features"
TOKENS = "last_hidden_state"  # of transformers' answers


class AnyModule(Adapter):
    """A module whose answer to images (B, 3, H, W) is read by its shape.

    (B, D) is the feature; (B, D, h, w) a map, whose mean is the feature; (B, N, D) tokens, the first of which is the
    feature where they are more than their square grid; an answer of transformers gives its `last_hidden_state`.

    Args:
        network: in eval mode.
        side: of the square input in pixels, for one black image that measures the answer.

    Raises:
        InputError: the module does not take such images, or its answer has another shape.
    """

    def __init__(self, network: nn.Module, side: int, channels: int = 3) -> None:
        super().__init__(network)
        self.depth, self.patch_size, self.dim = 1, 0, 0
        parameter = next(network.parameters(), torch.zeros(0))
        try:
            features = self(torch.zeros(1, channels, side, side, dtype=parameter.dtype, device=parameter.device))
        except InputError:
            raise
        except Exception as error:  # whatever a stranger's forward raises
            reason = str(error).strip().splitlines()[:1] or [type(error).__name__]
            raise InputError(
                f"{type(network).__name__} does not take images (B, {channels}, {side}, {side}): {reason[0]:.160}; "
                "give the transform that it was made for"
            ) from error
        self.patch_size, self.dim = side // features.patches.shape[1], features.cls.shape[-1]

    def last_features(self, images: Tensor) -> Features:
        """See `Adapter`."""
        answer = _tensor_of(self.network(images), type(self.network).__name__)
        if isinstance(answer, Features):
            return answer
        if answer.ndim == 2:
            return Features(answer, answer[:, None, None])
        if answer.ndim == 4:
            return Features(answer.mean((2, 3)), answer.permute(0, 2, 3, 1))
        return self._features_of_tokens(answer, images)

    def _features_of_tokens(self, tokens: Tensor, images: Tensor) -> Features:
        """Class token, patches and registers of (B, N, D), of oblong images by the patch that the square one told."""
        if images.shape[2] != images.shape[3]:
            height, width = (side // self.patch_size for side in images.shape[-2:])
            before = tokens.shape[1] - height * width
            if not 0 <= before <= MOST_PREFIX_TOKENS:
                raise InputError(f"{tokens.shape[1]} tokens are no {height} x {width} grid; give square images")
            prefix, grid = tokens[:, :before], tokens[:, before:].reshape(len(tokens), height, width, -1)
        else:
            prefix, grid = square_grid(tokens)
        if not prefix.shape[1]:
            return Features(grid.mean((1, 2)), grid)
        return Features(prefix[:, 0], grid, prefix[:, 1:] if prefix.shape[1] > 1 else None)


def _tensor_of(answer: Any, name: str) -> Tensor | Features:
    """The part of a module's answer that is read; InputError where there is none."""
    if isinstance(answer, Features):
        return answer
    inner = answer.get(TOKENS) if isinstance(answer, Mapping) else getattr(answer, TOKENS, answer)
    if not isinstance(inner, Tensor) or inner.ndim not in (2, 3, 4):
        shape = f"a tensor {tuple(inner.shape)}" if isinstance(inner, Tensor) else f"a {type(answer).__name__}"
        raise InputError(f"{name} answers with {shape}; wrap it in a module that gives {SHAPES}")
    return inner
