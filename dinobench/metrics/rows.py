"""Arrays of the user as tensors, and rows of features as cosine similarity wants them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

_NEAR_ONE = 1e-4


def tensor_of(array: Tensor | np.ndarray) -> Tensor:
    """The same numbers as a tensor; copied where NumPy forbids to write on them, which torch cannot."""
    return array if isinstance(array, Tensor) else torch.from_numpy(np.require(array, requirements="W"))


def unit_rows(rows: Tensor) -> Tensor:
    """The rows (N, D) at length 1; the same tensor where all have it already, to 1e-4. Rows of zeros stay zeros."""
    lengths = torch.linalg.vector_norm(rows, dim=1)
    near = (lengths - 1).abs() <= _NEAR_ONE
    return rows if bool(near.all()) else F.normalize(rows, dim=1)
