"""The online probe: k-NN accuracy of the teacher on a fixed part of the data.

Processes share its batches, which are those of one process, so the figure is the same to the last bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from dinobench.data.dataset import ImageSet
from dinobench.data.manifest import listing_of
from dinobench.features.extract import extract_features
from dinobench.metrics.knn import KnnPredictions, knn_classify
from dinobench.metrics.spectrum import effective_rank, singular_values
from dinobench.models.loading.preprocessing import default_resize
from dinobench.models.networks.backbone import Backbone, Preprocessing
from dinobench.runtime.processes import from_first, gather_objects, own_share
from dinobench.training.batches import BatchRequest, Normalize, ViewBatches
from dinobench.training.recipe import Recipe

K = 20
BATCH = 128  # images that a process embeds at once; processes share whole batches
_NO_EPOCH = 2**20


@dataclass(frozen=True)
class ProbeAnswers:
    """What a probe says of one network.

    Attributes:
        right: whether each query is answered rightly.
        rank: how many directions the features fill (RankMe), 0 for features that are zero or not finite; None where
            labels are asked.
    """

    right: list[bool]
    rank: float | None = None


def spread_subset(images: ImageSet, most: int) -> ImageSet:
    """At most `most` images, evenly over the set, hence over its classes."""
    if len(images) <= most:
        return images
    return images.subset(np.linspace(0, len(images) - 1, most).astype(np.int64))


class KnnProbe:
    """Weighted 20-NN top-1 of a backbone, as in the paper's Table 2 but on at most `recipe.knn_images` images.

    Args:
        bank: labeled images whose neighbors vote.
        queries: labeled images to classify.
        recipe: gives size, normalization and how many images.
        device: where the backbone lies.
    """

    def __init__(self, bank: ImageSet, queries: ImageSet, recipe: Recipe, device: torch.device) -> None:
        self.bank, self.queries = (
            spread_subset(bank, recipe.knn_images),
            spread_subset(queries, max(1, recipe.knn_images // 2)),
        )
        size = recipe.global_size
        self.preprocessing = Preprocessing(recipe.mean, recipe.std, size, default_resize(size))
        self.device = device
        self.neighbors = min(K, len(self.bank))

    @property
    def measure(self) -> str:
        """What is measured, in words."""
        return f"{self.neighbors}-NN of {len(self.queries)} images"

    @property
    def identity(self) -> str:
        """What must be the same in all processes, beside the training images."""
        return f"{self.measure} {listing_of(self.queries).sha256}"

    def __call__(self, backbone: Backbone) -> float:
        """Top-1 accuracy in percent."""
        predictions = self._predictions(backbone)
        return float(predictions.accuracy(torch.from_numpy(self.queries.labels.copy()), self.neighbors))

    def correct(self, backbone: Backbone) -> list[bool]:
        """Whether each query is classified rightly."""
        right: list[bool] = (
            self._predictions(backbone).predicted(self.neighbors).cpu() == torch.from_numpy(self.queries.labels.copy())
        ).tolist()
        return right

    def answers(self, backbone: Backbone) -> ProbeAnswers:
        """What labels say."""
        return ProbeAnswers(self.correct(backbone))

    def _predictions(self, backbone: Backbone) -> KnnPredictions:
        training = backbone.training
        backbone.eval()
        bank, queries = self._class_tokens(backbone, self.bank), self._class_tokens(backbone, self.queries)
        backbone.train(training)
        labels, classes = torch.from_numpy(self.bank.labels.copy()), len(self.bank.classes)
        return from_first(
            lambda: knn_classify(bank, labels, queries, ks=(self.neighbors,), num_classes=classes), "k-NN probe"
        )

    def _class_tokens(self, backbone: Backbone, images: ImageSet) -> Tensor:
        share = own_share(-(-len(images) // BATCH))
        mine = images.subset(range(share.start * BATCH, min(share.stop * BATCH, len(images))))
        tokens = []
        if len(mine):
            tokens = [extract_features(backbone, self.preprocessing, mine, device=self.device, batch_size=BATCH)]
        return _joined_rows(tokens, f"class tokens of {images.name}", self.device)


class ViewProbe:
    """Without labels: how often the nearest neighbor of one view of an image is the other view of the same image.

    And how many directions the features of these views fill: few are enough to find one view by the other.
    The two global views of up to `recipe.knn_images` images are drawn once and for all, from an epoch that no run has.

    Args:
        views: of the training images.
        images: how many there are.
        recipe: gives normalization and how many images.
        device: where the backbone lies.
    """

    neighbors = 1

    def __init__(self, views: ViewBatches, images: int, recipe: Recipe, device: torch.device) -> None:
        chosen = np.linspace(0, images - 1, min(images, recipe.knn_images)).astype(np.int64).tolist()
        self.parts = [tuple(chosen[first : first + BATCH]) for first in range(0, len(chosen), BATCH)]
        self.views, self.count, self.device = views, len(chosen), device
        self.normalize = Normalize(recipe.mean, recipe.std, device)

    @property
    def measure(self) -> str:
        """What is measured, in words."""
        return f"1-NN of {self.count} images by their other view"

    identity = measure

    def __call__(self, backbone: Backbone) -> float:
        """Share of the images, in percent."""
        return 100 * float(np.mean(self.correct(backbone)))

    def correct(self, backbone: Backbone) -> list[bool]:
        """Whether each image is found by its other view."""
        return self.answers(backbone).right

    @torch.inference_mode()
    def answers(self, backbone: Backbone) -> ProbeAnswers:
        """Whether each image is found by its other view, and the rank of the features of the first views."""
        training = backbone.training
        backbone.eval()
        mine = [self._tokens(backbone, self.parts[index]) for index in own_share(len(self.parts))]
        backbone.train(training)
        first, second = (
            _joined_rows([pair[side] for pair in mine], f"class tokens of view {side}", self.device) for side in (0, 1)
        )
        return from_first(lambda: self._answers(first, second), "probe by views")

    def _tokens(self, backbone: Backbone, part: tuple[int, ...]) -> Sequence[Tensor]:
        views = self.views[BatchRequest(_NO_EPOCH, part)][0]
        return backbone.class_token(self.normalize(views)).float().chunk(2)

    def _answers(self, first: Tensor, second: Tensor) -> ProbeAnswers:
        nearest = torch.cat([(rows @ second.T).argmax(1) for rows in torch.split(first, BATCH)])
        return ProbeAnswers((nearest.cpu() == torch.arange(self.count)).tolist(), _rank(first))


def _rank(features: Tensor) -> float:
    """RankMe of features (N, D), 0 where they are zero or not finite."""
    sound = bool(features.isfinite().all()) and bool(features.any())
    return effective_rank(singular_values(features.cpu())) if sound else 0.0


def _joined_rows(tokens: list[Tensor], what: str, device: torch.device) -> Tensor:
    """Unit rows of all processes' tokens, in order."""
    shares = gather_objects([rows.cpu() for rows in tokens], what)
    return F.normalize(torch.cat([rows for share in shares for rows in share]).to(device), dim=-1)
