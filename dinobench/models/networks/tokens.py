"""Rows of tokens whose grid nobody states."""

from __future__ import annotations

import math

from torch import Tensor

from dinobench.runtime.errors import InputError

MOST_PREFIX_TOKENS = 16
"""Class token and registers; a row of tokens with more before its square grid is not a row of patches."""


def square_grid(tokens: Tensor) -> tuple[Tensor, Tensor]:
    """The tokens before the largest square grid (B, P, D), and that grid (B, h, h, D), of (B, N, D).

    Raises:
        InputError: more than `MOST_PREFIX_TOKENS` before it.
    """
    side = math.isqrt(tokens.shape[1])
    before = tokens.shape[1] - side * side
    if before > MOST_PREFIX_TOKENS:
        raise InputError(f"its {tokens.shape[1]} tokens are no square grid with up to {MOST_PREFIX_TOKENS} before it")
    return tokens[:, :before], tokens[:, before:].reshape(len(tokens), side, side, -1)
