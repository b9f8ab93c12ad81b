"""Where a run's images come from: a stored data set, in an order of its own for every epoch, or a stream."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from dinobench.data.content import stamp_of
from dinobench.data.dataset import ImageSet
from dinobench.data.manifest import listing_of
from dinobench.data.open import open_dataset, open_training
from dinobench.data.stream import ImageStream, open_stream
from dinobench.runtime.console import announce
from dinobench.runtime.errors import InputError
from dinobench.runtime.processes import rank, world_size
from dinobench.training.batches import BatchPlan, BatchRequest, DecodedImages, ViewBatches, multi_crop
from dinobench.training.probe import KnnProbe, ViewProbe
from dinobench.training.recipe import Recipe


@dataclass(frozen=True)
class TrainingImages:
    """Images of one run.

    Attributes:
        plan: which image belongs to which step.
        data: what a checkpoint remembers of the data: {"spec", "images", "manifest"}.
        views: from a request to views.
        probe: of the features, where the data have one.
        stream: where the images come from if they are not stored.
        images: where they are stored.
    """

    plan: BatchPlan
    data: dict[str, Any]
    views: ViewBatches
    probe: KnnProbe | ViewProbe | None
    stream: ImageStream | None = None
    buffer: int = 0
    images: ImageSet | None = None

    def changed_line(self, checkpoint: Path) -> str:
        """How many images changed after a checkpoint was written, names and sizes being the same; "" for none."""
        files = self.images.files() if self.images else []
        written = checkpoint.stat().st_mtime_ns
        changed = [path for path in files if stamp_of(path)[1] > written]
        if not changed:
            return ""
        return (
            f"{len(changed)} of {len(files)} training images changed, or were copied here, after the checkpoint was "
            f"written, first {changed[0]}; the run is known by names and sizes and goes on with them"
        )

    @property
    def neighbors(self) -> int:
        """Neighbors that vote in the probe."""
        return 0 if self.probe is None else self.probe.neighbors

    def requests(self, first_step: int) -> Iterator[BatchRequest]:
        """Micro-batches of this process from `first_step` to the end of the run."""
        planned = self.plan.requests(first_step)
        if self.stream is None:
            return planned
        return stream_requests(self.stream, self.plan, planned, first_step, self.buffer)


def open_source(recipe: Recipe, spec: str, device: torch.device) -> TrainingImages:
    """The data of a Data SPEC; a labeled "val" split feeds the probe.

    Raises:
        InputError: no such data, too few images for a batch, or a stream of unknown length.
    """
    if recipe.streaming:
        return _streamed_source(recipe, spec)
    images = open_training(spec)
    for note in images.notes:
        announce(note)
    plan = _plan_of(recipe, len(images))
    data = {"spec": spec, "images": len(images), "manifest": listing_of(images).sha256}
    views = _views_of(recipe, DecodedImages(images, recipe.in_channels))
    probe = None if recipe.guard == "views" else _build_probe(recipe, images, spec, device)
    if probe is not None or recipe.guard == "off":
        return TrainingImages(plan, data, views, probe, images=images)
    if recipe.guard == "labels":
        raise InputError(f"guard = labels needs labeled splits train and val, and {spec} has none; set guard=views")
    view_probe = ViewProbe(_two_views(recipe, views), len(images), recipe, device)
    return TrainingImages(plan, data, views, view_probe, images=images)


def _streamed_source(recipe: Recipe, spec: str) -> TrainingImages:
    if not spec.startswith("hf:"):
        raise InputError(f"streaming reads hf:NAME, not {spec}; set streaming=false, or give --data hf:NAME")
    stream = open_stream(spec.removeprefix("hf:"), "train")
    length = recipe.epoch_images or stream.length
    if not length:
        raise InputError(f"{stream.name} does not tell how many images it has; say --set epoch_images=NUMBER")
    data = {"spec": spec, "images": length, "manifest": "streamed"}
    return TrainingImages(_plan_of(recipe, length), data, _views_of(recipe, None), None, stream, recipe.shuffle_buffer)


def stream_requests(
    stream: ImageStream, plan: BatchPlan, planned: Iterator[BatchRequest], first_step: int, buffer: int
) -> Iterator[BatchRequest]:
    """The planned micro-batches with the stream's images in the order in which they arrive.

    An epoch that a resumed run enters midway is read from its start, undecoded, so that the same images follow. Where
    a process's shards hold fewer images than its share of an epoch, they come once more.
    """
    share = plan.batch_size // plan.processes
    place = first_step % plan.steps_per_epoch * share
    for epoch, requests in itertools.groupby(planned, key=lambda request: request.epoch):
        files = itertools.islice(_endless_stream(stream, plan, epoch, buffer), place, None)
        for request in requests:
            count = len(request.indices)
            # The plan's indices would repeat between processes that read the same shard: number them by process.
            numbers = tuple((place + offset) * plan.processes + plan.rank for offset in range(count))
            yield replace(request, indices=numbers, encoded=tuple(itertools.islice(files, count)))
            place += count
        place = 0


def _endless_stream(stream: ImageStream, plan: BatchPlan, epoch: int, buffer: int) -> Iterator[bytes]:
    while True:
        empty = True
        for image in stream.encoded(
            seed=plan.seed, epoch=epoch, buffer=buffer, rank=plan.rank, processes=plan.processes
        ):
            empty = False
            yield image
        if empty:
            raise InputError(f"{stream.name} has no image for process {plan.rank}; use fewer processes")


def _plan_of(recipe: Recipe, images: int) -> BatchPlan:
    return BatchPlan(images, recipe.batch_size, recipe.epochs, recipe.seed, recipe.accumulation, rank(), world_size())


def _views_of(recipe: Recipe, images: DecodedImages | None) -> ViewBatches:
    return ViewBatches(images, multi_crop(recipe), recipe.seed, recipe.in_channels)


def _two_views(recipe: Recipe, views: ViewBatches) -> ViewBatches:
    """The same images with the paper's two global views: a recipe whose own views blank the images would pass its own.

    Images that are neither RGB nor luminance keep their colors.
    """
    colored = recipe.in_channels in (1, 3)
    paper = Recipe() if colored else Recipe(jitter_probability=0, grayscale_probability=0, solarize_probability=0)
    crops = multi_crop(replace(paper, global_size=recipe.global_size, local_crops=0))
    return ViewBatches(views.images, crops, views.seed, views.in_channels)


def _build_probe(recipe: Recipe, images: ImageSet, spec: str, device: torch.device) -> KnnProbe | None:
    if recipe.knn_every == 0 or not images.labeled:
        return None
    try:
        queries = open_dataset(spec, "val")
    except InputError as error:  # training needs no second split
        announce(f"warning: no k-NN probe of the training: {error}")
        return None
    if not queries.labeled or not set(queries.names).isdisjoint(images.names):  # trained on what would be asked
        return None
    return KnnProbe(images, queries, recipe, device)
