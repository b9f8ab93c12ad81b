"""Measures of features that need no labels: how many directions they fill, and how they lie on the sphere."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import normalize

FloatArray = NDArray[np.float64]
EPSILON = 1e-7  # added to each share of a spectrum, as RankMe and LiDAR define it
_ROUNDING = 1e-12  # share of the largest eigenvalue below which one is zero
_ROWS = 2048  # features whose distances to the others are held at once


def singular_values(features: Tensor) -> FloatArray:
    """(min(N, D),) singular values of features (N, D), largest first, computed in float64."""
    values: FloatArray = torch.linalg.svdvals(features.double()).cpu().numpy()
    return values


def effective_rank(spectrum: FloatArray) -> float:
    """exp(entropy) of the shares of a spectrum (n,) of numbers that are not negative; n where all are equal.

    RankMe (Garrido et al. 2023, equation 1) is this of the singular values of features that are not centered.

    Raises:
        ValueError: all are zero.
    """
    total = spectrum.sum()
    if not total > 0:
        raise ValueError("a spectrum of zeros has no rank")
    shares = spectrum / total + EPSILON
    return float(np.exp(-(shares * np.log(shares)).sum()))


def covariance_eigenvalues(features: Tensor) -> FloatArray:
    """(n,) eigenvalues above rounding of the covariance of features (N, D), largest first; none where all are equal."""
    values = singular_values(features - features.mean(0)) ** 2 / max(1, len(features) - 1)
    scale = float(features.double().square().sum(1).mean())
    above: FloatArray = values[values > _ROUNDING * max(values.max(initial=0.0), scale)]
    return above


def decay_exponent(eigenvalues: FloatArray, first: int, last: int) -> float:
    """Alpha of the power law rank^-alpha that fits eigenvalues, largest first: alpha-ReQ (Agrawal et al. 2022).

    The fit is linear in the logarithms, and the eigenvalue of rank i weighs 1 / i (Stringer et al. 2019).

    Args:
        eigenvalues: (n,) above zero.
        first: rank of the first that counts, from 1.
        last: rank of the last; more than n for all.

    Raises:
        ValueError: fewer than two eigenvalues in this range.
    """
    ranks = np.arange(first, min(last, len(eigenvalues)) + 1)
    if len(ranks) < 2:
        raise ValueError(f"{len(eigenvalues)} eigenvalues, of which fewer than two have ranks {first} to {last}")
    slope, _ = np.polyfit(np.log(ranks), np.log(eigenvalues[ranks - 1]), 1, w=1 / np.sqrt(ranks))
    return -float(slope)


def lidar_rank(views: Tensor, delta: float) -> float:
    """LiDAR (Thilak et al. 2023, section 3): the effective rank of `lidar_spectrum`.

    Raises:
        ValueError: the images' means are all the same.
    """
    return effective_rank(lidar_spectrum(views, delta))


def lidar_spectrum(views: Tensor, delta: float) -> FloatArray:
    """Eigenvalues of the scatter between images in units of that within, largest first.

    Args:
        views: (n, q, D) features of q views of each of n images.
        delta: added to the scatter within, along its diagonal.

    Raises:
        ValueError: the images' means are all the same, but for rounding.
    """
    views = views.double()
    means = views.mean(1)
    between, within = means - means.mean(0), (views - means[:, None]).flatten(0, 1)
    if between.square().sum(1).mean() <= _ROUNDING * means.square().sum(1).mean():
        raise ValueError("the images' means differ by rounding alone")
    values, vectors = torch.linalg.eigh(within.T @ within / len(within))
    whitened = between @ vectors / (values.clamp_min(0) + delta).sqrt()
    return singular_values(whitened) ** 2


def uniformity(features: Tensor, temperature: float = 2.0) -> float:
    """Log of the mean of exp(-temperature x squared distance) over all pairs of unit vectors (Wang and Isola 2020).

    Args:
        features: (N, D), at least two; their lengths do not matter.
        temperature: t of the paper.
    """
    return log_mean(uniformity_terms(features, temperature))


def log_mean(terms: FloatArray) -> float:
    """Log of the mean of terms (N,): uniformity of those of `uniformity_terms`."""
    return math.log(float(terms.mean()))


def uniformity_terms(features: Tensor, temperature: float = 2.0) -> FloatArray:
    """(N,) numbers whose mean is that over all pairs: what each image has in common with those behind it.

    Args:
        features: see `uniformity`.
        temperature: likewise.
    """
    unit = normalize(features.double(), dim=1)
    sums = []
    for start in range(0, len(unit), _ROWS):
        block = unit[start : start + _ROWS]
        squared = (2 - 2 * block @ unit[start:].T).clamp_min_(0)
        sums.append(torch.exp(-temperature * squared).triu(1).sum(1))
    terms: FloatArray = (torch.cat(sums) / ((len(unit) - 1) / 2)).cpu().numpy()
    return terms


def alignment(one: Tensor, other: Tensor) -> FloatArray:
    """(N,) squared distance of the unit vectors of two views (N, D) of each image (Wang and Isola 2020, alpha = 2)."""
    distances: FloatArray = (
        (normalize(one.double(), dim=1) - normalize(other.double(), dim=1)).square().sum(1).cpu().numpy()
    )
    return distances
