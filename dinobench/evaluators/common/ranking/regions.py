"""R-MAC whose regions are whitened (Tolias et al. 2016; Radenovic et al. 2018): learned on one set, used on another."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from dinobench.evaluators.common.ranking.pooling import region_maxima
from dinobench.metrics.whitening import Whitening, whitening_of
from dinobench.models.networks.backbone import Features
from dinobench.runtime.errors import InputError


@dataclass(frozen=True)
class RegionWhitening:
    """PCA whitening of regions."""

    whitening: Whitening

    @property
    def digest(self) -> str:
        """Of its numbers, for the names of descriptors."""
        whitening = self.whitening
        return hashlib.sha256(whitening.mean.tobytes() + whitening.projection.tobytes()).hexdigest()[:16]

    def __call__(self, features: Features) -> Tensor:
        """(B, k) unit vectors: regions are whitened, normalized and summed."""
        regions = region_maxima(features.patches.float())
        mean, projection = (torch.from_numpy(part).to(regions) for part in (self.whitening.mean, self._projection))
        whitened = functional.normalize((regions - mean) @ projection.T, dim=2)
        return functional.normalize(whitened.sum(dim=1), dim=1)

    @property
    def _projection(self) -> NDArray[np.float64]:
        return np.ascontiguousarray(self.whitening.projection)


@dataclass
class RegionMoments:
    """Mean and second moments of the regions of many images, gathered as the images come."""

    count: int = 0
    total: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    squares: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 0)))

    def add(self, features: Features) -> Tensor:
        """Note the regions of (B, h, w, D) patches; gives one number an image, for a caller that wants rows."""
        regions = region_maxima(features.patches.float()).flatten(0, 1).double().cpu().numpy()
        if not self.count:
            self.total, self.squares = np.zeros(regions.shape[1]), np.zeros((regions.shape[1],) * 2)
        self.count += len(regions)
        self.total += regions.sum(axis=0)
        self.squares += regions.T @ regions
        return torch.zeros(len(features.patches), 1)

    def whitening(self) -> RegionWhitening:
        """What was gathered, as a whitening.

        Raises:
            InputError: all regions are alike.
        """
        mean = self.total / max(self.count, 1)
        covariance = self.squares / max(self.count, 1) - np.outer(mean, mean)
        if not np.diagonal(covariance).max(initial=0.0) > 0:
            raise InputError("the regions to learn whitening from are all alike; give other images")
        return RegionWhitening(whitening_of(mean, covariance))
