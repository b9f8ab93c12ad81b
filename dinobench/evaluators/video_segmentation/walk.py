"""Label propagation as the released code of STC has it (videowalk; Jabri et al. 2020), for `davis@stc`.

What differs from DINO's: the window is a disc, the first frame is searched everywhere, frames before the first are
copies of it, exactly k sources count, and labels are reduced and enlarged bilinearly.
"""

from __future__ import annotations

from collections import deque

import cv2
import numpy as np
import torch
from torch import Tensor

from dinobench.data.masks import Labels
from dinobench.evaluators.video_segmentation.propagation import TILE, Propagation, tokens_in_reach


class WalkPropagator:
    """Carries the labels of a first frame through the following ones.

    Args:
        features: (h, w, D) of the first frame, l2-normalized.
        labels: (h, w, C) of the first frame.
        settings: `radius` is that of a disc, which leaves out its rim; 0 means no window.
    """

    def __init__(self, features: Tensor, labels: Tensor, settings: Propagation) -> None:
        self.settings = settings
        self._first = (features, labels)
        count = settings.n_last_frames
        self._recent = deque([self._first] * count, maxlen=count)

    def step(self, features: Tensor) -> Tensor:
        """Soft labels (h, w, C) of the next frame, from its l2-normalized features (h, w, D)."""
        height, width = features.shape[:2]
        result = self._first[1].new_empty(self._first[1].shape)
        for top in range(0, height, TILE):
            for left in range(0, width, TILE):
                rows, columns = (slice(start, start + TILE) for start in (top, left))
                result[rows, columns] = self._propagate_tile(features[rows, columns], top, left)
        self._recent.append((features, result))
        return result

    def _propagate_tile(self, tile: Tensor, top: int, left: int) -> Tensor:
        """Labels of a square of targets (rows, columns, D) whose upper left token is (top, left)."""
        targets = tile.flatten(0, 1)
        scores, values = [targets @ self._first[0].flatten(0, 1).T], [self._first[1].flatten(0, 1)]
        if self._recent:
            near, places = self._reached(tile, top, left)
            bank = torch.stack([frame[near] for frame, _ in self._recent]).flatten(0, 2)
            far = ~self._within(targets.shape[0], tile.shape[1], top, left, places)
            scores.append((targets @ bank.T).masked_fill_(far.repeat(1, len(self._recent)), -torch.inf))
            values.append(torch.stack([labels[near] for _, labels in self._recent]).flatten(0, 2))
        cold, known = torch.cat(scores, dim=1) / self.settings.temperature, torch.cat(values)
        best = cold.topk(min(self.settings.topk, cold.shape[1]), dim=1)
        mixed = (known[best.indices] * best.values.softmax(1)[..., None]).sum(1)
        return mixed.reshape(*tile.shape[:2], -1)

    def _reached(self, tile: Tensor, top: int, left: int) -> tuple[tuple[slice, slice], Tensor]:
        """The box of tokens round a tile that its targets can reach, and the (row, column) of each."""
        height, width = self._first[0].shape[:2]
        radius = self.settings.radius or max(height, width)
        rows, *_ = tokens_in_reach(top, tile.shape[0], height, radius)
        columns, *_ = tokens_in_reach(left, tile.shape[1], width, radius)
        down, across = torch.arange(rows.start, rows.stop), torch.arange(columns.start, columns.stop)
        return (rows, columns), torch.cartesian_prod(down, across).to(tile.device)

    def _within(self, count: int, columns: int, top: int, left: int, places: Tensor) -> Tensor:
        """(targets, places): whether a place lies in the disc round a target."""
        numbers = torch.arange(count, device=places.device)
        targets = torch.stack([top + numbers // columns, left + numbers % columns], dim=1)
        squares = (targets[:, None] - places).square().sum(-1)
        return squares < self.settings.radius**2 if self.settings.radius else squares >= 0


def reduced_labels(labels: Labels, grid: tuple[int, int]) -> Tensor:
    """Labels (H, W), one-hot, bilinear at the centers of the tokens of `grid`: (h, w, C)."""
    one_hot = np.eye(int(labels.max()) + 1, dtype=np.float32)[labels]
    return torch.from_numpy(cv2.resize(one_hot, grid[::-1]))


def enlarged_labels(soft: Tensor, size: tuple[int, int]) -> Labels:
    """Object numbers at the frame's own size (H, W) of soft labels (h, w, C): bilinear, then the strongest channel."""
    large = np.asarray(cv2.resize(soft.cpu().numpy(), size[::-1]))
    numbers: Labels = large.argmax(-1).astype(np.uint8)
    return numbers
