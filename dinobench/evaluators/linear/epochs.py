"""One pass over the training images for all heads of a linear probe: stored features, or random crops of the images."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from dinobench.data.crops import crop_box
from dinobench.data.dataset import ImageSet
from dinobench.data.transforms import resampling
from dinobench.evaluators.linear.sharing import SharedSteps, my_features, taken
from dinobench.features.extract import Extractor, feature_batches
from dinobench.features.loading import in_chunks, map_ahead
from dinobench.features.matrix import FeatureMatrix
from dinobench.features.names import Column, parse_feature
from dinobench.features.preparation import Preparation
from dinobench.features.rows import FeatureBatch
from dinobench.runtime.errors import InputError
from dinobench.runtime.processes import gather_objects

_SCALE, _RATIO, _FLIP = (0.08, 1.0), (3 / 4, 4 / 3), 0.5  # torchvision's RandomResizedCrop, which the paper uses
WINDOW_BYTES = 2**28  # of stored features; three windows are in memory at a time
_RUN = 16  # consecutive rows that are read together

# Features of the training images in the order of an epoch: by feature name (B, D), and labels (B,).
Batches = Iterator[tuple[dict[str, Tensor], Tensor]]
Epoch = Callable[[int], Batches]


def cached_epochs(
    matrix: FeatureMatrix,
    rows: NDArray[np.int64],
    labels: Tensor,
    features: Sequence[str],
    batch: int,
    seed: int,
    window_bytes: int = WINDOW_BYTES,
) -> Epoch:
    """Epochs over stored features, shuffled anew each time, in bounded memory.

    Rows that fit in one window are shuffled all together. More are cut into runs of 16 consecutive rows; the runs are
    shuffled all together and fill windows, and the rows of each window are shuffled. As the runs of a window come from
    everywhere, so do its classes, though the store keeps a class together; reading stays nearly sequential.

    Under a process group each process gets the features whose heads it trains.

    Args:
        matrix: holds every column of `features`.
        rows: (n,) sorted rows to train on.
        labels: (n,) their classes.
        features: names.
        batch: rows per step.
        seed: with the epoch it fixes the order.
        window_bytes: of the features of one window.
    """
    window = max(1, window_bytes // (4 * matrix.only("+".join(_columns_of(features))).dim * batch)) * batch
    own = my_features(features)
    columns = _columns_of(own or features)
    stored = matrix.only("+".join(columns))
    places = _places_of(stored, columns, own)

    def load(order: NDArray[np.int64]) -> tuple[Tensor, Tensor, Tensor]:
        """Features of a window in the order of the store, where each row of the order lies among them, labels."""
        chosen = np.sort(order)
        where = torch.from_numpy(np.searchsorted(chosen, order))
        return stored.take(rows[chosen]), where, labels[torch.from_numpy(order)]

    def batches(epoch: int) -> Batches:
        if not own:
            return
        windows = in_chunks(_windowed_order(len(rows), window, seed, epoch), window)
        for values, where, truth in map_ahead(load, windows, workers=1):
            for step, known in zip(torch.split(where, batch), torch.split(truth, batch), strict=True):
                found = values[step]
                yield {name: _side_by_side(found, at) for name, at in places.items()}, known

    return batches


def _columns_of(features: Sequence[str]) -> list[str]:
    """Names of the columns that some features need, each once."""
    return list(dict.fromkeys(str(column) for name in features for column in parse_feature(name)))


def _places_of(matrix: FeatureMatrix, columns: Sequence[str], features: Sequence[str]) -> dict[str, list[slice]]:
    """Where the columns of each feature stand in a row."""
    edges = np.cumsum([0, *(matrix.only(column).dim for column in columns)]).tolist()
    spans = {column: slice(*edge) for column, edge in zip(columns, itertools.pairwise(edges), strict=True)}
    return {name: [spans[str(column)] for column in parse_feature(name)] for name in features}


def _side_by_side(rows: Tensor, spans: Sequence[slice]) -> Tensor:
    return torch.cat([rows[:, span] for span in spans], 1)


def _windowed_order(images: int, window: int, seed: int, epoch: int) -> NDArray[np.int64]:
    if images <= window:
        return _epoch_order(images, seed, epoch)
    rng = np.random.default_rng([seed, epoch])
    runs = rng.permutation(-(-images // _RUN))
    order = (runs[:, None] * _RUN + np.arange(_RUN)).ravel()
    return np.concatenate([rng.permutation(part) for part in in_chunks(order[order < images], window)])


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
    left_out: dict[int, str],
) -> Epoch:
    """Epochs over random crops and flips of the images, through the network: one pass for all features and heads.

    Under a process group each process forwards a share of every step's images; all get the same batches.

    Args:
        network: extracts every column of `features`.
        images: labeled.
        features: names.
        batch: images per step of the heads.
        seed: with the epoch and the image's index it fixes a crop, whatever the number of threads.
        forward_batch: images per forward pass.
        workers: decoding threads.
        skip_unreadable: leave images out that cannot be decoded, where the alternative is InputError.
        left_out: takes a line for each of them, by index.
    """
    labels = torch.tensor(images.labels)
    size = network.transform.size
    shared = SharedSteps(network.columns, forward_batch, network.device)

    def batches(epoch: int) -> Batches:
        def crop(index: int, image: Image.Image) -> Image.Image:
            return training_crop(image, size, random.Random(f"{seed}/{epoch}/{index}"))

        steps = in_chunks(_epoch_order(len(images), seed, epoch), batch)
        own = [chunk for step in steps for chunk in shared.own_chunks(step)]
        found = feature_batches(network, images, own, workers, Preparation("random crops", crop, (size, size)))
        for step in steps:
            parts = taken(found, len(shared.own_chunks(step)))
            _note_unreadable(parts, skip_unreadable, left_out)
            columns, indices = shared.gather(step, parts)
            if len(indices):
                yield {name: _join_columns(columns, name) for name in features}, labels[torch.from_numpy(indices)]
        for others in gather_objects(left_out, f"images left out of epoch {epoch}"):
            left_out.update(others)

    return batches


def training_crop(image: Image.Image, size: int, rng: random.Random) -> Image.Image:
    """A random crop resized to size x size (bilinear, antialiased), flipped half of the time."""
    crop = image.crop(crop_box(image.size, _SCALE, _RATIO, rng)).resize((size, size), resampling("bilinear"))
    return crop.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if rng.random() < _FLIP else crop


def _join_columns(columns: Mapping[Column, Tensor], name: str) -> Tensor:
    return torch.cat([columns[column] for column in parse_feature(name)], 1)


def _epoch_order(images: int, seed: int, epoch: int) -> NDArray[np.int64]:
    return np.random.default_rng([seed, epoch]).permutation(images)


def _note_unreadable(parts: Sequence[FeatureBatch], skip: bool, left_out: dict[int, str]) -> None:
    for part in parts:
        if part.unreadable and not skip:
            raise InputError(next(iter(part.unreadable.values())))
        left_out.update(part.unreadable)
