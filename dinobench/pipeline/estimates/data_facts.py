"""What a job's data are, as far as its cost depends on them: counts, classes and the usual size of an image."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass

from dinobench.data.dataset import ImageSet
from dinobench.data.open import open_dataset
from dinobench.evaluators.common.costs import DataFacts
from dinobench.pipeline.plan import Job, materialize_data
from dinobench.runtime.errors import InputError
from dinobench.runtime.settings import fields_of

_SPLITS = ("train", "val")
_LOOKED_AT = 5  # images whose size is read


@dataclass(frozen=True)
class JobData:
    """The data of a job.

    Attributes:
        facts: the published benchmark's where the data are not here.
        images: of one split, to time reading on; None where they are not here.
        spec: where they lie; "" where they are not here.
    """

    facts: DataFacts
    images: ImageSet | None = None
    spec: str = ""


def look_at(job: Job) -> JobData:
    """The data of a job, opened where they are here; no image but a few is read."""
    published = JobData(DataFacts(job.card.images, job.card.classes, *job.card.usual_size, here=False))
    if not job.data or job.data.startswith("hf:"):  # of the latter a split that no task wants might be downloaded
        return published
    try:
        spec = materialize_data(job)
    except InputError:
        return published
    opened = _opened_splits(job, spec)
    if not opened:
        return published
    largest = max(opened.values(), key=len)
    height, width = _usual_size(largest)
    counts = {split: len(images) for split, images in opened.items()}
    classes = max(len(images.classes) for images in opened.values())
    return JobData(DataFacts(counts, classes, height, width), largest, spec)


def _opened_splits(job: Job, spec: str) -> dict[str, ImageSet]:
    given: Mapping[str, str] = {"train": job.run.train_split, "val": job.run.val_split}
    names = dict.fromkeys((*job.card.images, *_SPLITS, *_own_splits(job)))
    opened = {}
    for name in names:
        try:
            images = open_dataset(spec, given.get(name) or name, job.card.layout, job.card.dataset)
        except InputError:
            continue  # a split that the task may not want; the run itself says what is missing
        if len(images):
            opened[name] = images
    return opened


def _own_splits(job: Job) -> list[str]:
    """Splits that the task's settings name."""
    return [getattr(job.settings, name) for name in fields_of(type(job.settings)) if name == "split"]


def _usual_size(images: ImageSet) -> tuple[int, int]:
    """Height and width in pixels, the medians over a few images."""
    step = max(1, len(images) // _LOOKED_AT)
    sizes = []
    for index in range(0, len(images), step):
        try:
            sizes.append(images.read(index).size)
        except InputError:
            continue  # the task itself says which images cannot be read
    if not sizes:
        return DataFacts.height, DataFacts.width
    return int(statistics.median(high for _, high in sizes)), int(statistics.median(wide for wide, _ in sizes))
