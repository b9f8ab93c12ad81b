"""The content-addressed feature store: every (weights, preprocessing, precision, data) is extracted once."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dinobench.data.dataset import ImageSet
from dinobench.data.manifest import manifest_of
from dinobench.features.entry import Entry
from dinobench.features.extract import ExtractionSettings, Extractor, feature_batches
from dinobench.features.loading import in_chunks
from dinobench.features.maps import MapSettings, narrowed, row_size
from dinobench.features.matrix import FeatureMatrix
from dinobench.features.names import Column, parse_feature, parse_maps
from dinobench.features.rows import Claims, FeatureBatch, RowRequest, stored_rows
from dinobench.models.loading.loaded import LoadedBackbone
from dinobench.runtime.cache import cache_folder
from dinobench.runtime.console import progress
from dinobench.runtime.errors import InputError
from dinobench.runtime.precision import check_precision

SHARD_ROWS = 4096  # what a killed extraction loses at most


class FeatureStore:
    """A folder of entries, one per model and image set."""

    def __init__(self, folder: Path | None = None, shard_rows: int = SHARD_ROWS) -> None:
        self.folder = folder or cache_folder("features")
        self.shard_rows = shard_rows

    def features(
        self,
        model: LoadedBackbone,
        images: ImageSet,
        feature: str = "cls",
        settings: ExtractionSettings | None = None,
        manifest: str | None = None,
    ) -> FeatureMatrix:
        """The features of every image, extracted as far as they are not here yet.

        Args:
            model: whose features.
            images: N images.
            feature: see `dinobench.features.names`.
            settings: device, batch size, decoding threads, precision.
            manifest: digest of `images` where the caller has it.

        Raises:
            InputError: no image at all, features that are not finite, or a disk that is full.
        """
        return self._rows(model, images, parse_feature(feature), settings, manifest, None)

    def maps(
        self,
        model: LoadedBackbone,
        images: ImageSet,
        feature: str = "patches",
        settings: ExtractionSettings | None = None,
        manifest: str | None = None,
        kept: MapSettings | None = None,
    ) -> FeatureMatrix:
        """A map (h, w, D) of every image, extracted as far as they are not here yet; read it block by block.

        Args:
            model: whose maps.
            images: N images.
            feature: of maps, see `dinobench.features.names`.
            settings: device, batch size, decoding threads, precision.
            manifest: digest of `images` where the caller has it.
            kept: fp32 or fp16, and what the network sees of an image.

        Raises:
            InputError: as `features`; or values that fp16 does not hold.
        """
        return self._rows(model, images, parse_maps(feature), settings, manifest, kept or MapSettings())

    def entries(self) -> list[Entry]:
        """All readable entries, by folder name."""
        folders = sorted(self.folder.iterdir()) if self.folder.is_dir() else []
        return [entry for folder in folders if (entry := Entry.open(folder)) is not None]

    def _rows(
        self,
        model: LoadedBackbone,
        images: ImageSet,
        columns: tuple[Column, ...],
        settings: ExtractionSettings | None,
        manifest: str | None,
        kept: MapSettings | None,
    ) -> FeatureMatrix:
        settings = settings or ExtractionSettings()
        check_precision(settings.precision)
        request = RowRequest(
            identity={
                "model": model.identity,
                "precision": settings.precision,
                "manifest": manifest or manifest_of(images).sha256,
                **({"maps": kept.identity()} if kept else {}),
            },
            about=_about(model, images),
            names=images.names,
            columns=columns,
            shard_rows=lambda: row_size(model, columns, kept, settings).shard_rows if kept else self.shard_rows,
        )

        def compute(claims: Claims) -> Iterator[FeatureBatch]:
            network = Extractor.of(model, columns, settings)
            return _extracted(network, images, claims, settings, kept)

        def readable(index: int) -> bool:
            return _is_readable(images, index, len(model.preprocessing.mean))

        return stored_rows(request, compute, folder=self.folder, readable=readable)


def _about(model: LoadedBackbone, images: ImageSet) -> dict[str, Any]:
    """What listings say of an entry."""
    return {
        "name": model.name,
        "architecture": model.architecture,
        "weights": model.sha256,
        "preprocessing": dataclasses.asdict(model.preprocessing),
        "data": images.name,
    }


def _extracted(
    network: Extractor, images: ImageSet, claims: Claims, settings: ExtractionSettings, kept: MapSettings | None
) -> Iterator[FeatureBatch]:
    """Batches of the claimed shards; decoding goes on from one shard to the next."""
    chunks = (chunk for rows in claims for chunk in in_chunks(rows, settings.batch_size))
    batches = feature_batches(network, images, chunks, settings.workers, kept.preparation if kept else None)
    for batch in progress(batches, f"features of {images.name}", sum(claims.missing), FeatureBatch.image_count):
        yield dataclasses.replace(batch, columns=narrowed(batch.columns, kept.numbers)) if kept else batch


def _is_readable(images: ImageSet, index: int, channels: int) -> bool:
    try:
        images.pixels(index, channels)
    except InputError:
        return False
    return True
