"""Masks of finished sequences on disk, so that a run that was killed goes on with the next sequence."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Any

import numpy as np

from dinobench.data.masks import Labels
from dinobench.evaluators.base import EvaluationContext
from dinobench.evaluators.video_segmentation.settings import Settings
from dinobench.evaluators.video_segmentation.tracking import TrackingConfig
from dinobench.runtime.files import atomic_path
from dinobench.runtime.settings import plain


class KeptMasks:
    """The masks of one run's sequences, below `folder`; another run's are not read, but made anew."""

    def __init__(self, context: EvaluationContext[Settings], configs: Sequence[TrackingConfig]) -> None:
        self.folder = context.output / "unfinished"
        self._identity = json.dumps(_identity(context, configs), sort_keys=True)

    def path(self, sequence: str) -> Path:
        """Where a sequence's masks are kept."""
        return self.folder / f"{sequence}.npz"

    def load(self, sequence: str) -> tuple[list[Labels], list[str]] | None:
        """Masks by every configuration, and warnings; None where this run has not made them or the file is damaged."""
        try:
            with np.load(self.path(sequence), allow_pickle=False) as content:
                if str(content["identity"]) != self._identity:
                    return None
                return list(content["masks"]), list(json.loads(str(content["warnings"])))
        except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile):
            return None

    def save(self, sequence: str, masks: Sequence[Labels], warnings: Sequence[str]) -> None:
        """Keep what `load` gives."""
        told, identity = np.array(json.dumps(list(warnings))), np.array(self._identity)
        with atomic_path(self.path(sequence)) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, masks=np.stack(masks), identity=identity, warnings=told)


def _identity(context: EvaluationContext[Settings], configs: Sequence[TrackingConfig]) -> dict[str, Any]:
    """What two runs must share to come to the same masks."""
    return {
        "model": context.model.identity,
        "data": {role: manifest.sha256 for role, manifest in context.manifests.items()},
        "layout": context.layout,
        "device": context.device.type,
        "precision": context.precision,
        "compiled": context.compiled,
        "settings": plain(context.settings) | {"pictures": None},
        "configs": [astuple(config) for config in configs],
    }
