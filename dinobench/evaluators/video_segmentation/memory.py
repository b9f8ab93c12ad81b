"""Label propagation as the released code of MAST has it (Lai et al. 2020), for `davis@mast`.

What differs from DINO's: features are compared without normalization, labels are object numbers again after every
frame, the memory is the first frame, the sixth and a few of the last ones, and in a frame that is long past the window
lies where a coarse search expects the target. The tokens of all windows share one softmax; outside the frame they are
zero.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from dinobench.data.masks import Labels
from dinobench.evaluators.video_segmentation.propagation import TILE, Propagation

LASTING = (0, 5)
"""Frames that stay in the memory."""
GAP = 2
"""Of the last frames, every second one is in the memory."""
FAR = 15
"""Frames further back than this are searched coarsely first, with one step more for each such stretch of time."""
LARGEST_STEP = 4
TARGETS_PER_BLOCK = 256


class MemoryPropagator:
    """Carries the labels of a first frame through the following ones.

    Args:
        features: (h, w, D) of the first frame, as the network gives them.
        labels: (h, w, C) of the first frame.
        settings: `n_last_frames` of the last frames, every second one; `topk` is not used.
        relabel: soft labels (h, w, C) to the one-hot labels that the memory keeps.
    """

    def __init__(
        self, features: Tensor, labels: Tensor, settings: Propagation, relabel: Callable[[Tensor], Tensor]
    ) -> None:
        self.settings, self._relabel = settings, relabel
        self._memory = {0: (features, labels)}
        self._done = 1

    def step(self, features: Tensor) -> Tensor:
        """Soft labels (h, w, C) of the next frame, from its features (h, w, D)."""
        now, radius = self._done, self.settings.radius or max(features.shape[:2])
        references = self._references()
        shifts = {
            number: expected_shift(features, self._memory[number][0], radius, min(LARGEST_STEP, away // FAR + 1))
            for number in references
            if (away := now - number) > FAR
        }
        # In the source all labels that are long past are read at the place found last; features each at their own.
        last = next(reversed(shifts.values())) if shifts else None
        scores, labels = [], []
        for number in references:
            seen, known = self._memory[number]
            scores.append(window_products(features, seen, radius, shifts.get(number)))
            labels.append((known, last if number in shifts else None))
        soft = mix_windows(torch.stack(scores, 2), labels, radius, self.settings.temperature)
        self.remember(features, soft)
        return soft

    def _references(self) -> list[int]:
        """Numbers of the frames in the memory that count for the next one, oldest first."""
        last = self._done - 1
        recent = range(last, last - GAP * self.settings.n_last_frames, -GAP)
        return sorted({number for number in LASTING if number <= last} | {number for number in recent if number > 0})

    def remember(self, features: Tensor, soft: Tensor) -> None:
        """Take a frame with its soft labels (h, w, C) into the memory."""
        self._memory[self._done] = (features, self._relabel(soft))
        self._done += 1
        oldest = self._done - GAP * max(self.settings.n_last_frames, 1)
        self._memory = {key: pair for key, pair in self._memory.items() if key in LASTING or key >= oldest}


def expected_shift(target: Tensor, source: Tensor, radius: int, step: int) -> Tensor:
    """(h, w, 2) rows and columns from each target to where it is expected in `source`.

    The mean over a window of every `step`-th token, weighted by the softmax of its products.
    """
    shift = target.new_empty(*target.shape[:2], 2)
    side = torch.arange(-radius, radius + 1, device=target.device, dtype=target.dtype)
    places = torch.cartesian_prod(side, side)
    for row, column in product(range(step), repeat=2):  # tokens `step` apart are a grid of their own
        part = (slice(row, None, step), slice(column, None, step))
        if shift[part].numel():
            shift[part] = torch.softmax(window_products(target[part], source[part], radius), dim=-1) @ places * step
    return shift


def window_products(target: Tensor, source: Tensor, radius: int, shift: Tensor | None = None) -> Tensor:
    """(h, w, side * side) products of each target with the window round its place, 0 outside the frame.

    Args:
        target: (h, w, D).
        source: the same of another frame.
        radius: half side of the window.
        shift: (h, w, 2) from a target's place to the middle of its window, in tokens and their parts.
    """
    if shift is not None:
        targets, windows = target.flatten(0, 1), _ShiftedWindows(source, radius, shift)
        blocks = torch.split(torch.arange(len(targets), device=target.device), TARGETS_PER_BLOCK)
        parts = [
            windows.blend(torch.einsum("tnd,td->tn", windows.tokens(each), targets[each]), each) for each in blocks
        ]
        return torch.cat(parts).view(*target.shape[:2], -1)
    side = 2 * radius + 1
    result = target.new_empty(*target.shape[:2], side, side)
    padded = F.pad(source, (0, 0, radius, radius, radius, radius))
    for top in range(0, target.shape[0], TILE):
        for left in range(0, target.shape[1], TILE):
            tile = target[top : top + TILE, left : left + TILE]
            rows, columns = tile.shape[:2]
            bank = padded[top : top + rows + side - 1, left : left + columns + side - 1]
            scores = (tile.flatten(0, 1) @ bank.flatten(0, 1).T).view(rows, columns, *bank.shape[:2])
            seen = scores.unfold(2, side, 1).unfold(3, side, 1).diagonal(dim1=0, dim2=2).diagonal(dim1=0, dim2=1)
            result[top : top + rows, left : left + columns] = seen.permute(2, 3, 0, 1)
    return result.flatten(2)


def mix_windows(scores: Tensor, labels: list[tuple[Tensor, Tensor | None]], radius: int, temperature: float) -> Tensor:
    """(h, w, C) mean labels of all windows of each target.

    Args:
        scores: (h, w, frames, side * side).
        labels: of each frame (h, w, C), and where its windows lie.
        radius: half side of a window.
        temperature: of the softmax over the tokens of all windows.
    """
    height, width = scores.shape[:2]
    flat = scores.flatten(0, 1)
    windows = [
        _ShiftedWindows(known, radius, known.new_zeros(height, width, 2) if shift is None else shift)
        for known, shift in labels
    ]
    mixed = []
    for block in torch.split(torch.arange(len(flat), device=flat.device), TARGETS_PER_BLOCK):
        shares = torch.softmax(flat[block].flatten(1) / temperature, dim=1).view(len(block), *flat.shape[1:])
        known = torch.stack([each.blend(each.tokens(block), block) for each in windows], 1)
        mixed.append(torch.einsum("tfn,tfnc->tc", shares, known))
    return torch.cat(mixed).view(height, width, -1)


class _ShiftedWindows:
    """Windows of a frame (h, w, D) that lie between its tokens: one token larger, to be blended bilinearly."""

    def __init__(self, frame: Tensor, radius: int, shift: Tensor) -> None:
        height, width = frame.shape[:2]
        margin = radius + 1 + int(shift.abs().max().ceil())
        padded = F.pad(frame, (0, 0, margin, margin, margin, margin))
        self._tokens, columns, self._side = padded.flatten(0, 1), padded.shape[1], 2 * radius + 2
        whole = shift.floor().long()
        self._parts = (shift - whole).flatten(0, 1)
        rows, across = (torch.arange(length, device=frame.device) for length in (height, width))
        first = (rows[:, None] + whole[..., 0]) * columns + across + whole[..., 1] + (margin - radius) * (columns + 1)
        self._first = first.flatten()
        near = torch.arange(self._side, device=frame.device)
        self._near = (near[:, None] * columns + near).flatten()

    def tokens(self, targets: Tensor) -> Tensor:
        """(targets, (side + 1) ** 2, D) of these targets."""
        return self._tokens[self._first[targets][:, None] + self._near]

    def blend(self, values: Tensor, targets: Tensor) -> Tensor:
        """(targets, (side + 1) ** 2, ...) between tokens: (targets, side ** 2, ...)."""
        grid = values.view(len(values), self._side, self._side, *values.shape[2:])
        row, column = (part.view(-1, 1, 1, *[1] * (values.dim() - 2)) for part in self._parts[targets].unbind(1))
        across = grid[:, :, :-1] + column * (grid[:, :, 1:] - grid[:, :, :-1])
        blended: Tensor = across[:, :-1] + row * (across[:, 1:] - across[:, :-1])
        return blended.flatten(1, 2)


def spaced_labels(labels: Labels, size: tuple[int, int], grid: tuple[int, int], patch: int, count: int = 0) -> Tensor:
    """Labels (H, W) at the upper left pixel of each token of `grid`, one-hot: (h, w, C).

    Args:
        labels: of the whole frame.
        size: height and width of the network's input.
        grid: tokens down and across.
        patch: pixels per token.
        count: channels, by default one more than the largest number.
    """
    rows, columns = (
        np.arange(tokens) * patch * whole // side for tokens, whole, side in zip(grid, labels.shape, size, strict=True)
    )
    small = torch.from_numpy(labels[np.ix_(rows, columns)].astype(np.int64))
    return F.one_hot(small, count or int(labels.max()) + 1).float()


def strongest_labels(soft: Tensor, frame: tuple[int, int]) -> Labels:
    """Object numbers at the frame's own size (H, W) of soft labels (h, w, C): bilinear, the strongest channel."""
    large = F.interpolate(soft.permute(2, 0, 1)[None], frame, mode="bilinear", align_corners=False)[0]
    numbers: Labels = large.argmax(0).to(torch.uint8).cpu().numpy()
    return numbers
