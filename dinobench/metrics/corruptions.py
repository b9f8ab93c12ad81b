"""Errors of AlexNet by corruption, by which ImageNet-C scales those of others."""

from __future__ import annotations

from collections.abc import Mapping

ALEXNET: Mapping[str, float] = {
    "gaussian_noise": 0.886428,
    "shot_noise": 0.894468,
    "impulse_noise": 0.922640,
    "defocus_blur": 0.819880,
    "glass_blur": 0.826268,
    "motion_blur": 0.785948,
    "zoom_blur": 0.798360,
    "snow": 0.866816,
    "frost": 0.826572,
    "fog": 0.819324,
    "brightness": 0.564592,
    "contrast": 0.853204,
    "elastic_transform": 0.646056,
    "pixelate": 0.717840,
    "jpeg_compression": 0.606500,
}
"""Share of wrong images, mean over five severities, of the 15 of the figure; hendrycks/robustness, test.py."""


def mean_corruption_error(errors: Mapping[str, float]) -> float:
    """Mean over the 15 corruptions of the error over AlexNet's, in percent; errors are shares by corruption."""
    return 100 * sum(errors[name] / alexnet for name, alexnet in ALEXNET.items()) / len(ALEXNET)


def mean_accuracy(errors: Mapping[str, float]) -> float:
    """Share of right images, mean over those of the 15 corruptions that are there, else over all; in percent."""
    counted = [errors[name] for name in errors if name in ALEXNET] or list(errors.values())
    return 100 * (1 - sum(counted) / len(counted))
