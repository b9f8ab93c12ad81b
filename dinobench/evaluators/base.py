"""What an evaluator is given and what it gives back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from dinobench.data.content import digest_of_files
from dinobench.data.dataset import ImageSet
from dinobench.data.manifest import Contents, Manifest, manifest_from
from dinobench.data.open import open_dataset
from dinobench.features.extract import ExtractionSettings, Extractor
from dinobench.features.names import Column
from dinobench.features.network import FrozenNetwork
from dinobench.models.loading.spec import LoadedBackbone
from dinobench.runtime.clock import Clock
from dinobench.runtime.errors import InputError
from dinobench.runtime.plugins import plugin
from dinobench.runtime.processes import agree

SettingsT = TypeVar("SettingsT", covariant=True)


class NothingKeptError(InputError):
    """A record keeps too little for its images to be scored again: one line that says what it lacks."""


@dataclass(frozen=True)
class Rescoring:
    """Which part of a record's images is scored once more, from their pixels.

    Attributes:
        share: of the images, above 0 and at most 1; at least one is scored.
        seed: of the draw.
        kept: folder of what the record kept, as a trained head.
    """

    share: float
    seed: int
    kept: Path

    def rows(self, count: int) -> NDArray[np.int64]:
        """The numbers of the images, of `count`, in their order."""
        chosen = np.random.default_rng(self.seed).choice(count, max(1, round(self.share * count)), replace=False)
        rows: NDArray[np.int64] = np.sort(chosen)
        return rows


@dataclass
class EvaluationContext(Generic[SettingsT]):
    """One task on one model.

    Attributes:
        task: the card's name, for messages.
        model: the loaded backbone, on the CPU; move it to `device`.
        data: data SPEC given by the user, or the card's data set name.
        layout: reader of a folder given as data SPEC.
        settings: an object of the evaluator's `Settings`: the protocol's, with the user's changes.
        output: folder for files of this run (masks, rankings, predictions); made on first use.
        device: where to compute.
        batch_size: images per forward pass.
        workers: threads that decode images, 0 for one per core.
        precision: "fp32" or "bf16".
        compiled: whether a frozen network's batches of one shape go through torch.compile.
        seed: of every random choice.
        dataset_name: the data set that the card names, where several may lie in one folder.
        splits: what the data call "train" and "val", where the user says so.
        contents: which images each opened split holds.
        notes: one line for each thing that was assumed or left out when the data were opened.
        rescoring: where a record's images are scored once more: which of them.
        verify: "full" where the images' files are all read to tell what they hold, not those alone that changed.
    """

    task: str
    model: LoadedBackbone
    data: str
    layout: str
    settings: SettingsT
    output: Path
    device: torch.device
    batch_size: int = 64
    workers: int = 0
    precision: str = "fp32"
    compiled: bool = False
    seed: int = 0
    verify: str = "changed"
    clock: Clock = field(default_factory=Clock)
    manifests: dict[str, Manifest] = field(default_factory=dict)
    dataset_name: str = ""
    splits: Mapping[str, str] = field(default_factory=dict)
    contents: dict[str, Contents] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    rescoring: Rescoring | None = None

    @property
    def predictions_file(self) -> Path:
        """Where the value of every image or query is written."""
        return self.output / "predictions.parquet"

    @property
    def extraction(self) -> ExtractionSettings:
        """How features are computed here."""
        return ExtractionSettings(self.device, self.batch_size, self.workers, self.precision, self.compiled)

    def network(self) -> FrozenNetwork:
        """The model, frozen, where and how features are computed here."""
        model = self.model
        return FrozenNetwork(model.backbone, model.preprocessing, self.device, self.precision, self.compiled)

    def extractor(self, columns: tuple[Column, ...]) -> Extractor:
        """The model as a function from images to columns of features; see `dinobench.features.names`."""
        return Extractor.of(self.model, columns, self.extraction)

    def dataset(self, split: str) -> ImageSet:
        """Open a split of the data and note its manifest for the record.

        Raises:
            InputError: no such data, or the images to test on are those to train on.
        """
        images = open_dataset(self.data, self.splits.get(split) or split, self.layout, self.dataset_name)
        self.notes += [note for note in images.notes if note not in self.notes]
        contents = Contents(images.names, tuple(images.digests(full=self.verify == "full")))
        manifest = manifest_from(images, contents.digests)
        agree(manifest.sha256, f"the content of {images.name}", "give every process the same data")
        self._compare_with_training(split, contents)
        self.manifests[split], self.contents[split] = manifest, contents
        return images

    def scored_rows(self, count: int) -> NDArray[np.int64]:
        """Numbers of the images (queries, sequences) to score, of `count`: all of them, but where it is done again."""
        return self.rescoring.rows(count) if self.rescoring else np.arange(count)

    @property
    def fresh_features(self) -> Path | None:
        """Folder of features of the images to score: the store's own (None), or a new one where it is done again."""
        return self.output / "features" if self.rescoring else None

    def note_files(self, role: str, paths: Sequence[Path]) -> None:
        """Count files that are no images, as annotations or a list, to the data of the record, by their content."""
        manifest = Manifest(digest_of_files(paths), len(paths), 0)
        agree(manifest.sha256, f"the content of {role}", "give every process the same data")
        self.manifests[role] = manifest

    def _compare_with_training(self, split: str, contents: Contents) -> None:
        """Refuse to test on the training images; say how many of the images to test on are among them."""
        for other, known in self.contents.items():
            if other == split or "train" not in (split, other):
                continue
            test, train, tested = (contents, known, split) if other == "train" else (known, contents, other)
            if test == train:
                raise InputError(
                    f"{other} and {split} of {self.data} are the same images, so that the figure would say nothing; "
                    "give data with a split of their own for testing"
                )
            if count := test.held_by(train):
                self.notes.append(f"{count} of {len(test.names)} {tested} images are training images too, by content")


@dataclass
class Scores:
    """What an evaluator measured.

    Attributes:
        metrics: every figure by name; accuracies and mAPs in percent.
        intervals: 95% bootstrap interval (low, high) of the metrics that have one.
        details: anything else worth keeping that JSON can hold (per object, per query, chosen learning rate, ...).
        images: how many images were scored, by split.
        warnings: lines for the user and the record.
        not_comparable: reasons why the figure must not stand beside the published one.
        files: what was written under the context's output folder.
        deviations: settings that turned out to move the figure with this model, with their values.
        temporary: files that nobody needs once the record is stored; they are deleted then.
        values: what every image (query, object) gives to a metric, by its name and in its unit: the metric is their
            mean, NaN left out. Kept beside the value of every image, so that the figure can be computed again.
    """

    metrics: dict[str, float]
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)
    images: dict[str, int] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    not_comparable: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    deviations: dict[str, Any] = field(default_factory=dict)
    temporary: list[Path] = field(default_factory=list)
    values: dict[str, NDArray[np.float64]] = field(default_factory=dict, compare=False)


class Evaluator(Protocol):
    """What evaluators/NAME/evaluate.py offers beside the `Settings` of evaluators/NAME/settings.py."""

    def __call__(self, context: EvaluationContext[Any]) -> Scores:
        """Score the context's model."""


def find_evaluator(name: str) -> Evaluator:
    """The `evaluate` function of dinobench.evaluators.NAME.evaluate.

    Raises:
        InputError: no such evaluator.
    """
    evaluator: Evaluator = plugin("evaluators", name, "evaluate").evaluate
    return evaluator
