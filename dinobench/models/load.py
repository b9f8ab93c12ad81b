"""From a model SPEC to a backbone that is ready to be scored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dinobench.models.checkpoints import checkpoint_path, from_file, training_data
from dinobench.models.loaded import MODEL_SETTINGS, LoadedBackbone
from dinobench.models.sources import SOURCES

__all__ = ["MODEL_SETTINGS", "LoadedBackbone", "load_backbone", "training_data"]


def load_backbone(spec: str, *, settings: Mapping[str, Any] = MODEL_SETTINGS) -> LoadedBackbone:
    """Load what a model SPEC names.

    Args:
        spec: a checkpoint file, a run directory, `timm:NAME`, `torchvision:NAME`, `hf:NAME`, `random:ARCH` or
            `pixels`.
        settings: changes to `MODEL_SETTINGS`; other keys are ignored.

    Raises:
        InputError: nothing there, no known family, or a tensor of the backbone is missing or does not fit.
    """
    chosen = {**MODEL_SETTINGS, **{key: value for key, value in settings.items() if key in MODEL_SETTINGS}}
    scheme, _, name = spec.partition(":")
    if scheme in SOURCES and (name or spec == "pixels"):
        return SOURCES[scheme](name, chosen)
    return from_file(spec, checkpoint_path(spec, str(chosen["which"])), chosen)
