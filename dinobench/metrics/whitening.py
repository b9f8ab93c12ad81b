"""PCA whitening of image descriptors, learned on images that are not searched."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Whitening:
    """An affine map of descriptors.

    Attributes:
        mean: (d,) subtracted first.
        projection: (k, d) principal directions, strongest first, each scaled by its eigenvalue to -power.
    """

    mean: NDArray[np.float64]
    projection: NDArray[np.float64]

    def apply(self, features: NDArray[np.floating]) -> NDArray[np.float64]:
        """(n, d) -> (n, k); not l2-normalized."""
        return (features - self.mean) @ self.projection.T


def learn_whitening(
    features: NDArray[np.floating],
    *,
    centered: bool = True,
    dim: int | None = None,
    power: float = 0.5,
    floor: float = 1e-5,
) -> Whitening:
    """Principal directions of the features, in float64.

    Args:
        features: (n, d).
        centered: take the covariance; False takes the second moment about zero although the mean is subtracted
            later, as the released copy-detection code does.
        dim: directions kept, by default all d.
        power: of the eigenvalues divided out; 0.5 whitens, 0 is plain PCA.
        floor: eigenvalues below this share of the largest are lifted to it.

    Raises:
        ValueError: no features, features that are all alike, or more directions asked for than there are.
    """
    samples = np.asarray(features, dtype=np.float64)
    if samples.ndim != 2 or len(samples) == 0:
        raise ValueError(f"whitening needs a non-empty (n, d) array, not one of shape {samples.shape}")
    if dim is not None and not 0 < dim <= samples.shape[1]:
        raise ValueError(f"cannot keep {dim} of {samples.shape[1]} dimensions")
    if not np.ptp(samples, axis=0).any():
        raise ValueError(f"the {len(samples)} features to learn whitening from are all alike")
    mean = samples.mean(axis=0)
    deviations = samples - mean if centered else samples
    return whitening_of(mean, deviations.T @ deviations / len(samples), dim=dim, power=power, floor=floor)


def whitening_of(
    mean: NDArray[np.float64],
    covariance: NDArray[np.float64],
    *,
    dim: int | None = None,
    power: float = 0.5,
    floor: float = 1e-5,
) -> Whitening:
    """The whitening of features of which mean (d,) and covariance (d, d) are known; see `learn_whitening`."""
    eigenvalues, vectors = np.linalg.eigh(covariance)
    eigenvalues = np.maximum(eigenvalues, floor * eigenvalues[-1])
    strongest = slice(None, None if dim is None else -dim - 1, -1)
    return Whitening(mean, vectors.T[strongest] / eigenvalues[strongest, None] ** power)


def l2_normalize(features: NDArray[np.floating]) -> NDArray[np.floating]:
    """Rows of unit length; a zero row stays zero."""
    norms = np.linalg.norm(features, axis=1, keepdims=True)
    unit: NDArray[np.floating] = np.divide(features, norms, out=np.zeros_like(features), where=norms > 0)
    return unit
