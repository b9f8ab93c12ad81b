"""From a model SPEC to a backbone that is ready to be scored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dinobench.models.loading.checkpoint_file import from_file, training_data
from dinobench.models.loading.libraries import SOURCES
from dinobench.models.loading.loaded import LoadedBackbone
from dinobench.models.loading.model_paths import checkpoint_path, is_path
from dinobench.models.loading.onnx_file import from_onnx, is_onnx
from dinobench.models.loading.settings import ModelSettings, refuse_idle
from dinobench.runtime.settings import known_changes, resolve

__all__ = ["LoadedBackbone", "ModelSettings", "load_backbone", "training_data"]


def load_backbone(spec: str, *, settings: Mapping[str, Any] | None = None) -> LoadedBackbone:
    """Load what a model SPEC names.

    Args:
        spec: a checkpoint or ONNX file, a run directory, `timm:NAME`, `torchvision:NAME`, `hf:NAME`, `random:ARCH` or
            `pixels`.
        settings: changes to `ModelSettings`; other keys are ignored.

    Raises:
        InputError: nothing there, no known family, a tensor of the backbone is missing or does not fit, or a setting
            that could not act on such a model.
    """
    chosen = resolve(ModelSettings, known_changes(ModelSettings, settings or {}), "the model")
    scheme, _, name = spec.partition(":")
    refuse_idle(spec, chosen)
    if is_path(spec):
        path = checkpoint_path(spec, chosen.which)
        return from_onnx(spec, path, chosen) if is_onnx(path) else from_file(spec, path, chosen)
    return SOURCES[scheme](name, chosen)
