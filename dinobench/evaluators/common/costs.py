"""What a task costs, told before it runs: how many images go through which kind of work, and what it keeps.

An evaluator says it in a module `cost` of its folder: `cost(settings, network, data)`. Nothing here loads torch.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

FLOAT = 4  # bytes of a feature's number


@dataclass(frozen=True)
class NetworkShape:
    """What a task's cost depends on in a network.

    Attributes:
        dim: of its features.
        depth: its blocks or stages.
        patch: pixels per token.
        side: of its own square input.
        parameters: how many.
    """

    dim: int
    depth: int
    patch: int
    side: int
    parameters: int


@dataclass(frozen=True)
class DataFacts:
    """What a task's cost depends on in its data.

    Attributes:
        images: by split.
        classes: of the labels; 0 where there are none.
        height, width: of a usual image.
        here: whether the data were looked at; else the counts are the published benchmark's.
    """

    images: Mapping[str, int]
    classes: int = 0
    height: int = 375
    width: int = 500
    here: bool = True

    def count(self, *splits: str) -> int:
        """Images of some splits together; one that the data lack has none."""
        return sum(self.images.get(split, 0) for split in splits)


@dataclass(frozen=True)
class Work:
    """One kind of work on an image, which a few images measure.

    Attributes:
        kind: "forward", or the name of the evaluator whose module `measure` does it.
        height, width: of the network's input.
        batch: images at once.
        options: further settings that it depends on.
    """

    kind: str
    height: int
    width: int
    batch: int
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Its name among measurements."""
        return json.dumps(asdict(self), sort_keys=True)


@dataclass(frozen=True)
class Loading:
    """How an image is read and made ready: "evaluation", "random crop", "resize" or "thumbnail", to which size."""

    kind: str
    height: int
    width: int

    @property
    def key(self) -> str:
        """Its name among measurements."""
        return f"{self.kind} {self.height} x {self.width}"


@dataclass(frozen=True)
class Stage:
    """Part of a task.

    Attributes:
        images: that are worked on, each as often as it is.
        loading: of each; None where they are kept in memory.
        stored: bytes of features that go into the cache; a stage that stores is done once for all tasks that have it.
        forward: whether the images go through the network, or what it gave for them is worked on.
    """

    images: int
    work: Work
    loading: Loading | None = None
    stored: int = 0
    forward: bool = True

    @property
    def key(self) -> str:
        """Equal for stages of two tasks on the same data that share their features."""
        return f"{self.images} {self.work.key} {self.loading and self.loading.key}"


@dataclass(frozen=True)
class Cost:
    """What a task costs on any machine.

    Attributes:
        operations: of products of matrices besides the network's, additions and multiplications.
        held: bytes in memory besides the network and a batch.
    """

    stages: tuple[Stage, ...]
    operations: float = 0.0
    held: int = 0

    @property
    def passes(self) -> int:
        """Images through the network."""
        return sum(stage.images for stage in self.stages if stage.forward)

    @property
    def stored(self) -> int:
        """Bytes of features in the cache."""
        return sum(stage.stored for stage in self.stages)


class CostOf(Protocol):
    """What a module `cost` of an evaluator offers."""

    def __call__(self, settings: Any, network: NetworkShape, data: DataFacts, batch: int) -> Cost:
        """The cost of a task with these settings, `batch` images at once."""


def square_stage(
    images: int, side: int, batch: int, kind: str = "evaluation", tokens: str = "cls", width: int = 0
) -> Stage:
    """Images as squares through the frozen network; `width` numbers of each go into the cache."""
    work = Work("forward", side, side, batch, {"tokens": tokens})
    return Stage(images, work, Loading(kind, side, side), images * width * FLOAT)


def scaled_to(data: DataFacts, shorter: int, multiple: int) -> tuple[int, int]:
    """Height and width of a usual image whose shorter side is `shorter` (0: as it is), cut to a multiple."""
    scale = shorter / min(data.height, data.width) if shorter else 1.0
    height, width = (max(multiple, round(side * scale) // multiple * multiple) for side in (data.height, data.width))
    return height, width


def fit_operations(rows: int, dim: int, classes: int, iterations: int) -> float:
    """Of a linear classifier by L-BFGS: scores and gradient, each a product, in every iteration."""
    return 4.0 * rows * dim * classes * iterations
