"""Label propagation through a video by similarity of patch features (DAVIS, Table 5).

Every token of a new frame looks at the tokens of a few earlier frames that lie within a square window round its own
place, keeps those most like it, and takes the weighted mean of their labels. Affinities are computed tile by tile, for
the window only: the full tokens x tokens matrix never exists.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

TILE = 12
"""Side in tokens of the squares of targets that share one matrix product."""
ROWS_PER_BLOCK = 64
"""Targets that share one matrix product where there is no window."""


@dataclass(frozen=True)
class Propagation:
    """How labels travel.

    Attributes:
        n_last_frames: previous frames looked at, besides the first.
        radius: half side of the window in tokens; 0 means no window.
        topk: sources kept per target over all context frames; all that tie with the last one stay.
        temperature: of the softmax over the kept similarities.
    """

    n_last_frames: int = 7
    radius: int = 12
    topk: int = 5
    temperature: float = 0.1


class LabelPropagator:
    """Carries the labels of a first frame through the following ones.

    Args:
        features: (h, w, D) of the first frame, l2-normalized.
        labels: (h, w, C) of the first frame.
    """

    def __init__(self, features: Tensor, labels: Tensor, settings: Propagation) -> None:
        self.settings = settings
        self._lasting = [(features, labels)]
        self._recent: list[tuple[Tensor, Tensor]] = []
        self._last = self._lasting[0]

    def step(self, features: Tensor) -> Tensor:
        """Soft labels (h, w, C) of the next frame, from its l2-normalized features (h, w, D)."""
        context = [*self._lasting, *self._recent]
        labels = self.propagate(features, [pair[0] for pair in context], [pair[1] for pair in context])
        self._last = (features, labels)
        self.remember(features, labels)
        return labels

    def remember(self, features: Tensor, labels: Tensor) -> None:
        """Look at this frame from the next one on, as at those that were followed."""
        if self.settings.n_last_frames > 0:
            self._recent = [*self._recent, (features, labels)][-self.settings.n_last_frames :]

    def plant(self, labels: Tensor) -> None:
        """Take the true labels (h, w, C) of objects that enter in the frame of the last step, which then stays."""
        features, mixed = self._last
        objects = labels[..., 1:]
        mixed = mixed * (1 - objects.sum(-1, keepdim=True))
        mixed[..., 1:] += objects
        self._lasting.append((features, mixed))
        self._recent = self._recent[:-1]

    def propagate(self, target: Tensor, sources: Sequence[Tensor], labels: Sequence[Tensor]) -> Tensor:
        """Labels (h, w, C) of one frame from those of its context."""
        return propagate(target, sources, labels, self.settings)


def propagate_video(features: Iterable[Tensor], first_labels: Tensor, settings: Propagation) -> Iterator[Tensor]:
    """Soft labels (h, w, C) of every frame but the first.

    Args:
        features: (h, w, D) raw patch features of each frame; read one at a time.
        first_labels: (h, w, C).
        settings: how labels travel.
    """
    frames = (functional.normalize(frame, dim=-1) for frame in features)
    propagator = LabelPropagator(next(frames), first_labels, settings)
    for frame in frames:
        yield propagator.step(frame)


def propagate(target: Tensor, sources: Sequence[Tensor], labels: Sequence[Tensor], settings: Propagation) -> Tensor:
    """Labels of one frame from those of its context.

    Args:
        target: (h, w, D) l2-normalized features.
        sources: the same of each context frame.
        labels: (h, w, C) of each context frame.
        settings: how labels travel.

    Returns:
        (h, w, C).
    """
    height, width = target.shape[:2]
    if settings.radius <= 0 or settings.radius >= max(height, width) - 1:
        return _propagate_everywhere(target, sources, labels, settings)
    result = labels[0].new_empty(labels[0].shape)
    for top in range(0, height, TILE):
        for left in range(0, width, TILE):
            tile = target[top : top + TILE, left : left + TILE]
            result[top : top + TILE, left : left + TILE] = _propagate_tile(tile, top, left, sources, labels, settings)
    return result


@dataclass(frozen=True)
class _Groups:
    """The sources that each target may look at, in groups of consecutive ones.

    Attributes:
        maxima: (targets, groups) highest score in each group.
        starts: (targets, groups) first source of each group.
        size: sources per group.
    """

    maxima: Tensor
    starts: Tensor
    size: int

    def members(self, starts: Tensor) -> Tensor:
        """All sources of the groups that begin at `starts` (targets, g): (targets, g * size)."""
        return (starts[..., None] + torch.arange(self.size, device=starts.device)).flatten(1)


def _propagate_everywhere(
    target: Tensor, sources: Sequence[Tensor], labels: Sequence[Tensor], settings: Propagation
) -> Tensor:
    height, width = target.shape[:2]
    bank, values = torch.stack(tuple(sources)).flatten(0, 2), torch.stack(tuple(labels)).flatten(0, 2)
    starts = torch.arange(0, len(bank), width, device=target.device)
    mixed = []
    for block in torch.split(target.flatten(0, 1), ROWS_PER_BLOCK):
        scores = block @ bank.T
        maxima = scores.view(len(block), -1, width).amax(dim=-1)
        mixed.append(_mix_labels(scores, _Groups(maxima, starts.expand(len(block), -1), width), values, settings))
    return torch.cat(mixed).reshape(height, width, -1)


def _propagate_tile(
    tile: Tensor, top: int, left: int, sources: Sequence[Tensor], labels: Sequence[Tensor], settings: Propagation
) -> Tensor:
    """Labels (rows, columns, C) of a square of targets whose upper left token is (top, left)."""
    rows, columns = tile.shape[:2]
    height, width = sources[0].shape[:2]
    seen_rows, above, below = tokens_in_reach(top, rows, height, settings.radius)
    seen_columns, before, behind = tokens_in_reach(left, columns, width, settings.radius)
    bank = torch.stack([frame[seen_rows, seen_columns] for frame in sources])
    values = torch.stack([frame[seen_rows, seen_columns] for frame in labels])
    scores = (tile.flatten(0, 1) @ bank.flatten(0, 2).T).view(rows, columns, *bank.shape[:3])
    if above or below or before or behind:
        scores = functional.pad(scores, (before, behind, above, below), value=-torch.inf)
        values = functional.pad(values, (0, 0, before, behind, above, below))
    groups = _window_rows(scores, 2 * settings.radius + 1)
    mixed = _mix_labels(scores.flatten(0, 1).flatten(1), groups, values.flatten(0, 2), settings)
    return mixed.reshape(rows, columns, -1)


def tokens_in_reach(first: int, count: int, length: int, radius: int) -> tuple[slice, int, int]:
    """Along one axis: the tokens within `radius` of a tile, and how many it misses before and behind the frame."""
    start, stop = first - radius, first + count + radius
    return slice(max(start, 0), min(stop, length)), max(-start, 0), max(stop - length, 0)


def _window_rows(scores: Tensor, side: int) -> _Groups:
    """Each target's window, row by row.

    Args:
        scores: (rows, columns, frames, rows + side - 1, columns + side - 1) of every target with every source near
            the tile; the window of target (i, j) starts at (i, j) of the last two axes.
        side: of the window, in tokens.
    """
    _, columns, frames, high, wide = scores.shape
    # The diagonals pair target (i, j) with the window that starts at (i, j): all of this is one strided view.
    view = scores.unfold(3, side, 1).unfold(4, side, 1).diagonal(dim1=0, dim2=3).diagonal(dim1=0, dim2=2)
    maxima = view.amax(dim=2).permute(2, 3, 0, 1).flatten(2).flatten(0, 1)
    places = torch.arange(frames * high * wide, device=scores.device).view(frames, high, wide)
    starts = places[:, :, :columns].unfold(1, side, 1).permute(1, 2, 0, 3).flatten(2).flatten(0, 1)
    return _Groups(maxima, starts, side)


def _mix_labels(scores: Tensor, groups: _Groups, values: Tensor, settings: Propagation) -> Tensor:
    """Mean label of each target's strongest sources.

    The strongest k + 1 sources lie in the k + 1 groups with the highest maxima, so only those are searched. The one
    beyond k tells whether more tie with the last one kept.

    Args:
        scores: (targets, sources).
        groups: the sources that each target may look at.
        values: (sources, C) labels.
        settings: how labels travel.

    Returns:
        (targets, C).
    """
    best = groups.maxima.topk(min(settings.topk + 1, groups.maxima.shape[1])).indices
    searched = groups.members(groups.starts.gather(1, best))
    top = scores.gather(1, searched).topk(min(settings.topk + 1, searched.shape[1]))
    kept = top.values[:, : settings.topk]
    sources = searched.gather(1, top.indices[:, : settings.topk])
    mixed = torch.einsum("tk,tkc->tc", torch.softmax(kept / settings.temperature, dim=1), values[sources])
    tied = (top.values[:, settings.topk :] == kept[:, -1:]).any(dim=1) & kept[:, -1].isfinite()
    if bool(tied.any()):
        allowed = groups.members(groups.starts[tied])
        mixed[tied] = _mix_ties(scores[tied], allowed, kept[tied, -1:], values, settings.temperature)
    return mixed


def _mix_ties(scores: Tensor, allowed: Tensor, threshold: Tensor, values: Tensor, temperature: float) -> Tensor:
    """The same for targets where more than k sources reach `threshold` (targets, 1): all of them count."""
    candidates = scores.gather(1, allowed)
    weights = torch.softmax(candidates.masked_fill(candidates < threshold, -torch.inf) / temperature, dim=1)
    return torch.zeros_like(scores).scatter_(1, allowed, weights) @ values
