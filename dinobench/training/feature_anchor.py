"""Distillation to the features of the start: what a run holds on to while it learns."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from dinobench.models.networks.backbone import Backbone


class FeatureAnchor:
    """A further loss: how far the student's class tokens of the global views have turned away from the start's.

    Args:
        backbone: the start, which nothing changes.
        weight: of this loss beside the objective's.
    """

    def __init__(self, backbone: Backbone, weight: float) -> None:
        self.backbone, self.weight = backbone.eval().requires_grad_(False), weight

    @torch.no_grad()
    def tokens(self, images: Tensor) -> Tensor:
        """The start's class tokens (2 * B, D) of the global views (2 * B, C, H, W)."""
        return self.backbone.class_token(images)

    def loss(self, student: Tensor, start: Tensor, first: int) -> Tensor:
        """This part's share of weight * mean(1 - cosine) over the global views, a scalar.

        Args:
            student: (n, D) class tokens, from row `first` of all views on; those after the global views count nothing.
            start: (2 * B, D), from `tokens`.
            first: row of the first.
        """
        wanted = start[first : first + len(student)].float()
        cosines = F.cosine_similarity(student[: len(wanted)].float(), wanted, dim=-1)
        return self.weight * (1 - cosines).sum() / len(start)
