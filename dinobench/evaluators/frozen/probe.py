"""The linear probe's training loop: every head of every feature from one pass over the images, resumed by epoch."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from dinobench.data.crops import crop_box
from dinobench.data.dataset import ImageSet
from dinobench.data.transforms import resampling
from dinobench.evaluators.frozen.heads import LinearHeads
from dinobench.evaluators.shared import checkpoint
from dinobench.features.extract import Extractor, feature_batches
from dinobench.features.loading import in_chunks
from dinobench.features.names import Column, parse_feature
from dinobench.runtime.console import progress
from dinobench.runtime.errors import InputError

_SCALE, _RATIO, _FLIP = (0.08, 1.0), (3 / 4, 4 / 3), 0.5  # torchvision's RandomResizedCrop, which the paper uses

# Features of the training images in the order of an epoch: by feature name (B, D), and labels (B,).
Batches = Iterator[tuple[dict[str, Tensor], Tensor]]
Epoch = Callable[[int], Batches]


@dataclass(frozen=True)
class LabelledRows:
    """Fixed features to score on: by feature name (M, D), and labels (M,)."""

    features: Mapping[str, Tensor]
    labels: Tensor

    def to(self, device: torch.device) -> LabelledRows:
        """On another device."""
        features = {name: rows.to(device) for name, rows in self.features.items()}
        return LabelledRows(features, self.labels.to(device))


@dataclass
class Progress:
    """What a probe knows of its heads after each epoch.

    Attributes:
        val, held_out: (epochs so far, all heads) percentages right.
        best: (M,) bool, right or wrong of the best head at its best epoch on the validation images.
    """

    val: Tensor
    held_out: Tensor
    best: Tensor

    @property
    def epochs(self) -> int:
        """Epochs done."""
        return len(self.val)


class Probe:
    """Heads for every feature and learning rate.

    Args:
        dims: width of each feature by name.
        classes: C.
        rates: learning rates, already scaled to the batch.
        epochs: the rates follow a cosine to zero, constant within an epoch.
        device: where the heads lie.
        seed: of their initial weights.
    """

    def __init__(
        self,
        dims: Mapping[str, int],
        classes: int,
        rates: Sequence[float],
        epochs: int,
        device: torch.device,
        seed: int,
    ) -> None:
        self.heads = {name: LinearHeads(dim, classes, rates, device, seed) for name, dim in dims.items()}
        self.rates, self.epochs, self.device = list(rates), epochs, device
        none = torch.zeros(0, len(dims) * len(rates))
        self.progress = Progress(none, none, torch.zeros(0, dtype=torch.bool))

    def train(
        self,
        epoch_of: Epoch,
        val: LabelledRows,
        held_out: LabelledRows | None,
        path: Path,
        identity: Mapping[str, object],
    ) -> None:
        """Train to the last epoch, from where the file at `path` left off.

        Args:
            epoch_of: batches of an epoch.
            val: to report on.
            held_out: to choose by, if any.
            path: state, written after every epoch.
            identity: of the run; a file of another one is refused.
        """
        self._resume(path, identity)
        val, held_out = val.to(self.device), held_out and held_out.to(self.device)
        for epoch in progress(range(self.progress.epochs, self.epochs), "linear probe"):
            factor = (1 + math.cos(math.pi * epoch / self.epochs)) / 2
            for features, labels in epoch_of(epoch):
                for name, heads in self.heads.items():
                    heads.step(features[name].to(self.device), labels.to(self.device), factor)
            self._score(val, held_out)
            checkpoint.save(path, identity, self._state())

    def named(self, number: int) -> tuple[str, int]:
        """Feature and place among its rates of a head counted over all."""
        return list(self.heads)[number // len(self.rates)], number % len(self.rates)

    def _score(self, val: LabelledRows, held_out: LabelledRows | None) -> None:
        right = self._correct(val)
        shares = _percent(right)
        before = self.progress.val
        if not before.numel() or shares.max() > before.max():
            self.progress.best = right[int(shares.argmax())]
        self.progress.val = torch.cat([before, shares[None]])
        if held_out is not None:
            self.progress.held_out = torch.cat([self.progress.held_out, _percent(self._correct(held_out))[None]])

    def _correct(self, rows: LabelledRows) -> Tensor:
        return torch.cat([heads.correct(rows.features[name], rows.labels) for name, heads in self.heads.items()])

    def _state(self) -> dict[str, object]:
        heads = {name: heads.state() for name, heads in self.heads.items()}
        return {"heads": heads, **vars(self.progress)}

    def _resume(self, path: Path, identity: Mapping[str, object]) -> None:
        state = checkpoint.load(path, identity)
        if state is None:
            return
        for name, heads in self.heads.items():
            heads.restore(state["heads"][name])
        self.progress = Progress(state["val"], state["held_out"], state["best"])


def _percent(right: Tensor) -> Tensor:
    return 100 * right.float().mean(1)


def cached_epochs(features: Mapping[str, Tensor], labels: Tensor, batch: int, seed: int) -> Epoch:
    """Epochs over stored features (N, D), shuffled anew each time."""

    def batches(epoch: int) -> Batches:
        order = torch.from_numpy(_order(len(labels), seed, epoch))
        for rows in torch.split(order, batch):
            yield {name: matrix[rows] for name, matrix in features.items()}, labels[rows]

    return batches


def augmented_epochs(
    network: Extractor,
    images: ImageSet,
    features: Sequence[str],
    batch: int,
    seed: int,
    *,
    forward_batch: int,
    workers: int,
    skip_unreadable: bool,
) -> Epoch:
    """Epochs over random crops and flips of the images, through the network: one pass for all features and heads.

    Args:
        network: extracts every column of `features`.
        images: labelled.
        features: names.
        batch: images per step of the heads.
        seed: with the epoch and the image's index it fixes a crop, whatever the number of threads.
        forward_batch: images per forward pass.
        workers: decoding threads.
        skip_unreadable: leave images out that cannot be decoded, where the alternative is InputError.
    """
    labels = torch.tensor(images.labels)

    def batches(epoch: int) -> Batches:
        def crop(image: Image.Image, index: int) -> Image.Image:
            return training_crop(image, network.transform.size, random.Random(f"{seed}/{epoch}/{index}"))

        chunks = _stepwise(_order(len(images), seed, epoch), batch, forward_batch)
        parts: list[dict[str, Tensor]] = []
        indices: list[NDArray[np.int64]] = []
        seen = 0
        for found in feature_batches(network, images, chunks, workers, crop):
            if found.unreadable and not skip_unreadable:
                raise InputError(next(iter(found.unreadable.values())))
            seen += len(found.indices) + len(found.unreadable)
            if len(found.indices):
                parts.append({name: _joined(found.columns, name) for name in features})
                indices.append(found.indices)
            if parts and (seen % batch == 0 or seen == len(images)):
                whole = {name: torch.cat([part[name] for part in parts]) for name in features}
                yield whole, labels[torch.from_numpy(np.concatenate(indices))]
                parts, indices = [], []

    return batches


def training_crop(image: Image.Image, size: int, rng: random.Random) -> Image.Image:
    """A random crop resized to size x size (bilinear, antialiased), flipped half of the time."""
    crop = image.crop(crop_box(image.size, _SCALE, _RATIO, rng)).resize((size, size), resampling("bilinear"))
    return crop.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if rng.random() < _FLIP else crop


def _joined(columns: Mapping[Column, Tensor], name: str) -> Tensor:
    return torch.cat([columns[column] for column in parse_feature(name)], 1)


def _order(images: int, seed: int, epoch: int) -> NDArray[np.int64]:
    return np.random.default_rng([seed, epoch]).permutation(images)


def _stepwise(order: NDArray[np.int64], batch: int, forward_batch: int) -> list[NDArray[np.int64]]:
    """Chunks for the network such that none reaches over the end of a step's batch."""
    return [chunk for step in in_chunks(order, batch) for chunk in in_chunks(step, forward_batch)]
